"""Settings of the table `uplink` that contradict each other, for `fl.conflicts` and the uplinks."""

import math
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from dsp.gaussian_projection import min_symbols
from fl.algorithms.base import Conflict
from fl.dimension import message_length

if TYPE_CHECKING:
    from fl.config import Config


def analog_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield what contradicts symbols that are measurements of the update."""
    yield from _measurements(config)
    yield from _receiver(config)


def _measurements(config: "Config") -> Iterator[Conflict]:
    uplink = config.uplink
    keys = "uplink.measurements", "uplink.sensing"
    length = message_length(config)
    if uplink.sensing == "partial_dft" and uplink.measurements > 0.5:
        yield (
            keys,
            f"uplink.measurements: partial_dft has d/2 complex symbols, so at most 0.5, got {uplink.measurements}; "
            "uplink.sensing = random_rows goes to 1",
        )
    if uplink.sensing == "identity" and uplink.measurements != 1:
        yield keys, f"uplink.measurements: identity sends every entry, so it must be 1, got {uplink.measurements}"
    if uplink.sensing == "gaussian" and round(uplink.measurements * length) < min_symbols(length):
        yield (
            keys,
            f"uplink.measurements: gaussian needs {min_symbols(length)} channel uses for {length} parameters, one real "
            f"measurement for each block, got {uplink.measurements}; raise it to {min_symbols(length) / length:.1g}",
        )
    elif uplink.measurements * length < 1:
        yield keys, f"uplink.measurements: less than one channel use for {length} parameters"


def _receiver(config: "Config") -> Iterator[Conflict]:
    uplink = config.uplink
    if uplink.min_gain is not None and uplink.power_rule != "inversion":
        yield (
            ("uplink.min_gain", "uplink.power_rule"),
            f"uplink.min_gain: only inversion is truncated, uplink.power_rule is {uplink.power_rule}",
        )
    if uplink.prior == "gaussian_mixture" and uplink.receiver != "oamp":
        yield (
            ("uplink.prior", "uplink.receiver"),
            f"uplink.prior: {uplink.receiver} has no prior; leave it out, or take oamp",
        )
    if uplink.receiver == "amp" and uplink.sensing != "gaussian":
        yield (
            ("uplink.receiver", "uplink.sensing"),
            f"uplink.receiver: Onsager's term of amp is that of a Gaussian matrix, uplink.sensing is {uplink.sensing}; "
            "set uplink.sensing = gaussian, or take oamp",
        )


def fixed_conflicts(config: "Config", keys: Collection[str], why: str) -> Iterator[Conflict]:
    """Yield keys of the table `uplink` that have no part in an uplink and are not as they are by default."""
    uplink = config.uplink
    for key in keys:
        default = type(uplink).model_fields[key].default
        if getattr(uplink, key) != default:
            usual = "" if default is None else f" (it is {default} by default)"
            yield (
                (f"uplink.{key}", "uplink.kind"),
                f"uplink.{key}: {why}, got {getattr(uplink, key)}; leave it out{usual}, or set uplink.kind = symbol",
            )


def fading_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield what contradicts a simulated channel."""
    fading = config.uplink.fading
    if fading.k_factor_db is not None and fading.kind != "rician":
        yield (
            ("uplink.fading.k_factor_db", "uplink.fading.kind"),
            f"uplink.fading.k_factor_db: only rician fading has a K factor, uplink.fading.kind is {fading.kind}",
        )


def phase_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield a power rule that would add up symbols of random phases."""
    uplink = config.uplink
    if uplink.power_rule == "none" and uplink.fading.kind != "none":
        yield (
            ("uplink.power_rule", "uplink.fading.kind"),
            "uplink.power_rule: none leaves random phases, the sum would be noise; set uplink.fading.kind = none or "
            "another rule",
        )


def expected_agents(config: "Config", gain: float) -> float:
    """Return how many agents of an average round have |h|² of at least `gain`, as Rayleigh fading has it."""
    survival = float(gain <= 1) if config.uplink.fading.kind == "none" else math.exp(-min(gain, 700.0))
    return config.agents.scheduled * survival


def silence_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield thresholds that would leave less than one agent in an average round."""
    uplink = config.uplink
    for key, gain in (
        ("uplink.min_gain", uplink.min_gain or 0.0),
        ("uplink.min_headroom_db", 10 ** ((uplink.min_headroom_db - uplink.snr_db) / 10)),
    ):
        expected = expected_agents(config, gain)
        if expected < 1 and not (key == "uplink.min_headroom_db" and uplink.power_rule == "none"):
            yield (
                (key, "uplink.snr_db", "uplink.fading.kind"),
                f"{key}: excludes everybody (|h|² >= {gain:.3g} leaves {expected:.2g} of {config.agents.scheduled} "
                "agents in an average round); lower it"
                + (" or raise uplink.snr_db" if key == "uplink.min_headroom_db" else ""),
            )
