"""The clock of a radio beside a reference: offset, drift, Allan deviation, from the phase of markers.

The reference sends a beacon and then markers (`calibration.marker_train`); what their phases say of frequency and drift
is in `calibration.phase_walk`, of stability in `calibration.allan`.

A hearer that receives the sender's carrier at +f has a clock slower by f/f_c: with the reference received at f,

    offset_ppm = 10⁶·(1/(1 + f/f_c) − 1),  positive if the radio is faster.
"""

import numpy as np

from calibration.allan import Allan, allan
from calibration.exchange import Signals, meet
from calibration.marker_train import RAMP, SPACING, Train, check, follow, listen, unwrapped
from calibration.measurement import Measurement, Quantity, Verdict
from calibration.phase_walk import Walk, fit_walk
from radio.base import Radio

LEAST_SECONDS = 0.3
TURNED = 0.75 * np.pi  # an increment further from the expected one than this may have been taken for its neighbour
LIMIT_PPM, HORIZON = 0.01, 60.0  # what a clock has to keep, for so many seconds
LEAST_FREEDOM = 10.0  # of an Allan deviation that is worth a number
LEAST_TRIM = 1e-3  # ppm: radios on one reference agree to better, and must not be moved apart


def measure(reference: Radio, radio: Radio, signals: Signals, seconds: float = 1.3) -> Measurement:
    """Return how a radio's clock runs beside that of a reference.

    Quantities: `offset_ppm`, mean of the observation, of which a random walk of the frequency is part;
    `drift_ppm_per_s`; `adev_min` at `tau_min`; `trim_ppm`, what the radio's clock_trim_ppm should be set to (the end of
    its range, if that is too short, and then the verdict says so), only where it can be trimmed.

    The interval of the drift is wider than it need be, up to six times where nothing wanders and three times with a
    linewidth alone: in a second or two a drift cannot be told from a random walk, which is allowed for.

    Args:
        reference: who sends.
        radio: who hears, and whose clock it is about.
        signals: what is sent.
        seconds: to observe.

    Raises:
        CalibrationError: no beacon, a marker that did not come, an offset beyond the pull-in, full scale.
        RadioError: a radio failed.
        ValueError: the time is shorter than 0.3 s.
    """
    if not seconds >= LEAST_SECONDS:
        raise ValueError(f"seconds must be at least {LEAST_SECONDS}, got {seconds}; 1.3 is usual")
    meeting = meet(reference, radio, signals)
    captures = listen(reference, radio, signals, meeting, seconds)
    coarse = follow(captures, meeting.beacon.cfo, signals)
    check(coarse, reference, radio, signals)
    # with the right carrier undone, a marker's clock is right too, and its delay over a channel's many paths
    mean = float(unwrapped(coarse, signals).sum() / (2 * np.pi * coarse.instants[-1] / signals.sample_rate))
    train = follow(captures, coarse.cfo + mean, signals)
    increments = unwrapped(train, signals)
    walk = fit_walk(increments, train.instants / signals.sample_rate, train.noise)
    return _measurement(reference, radio, signals, train, (walk, increments))


def _measurement(
    reference: Radio, radio: Radio, signals: Signals, train: Train, fitted: tuple[Walk, np.ndarray]
) -> Measurement:
    """Return quantities, verdict and curves."""
    (walk, increments), fs, carrier = fitted, signals.sample_rate, signals.carrier
    regular = slice(len(RAMP) - 1, None)  # markers 20 ms apart begin with the first one, which the ramp follows
    times, phases = train.instants[1:] / fs, np.cumsum(increments)
    times, phases = np.append(0.0, times[regular]), np.append(0.0, phases[regular])
    stability = allan(phases, SPACING, carrier, float(np.mean(np.diag(train.noise))) / 2)
    frequency = train.cfo + walk.frequency
    offset = float(_ppm(np.array(frequency), carrier))
    to_ppm = 1e6 / (1 + frequency / carrier) ** 2 / carrier
    quantities = {
        "offset_ppm": Quantity(offset, to_ppm * walk.frequency_u, "ppm"),
        "drift_ppm_per_s": Quantity(-to_ppm * walk.slope, to_ppm * walk.slope_u, "ppm/s"),
        **_stability(stability),
        **_trim(radio, offset),
    }
    seen = train.cfo + np.diff(phases) / (2 * np.pi * np.diff(times))
    curves = {
        "time_s": (times[1:] + times[:-1]) / 2,
        "frequency_ppm": _ppm(seen, carrier),
        "allan_tau_s": stability.tau,
        "allan_deviation": stability.deviation,
        "allan_low": stability.low,
        "allan_high": stability.high,
        "allan_floor": stability.floor,
    }
    wander, largest = to_ppm * walk.wander * np.sqrt(HORIZON), float(np.max(np.abs(walk.residual)))
    verdict = _verdict(quantities, wander, largest, _beyond(radio, quantities))
    return Measurement("clock", radio.serial, reference.serial, quantities, verdict, curves)


def _ppm(frequency: np.ndarray, carrier: float) -> np.ndarray:
    """Return by how many ppm the hearer's clock is faster than that of a carrier received at some frequency."""
    return -1e6 * frequency / carrier / (1 + frequency / carrier)


def _stability(stability: Allan) -> dict[str, Quantity]:
    """Return the least Allan deviation that is known with ten degrees of freedom, and where it is."""
    known = np.flatnonzero(stability.freedom >= LEAST_FREEDOM)
    best = int(known[np.argmin(stability.deviation[known])]) if known.size else 0
    width = float(stability.high[best] - stability.low[best]) / 2
    return {
        "adev_min": Quantity(float(stability.deviation[best]), width, ""),
        "tau_min": Quantity(float(stability.tau[best]), 0.0, "s"),
    }


def _trim(radio: Radio, offset_ppm: float) -> dict[str, Quantity]:
    """Return the trim nearest to one without an offset; nothing if the clock cannot or need not be trimmed."""
    allowed, present = radio.limits.clock_trim_ppm, radio.settings.clock_trim_ppm
    if allowed.low == allowed.high:
        return {}
    wanted = present if abs(offset_ppm) < LEAST_TRIM else present - offset_ppm
    return {"trim_ppm": Quantity(allowed.nearest(wanted), 0.0, "ppm")}


def _beyond(radio: Radio, quantities: dict[str, Quantity]) -> str:
    """Return what to say of an offset that the radio's range of trims does not reach; "" if it does, or has none."""
    if "trim_ppm" not in quantities:
        return ""
    allowed, offset, trim = radio.limits.clock_trim_ppm, quantities["offset_ppm"].value, quantities["trim_ppm"].value
    left = offset + trim - radio.settings.clock_trim_ppm
    if abs(left) <= max(LIMIT_PPM, allowed.step / 2):
        return ""
    return (
        f"the trim of {radio.serial} ends at {trim:g} ppm (range {allowed.low:g} to {allowed.high:g}), which leaves "
        f"{left:+.3g} ppm of an offset of {offset:+.3g} ppm (limit {LIMIT_PPM}); trim the reference towards this "
        "radio, feed both from one clock, or take a radio with a better oscillator"
    )


def _verdict(quantities: dict[str, Quantity], wander: float, largest: float, beyond: str) -> Verdict:
    """Return what a user should think of a clock.

    An offset beyond the range of the trim is "too strong", as a level beyond full scale is; one that a coarse step
    leaves is not.

    Args:
        quantities: of the measurement.
        wander: least rms change of its offset within a minute, in ppm.
        largest: deviation of the phase from what was expected, from one marker to the next, in radians.
        beyond: what to say of an offset that the trim does not reach; "" if it does.
    """
    offset, drift = quantities["offset_ppm"], quantities["drift_ppm_per_s"]
    if largest > TURNED:
        return Verdict(
            "unstable",
            f"the carrier's phase turned by {np.degrees(largest):.0f}° more or less than expected between two markers "
            f"(limit {np.degrees(TURNED):.0f}°), so whole turns may be missing; let the radios warm up, keep them "
            "still, or feed both from one clock",
        )
    if beyond:
        return Verdict("too strong", beyond)
    moved = HORIZON * (abs(drift.value) - drift.uncertainty)
    if moved > LIMIT_PPM:
        return Verdict(
            "unstable",
            f"the clock drifts by {drift.value:.2g} ± {drift.uncertainty:.1g} ppm/s, at least {moved:.2g} ppm in a "
            f"minute (limit {LIMIT_PPM}); let the radio warm up, shield it from draughts, and measure again",
        )
    if wander > LIMIT_PPM:
        return Verdict(
            "unstable",
            f"the clock wanders by at least {wander:.2g} ppm in a minute (limit {LIMIT_PPM}); calibrate it more often, "
            "or use a better oscillator or a common clock",
        )
    if 2 * offset.uncertainty > LIMIT_PPM:
        return Verdict(
            "too noisy",
            f"the 95 % interval of the offset is {2 * offset.uncertainty:.2g} ppm wide (limit {LIMIT_PPM}); raise the "
            "level, or observe for longer",
        )
    return Verdict()
