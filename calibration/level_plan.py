"""From the levels of all agents to what every radio is set to: one |H|² for all, a server with room for their sum.

    strongest_i = link gain_i − max(least attenuation, payload + 10 dB − 1 dB point_i)     |H_i|² without compression
    target      = min strongest_i over the agents that stay, or what a user wants
    attenuation_i = link gain_i − target,     to the agent's step
    server's gain: payload + target + 10·log10 n + 10 dB = −6 dBFS at the converter

|H|² is received over digital power, at the gain that the server had in the measurement. The payload is the digital rms
at power P, its peaks 10 dB above. Powers of n agents add: payloads that are all alike add up to 10·log10 n dB more, for
which there are the 6 dB and the peaks' 10.
"""

from dataclasses import dataclass, replace

import numpy as np

from calibration.downlink_plan import server_attenuation, with_gain
from calibration.level_bench import PEAK_DB, LevelBench, at_least
from calibration.measurement import CalibrationError, Measurement, Quantity, Verdict
from calibration.server_levels import server_levels
from radio.settings import Limits

TARGET = "plan_target_db"  # of all levels of one plan alike: an agent's that differ from the server's are of another


@dataclass(frozen=True)
class LevelPlan:
    """What every radio is set to.

    Args:
        target_db: |H|² of all agents that stay, at the server's gain of the measurement.
        agents: measurements, with what is to be set for those that stay; the others have the verdict "too weak" or
            "too strong" and keep their settings.
        server: what is known of the server, its gain, and its attenuation.
    """

    target_db: float
    agents: dict[int, Measurement]
    server: Measurement


def plan(
    measurements: dict[int, Measurement], bench: LevelBench, target_db: float | None = None, cutoff_db: float = 10.0
) -> LevelPlan:
    """Return what every radio is set to.

    Args:
        measurements: of `calibration.levels`, by agent.
        bench: the radios.
        target_db: |H|² that all are to have, at the server's gain of the measurement; None: the largest that all can.
        cutoff_db: agents whose largest |H|² is weaker than the median by more than this are dropped.

    Raises:
        CalibrationError: no agent is left or can be set, or they were measured at different gains of the server.
        ValueError: no measurement, or a negative cut-off.
    """
    if not measurements or not cutoff_db >= 0:
        raise ValueError(
            f"a plan needs measurements and cutoff_db >= 0, got {len(measurements)} and {cutoff_db}; measure levels "
            "first, and choose a cut-off such as 10 dB"
        )
    _check_common_gain(measurements)
    strongest = {agent: _strongest(found, bench, bench.agent_limits[agent]) for agent, found in measurements.items()}
    middle = float(np.median(list(strongest.values())))
    reasons = {agent: _too_weak(strongest[agent], middle, cutoff_db, target_db) for agent in measurements}
    heard = [strongest[agent] for agent, reason in reasons.items() if not reason]
    if not heard:
        raise CalibrationError(
            f"none of {len(measurements)} agents reaches |H|² = {target_db} dB, the strongest has "
            f"{max(strongest.values()):.1f} dB; lower the target"
        )
    target = min(heard) if target_db is None else target_db
    agents = {
        agent: replace(found, verdict=Verdict("too weak", reasons[agent]))
        if reasons[agent]
        else _set(found, bench, bench.agent_limits[agent], target)
        for agent, found in measurements.items()
    }
    return _planned(agents, bench, target)


def _planned(agents: dict[int, Measurement], bench: LevelBench, target: float) -> LevelPlan:
    """Return the plan, once the agents that stay have their attenuation: the server, and what agents hear with."""
    kept = {agent: found for agent, found in agents.items() if "tx_attenuation_db" in found.quantities}
    if not kept:
        raise CalibrationError(f"no agent can be set: {next(iter(agents.values())).verdict.reason}", "too strong")
    attenuation = server_attenuation(kept, bench)
    for agent, found in kept.items():
        kept[agent] = with_gain(found, bench, bench.agent_limits[agent].rx_gain_db, attenuation)
    server = server_levels(kept, bench, target, attenuation)
    return LevelPlan(
        target,
        {agent: _of_plan(kept.get(agent, found), target) for agent, found in agents.items()},
        _of_plan(server, target),
    )


def _of_plan(found: Measurement, target: float) -> Measurement:
    return replace(found, quantities=found.quantities | {TARGET: Quantity(target, 0.0, "dB")})


def _check_common_gain(measurements: dict[int, Measurement]) -> None:
    gains = {found.quantities["at_rx_gain_db"].value for found in measurements.values()}
    if max(gains) - min(gains) > 1e-6:
        raise CalibrationError(
            f"levels were measured at server gains from {min(gains):g} to {max(gains):g} dB, which cannot be compared; "
            "calibrate levels of all agents in one go",
            "unstable",
        )


def _strongest(found: Measurement, bench: LevelBench, limits: Limits) -> float:
    """Return the largest |H|² in dB at which the payload's peaks stay below the 1 dB point."""
    least = limits.tx_attenuation_db.low
    point = found.quantities.get("compression_dbfs")
    if point is not None:
        least = at_least(limits.tx_attenuation_db, bench.payload_dbfs + PEAK_DB - point.value)
    return found.quantities["link_gain_db"].value - least


def _too_weak(strongest: float, middle: float, cutoff_db: float, target_db: float | None) -> str:
    """Return why an agent is dropped; "" if it stays."""
    if middle - strongest > cutoff_db:
        return (
            f"its largest |H|² without compression is {strongest:.1f} dB, {middle - strongest:.1f} dB below the median "
            f"of all agents, {cutoff_db:g} dB is the cut-off: dropped; move it nearer, or raise the cut-off"
        )
    if target_db is not None and strongest < target_db:
        return (
            f"its largest |H|² without compression is {strongest:.1f} dB, the target {target_db:g} dB: dropped; lower "
            f"the target by {target_db - strongest:.1f} dB, or move it nearer"
        )
    return ""


def _set(found: Measurement, bench: LevelBench, limits: Limits, target: float) -> Measurement:
    """Return a measurement with the attenuation to be set, or why its radio cannot be."""
    allowed = limits.tx_attenuation_db
    wanted = found.quantities["link_gain_db"].value - target
    if wanted > allowed.high + max(allowed.step, 1e-9) / 2:
        reason = (
            f"it needs {wanted:.1f} dB of attenuation, its radio has {allowed.high:g} dB: dropped; put "
            f"{np.ceil(wanted - allowed.high):.0f} dB into its antenna line, or raise the target"
        )
        return replace(found, verdict=Verdict("too strong", reason))
    planned = {"tx_attenuation_db": Quantity(allowed.nearest(wanted), 0.0, "dB")}
    point = found.quantities.get("compression_dbfs")
    beyond = 0.0 if point is None else bench.payload_dbfs + PEAK_DB - allowed.high - point.value
    verdict = found.verdict
    if beyond > 0:
        reason = (
            f"peaks of a payload pass its 1 dB point at any attenuation; lower waveform.level_dbfs by {beyond:.1f} dB"
        )
        verdict = Verdict("too strong", reason)
    return replace(found, quantities=found.quantities | planned, verdict=verdict)
