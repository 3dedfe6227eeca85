"""Levels of the server, from those of the agents that will send together."""

import numpy as np

from calibration.downlink_plan import unheard
from calibration.level_bench import PEAK_DB, LevelBench
from calibration.measurement import Measurement, Quantity, Verdict
from calibration.spectrum import SURE

HEADROOM_DB = 6.0
SAME_DB = 1.0


def server_levels(kept: dict[int, Measurement], bench: LevelBench, target_db: float, attenuation: float) -> Measurement:
    """Return the levels of the server: noise and full scale as the agents' sweeps saw them, and what is to be set.

    Args:
        kept: measurements of the agents that will send together, by agent.
        bench: the radios.
        target_db: |H|² of all of them, at the gain of the measurement.
        attenuation: of its own beacon, in dB.
    """
    agents = list(kept.values())
    present = agents[0].quantities["at_rx_gain_db"].value
    peak = bench.payload_dbfs + target_db + 10 * np.log10(len(kept)) + PEAK_DB
    slopes = _seen(agents, "rx_gain_slope")
    slope = _mean(slopes).value if slopes else 1.0
    wanted = present + (-HEADROOM_DB - peak) / slope
    gain = bench.server_limits.rx_gain_db.nearest(wanted)
    settings = {"tx_attenuation_db": attenuation, "rx_gain_db": gain, "at_rx_gain_db": present}
    quantities = {name: Quantity(value, 0.0, "dB") for name, value in settings.items()}
    for name in ("noise_floor_dbfs", "full_scale_dbm"):
        if seen := _seen(agents, name):
            quantities[name] = _mean(seen)
    reason = unheard(kept, attenuation)
    verdict = Verdict("too strong", reason) if reason else _verdict(agents, wanted, gain)
    return Measurement("levels", bench.server, None, quantities, verdict)


def _seen(kept: list[Measurement], name: str) -> list[Quantity]:
    return [found.quantities[name] for found in kept if name in found.quantities]


def _verdict(kept: list[Measurement], wanted: float, gain: float) -> Verdict:
    if gain - wanted > 1.0:
        return Verdict(
            "too strong",
            f"its lowest gain is {gain:g} dB, {wanted:.1f} dB would keep the sum of all agents 6 dB below full scale; "
            f"lower the target by {gain - wanted:.1f} dB, or put that much ahead of the receiver",
        )
    needed = [one.value for one in _seen(kept, "converter_gain_db")]
    if needed and gain < min(needed):
        return Verdict(
            "too noisy",
            f"at {gain:g} dB its converter's noise shows, which it does not from {min(needed):g} dB on; lower the "
            f"target by {min(needed) - gain:.1f} dB",
        )
    powers = [one.value for one in _seen(kept, "full_scale_dbm")]
    if powers and max(powers) - min(powers) > SAME_DB:
        return Verdict(
            "good",
            f"full scale in dBm differs by {max(powers) - min(powers):.1f} dB from one agent's reference to another's; "
            "read the power meter again",
        )
    return Verdict()


def _mean(seen: list[Quantity]) -> Quantity:
    """Return the mean of quantities weighted by their uncertainty; its own covers their scatter, too."""
    values, widths = np.array([(one.value, max(one.uncertainty, 1e-6)) for one in seen]).T
    weight = 1 / widths**2
    value = float(np.average(values, weights=weight))
    excess = np.sqrt(np.sum(weight * (values - value) ** 2) / max(len(seen) - 1, 1) * SURE**2)
    return Quantity(value, float(max(excess, 1.0) / np.sqrt(weight.sum())), seen[0].unit)
