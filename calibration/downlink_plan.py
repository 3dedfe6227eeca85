"""What the server's attenuation and the agents' gains are set to, for all agents to hear the beacon.

    attenuation = max(min a_i, max b_i),   b_i = a_i + peak_i + (lowest gain_i − gain_i) + 6 dB
    gain_i      = as it is while peak_i + a_i − attenuation is within −40 to −6 dBFS, otherwise for −12 dBFS

a_i is the attenuation of the server at which agent i heard the beacon well, with peaks of peak_i dBFS at gain_i. At
less than b_i its lowest gain would leave it above −6 dBFS.
"""

from dataclasses import replace

from calibration.downlink import WELL_DB
from calibration.level_bench import LevelBench, at_least
from calibration.measurement import Measurement, Quantity
from radio.settings import Range

BEACON_PEAK_DBFS = -12.0
BEACON_LOWEST_DBFS, BEACON_HIGHEST_DBFS = -40.0, -6.0


def server_attenuation(kept: dict[int, Measurement], bench: LevelBench) -> float:
    """Return the server's attenuation in dB: the least that any agent needs, as far as none is overdriven."""
    needed = min(found.quantities["heard_at_tx_attenuation_db"].value for found in kept.values())
    bearable = max(_bearable(found, bench, bench.agent_limits[agent].rx_gain_db) for agent, found in kept.items())
    return at_least(bench.server_limits.tx_attenuation_db, max(needed, bearable))


def with_gain(found: Measurement, bench: LevelBench, allowed: Range, attenuation: float) -> Measurement:
    """Return a measurement with the agent's gain to be set.

    Args:
        found: what was measured.
        bench: the radios.
        allowed: gains of the agent.
        attenuation: that the server will have, in dB.
    """
    gain = found.quantities["heard_at_rx_gain_db"].value
    peak = _peak(found, bench) + found.quantities["heard_at_tx_attenuation_db"].value - attenuation
    if not BEACON_LOWEST_DBFS <= peak <= BEACON_HIGHEST_DBFS:
        gain = allowed.nearest(gain + BEACON_PEAK_DBFS - peak)
    return replace(found, quantities=found.quantities | {"rx_gain_db": Quantity(gain, 0.0, "dB")})


def unheard(kept: dict[int, Measurement], attenuation: float) -> str:
    """Return why some agents do not hear the beacon well at the server's attenuation; "" if all do as they did."""
    lost = {agent: attenuation - found.quantities["heard_at_tx_attenuation_db"].value for agent, found in kept.items()}
    snr = {agent: found.quantities["downlink_snr_db"].value - lost[agent] for agent, found in kept.items()}
    worst = min(snr, key=snr.__getitem__)
    if lost[worst] <= 0 or snr[worst] >= WELL_DB:
        return ""
    return (
        f"{attenuation:g} dB of attenuation spare the agent that is nearest, at its lowest gain, and leave "
        f"{kept[worst].serial} an SNR of {snr[worst]:.1f} dB, {WELL_DB:g} dB are needed; put {lost[worst]:.0f} dB "
        "ahead of the nearest agent's receiver"
    )


def _peak(found: Measurement, bench: LevelBench) -> float:
    """Return peaks of the beacon as it was heard, in dBFS."""
    return found.quantities["downlink_dbfs"].value + bench.beacon_crest_db


def _bearable(found: Measurement, bench: LevelBench, allowed: Range) -> float:
    """Return the server's least attenuation at which the agent, at its lowest gain, is 6 dB below full scale."""
    lowest = _peak(found, bench) + allowed.low - found.quantities["heard_at_rx_gain_db"].value
    return found.quantities["heard_at_tx_attenuation_db"].value + lowest - BEACON_HIGHEST_DBFS
