"""Transmit sweep: an agent's level rises in steps of at most 3 dB, in a second pass of at most 1 dB around the knee.

All gains refer to the server's gain at the beginning. When the next step could bring the server to within 6 dB of full
scale its gain is lowered; the same level, measured at both gains, says by how much it really was.
"""

from dataclasses import dataclass

import numpy as np

from calibration.compression import Gains
from calibration.measurement import CalibrationError
from calibration.spectrum import DECIBEL, Silence, listen
from calibration.sweep import AMPLITUDE, HIGHEST_PEAK, STEP_DB, Link, Reading, gauge, rising
from dsp.metrics import db
from radio.settings import Change

FINE_DB = 0.5
KNEE_DB = 0.1  # lost gain at which the knee begins
BEYOND_DB = 1.3  # and up to which it is looked at closely
LOWER_DB = 12.0  # by which the server's gain is lowered at once
VANISHED_DB = 6.0  # less gain than one step before: nobody compresses like that
BURIED_DB = 9.0  # below the noise of a sample: where the sweep begins


@dataclass(frozen=True)
class Receiver:
    """The server at one of its gains.

    Args:
        silence: at that gain.
        shift_db: by which its gain really is above the one at the beginning.
        shift_var: of that, in dB².
    """

    silence: Silence
    shift_db: float = 0.0
    shift_var: float = 0.0


@dataclass(frozen=True)
class Point:
    """A level of the sweep; as in `Gains`, and the attenuation."""

    attenuation: float
    level: float
    gain: float
    variance: float


@dataclass(frozen=True)
class TransmitSweep:
    """What came of it.

    Args:
        gains: received over digital level, less attenuation, at the server's gain of the beginning.
        least: attenuation of the highest level.
        is_stopped: whether the server could not be lowered further before the agent was at its highest level.
    """

    gains: Gains
    least: float
    is_stopped: bool


def transmit_sweep(link: Link, silence: Silence) -> TransmitSweep:
    """Return an agent's gains from 9 dB below the noise of a sample to its highest level.

    Args:
        link: of the two, the agent's attenuation where `approach` left it.
        silence: of the server at its present gain.

    Raises:
        CalibrationError: the agent fell silent, or the server is at full scale.
        RadioError: a radio failed.
    """
    limits = link.agent.limits.tx_attenuation_db
    receiver = Receiver(silence)
    met = _point(link, receiver, gauge(link, silence))
    above_noise = met.level + met.gain - float(db(silence.noise_var))
    start = min(max(met.attenuation + above_noise + BURIED_DB, limits.low), limits.high)
    coarse, receiver = _rise(link, receiver, rising(limits, start, limits.low, STEP_DB))
    fine, _ = _rise(link, receiver, _knee(link, coarse))
    points = sorted({point.attenuation: point for point in (*coarse, *fine)}.values(), key=lambda point: point.level)
    return TransmitSweep(gains_of(points), points[-1].attenuation, points[-1].attenuation > limits.low + 1e-6)


def gains_of(points: list[Point]) -> Gains:
    """Return points as arrays."""
    table = np.array([(point.level, point.gain, point.variance) for point in points]).T
    return Gains(table[0], table[1], np.sqrt(table[2]))


def _rise(link: Link, receiver: Receiver, attenuations: list[float]) -> tuple[list[Point], Receiver]:
    """Return points at attenuations, given falling, as far as the server stays 6 dB below full scale."""
    points = list[Point]()
    peak = 0.0
    for attenuation in attenuations:
        raised = points[-1].attenuation - attenuation if points else 0.0
        if peak * 10 ** (raised / 20) > HIGHEST_PEAK:
            lowered = _lowered(link, receiver)
            if lowered is None:
                break
            receiver = lowered
        link.agent.configure(Change(tx_attenuation_db=attenuation))
        reading = gauge(link, receiver.silence)
        peak = reading.peak
        point = _point(link, receiver, reading)
        if points:
            _check_steady(link, points[-1], point)
        points.append(point)
    return points, receiver


def _point(link: Link, receiver: Receiver, reading: Reading) -> Point:
    attenuation = link.agent.settings.tx_attenuation_db
    gain = float(db(reading.power)) + attenuation - receiver.shift_db
    level = float(db(AMPLITUDE**2)) - attenuation
    return Point(attenuation, level, gain, DECIBEL**2 * reading.variance / reading.power**2 + receiver.shift_var)


def _lowered(link: Link, receiver: Receiver) -> Receiver | None:
    """Return the server at a lower gain, the agent's level being the same; None if it has no lower one."""
    limits, present = link.server.limits.rx_gain_db, link.server.settings.rx_gain_db
    if present <= limits.low + 1e-6:
        return None
    before = gauge(link, receiver.silence)
    link.server.configure(Change(rx_gain_db=limits.nearest(max(present - LOWER_DB, limits.low))))
    silence = listen(link.server, link.signals)
    after = gauge(link, silence)
    shift = float(db(after.power / before.power))
    variance = DECIBEL**2 * (after.variance / after.power**2 + before.variance / before.power**2)
    return Receiver(silence, receiver.shift_db + shift, receiver.shift_var + variance)


def _knee(link: Link, coarse: list[Point]) -> list[float]:
    """Return attenuations in fine steps from where the gain begins to fall to where it has fallen by 1.3 dB."""
    best = 0.0
    total = weight = 0.0
    begin = None
    for place, point in enumerate(coarse):
        lost = total / weight - point.gain if place > 1 else 0.0
        if begin is None and lost > KNEE_DB + 3 * np.sqrt(point.variance + 1 / max(weight, 1e-9)):
            begin, best = place, total / weight
        if begin is None:
            total, weight = total + point.gain / point.variance, weight + 1 / point.variance
        elif best - point.gain > BEYOND_DB:
            break
    if begin is None:
        return []
    limits = link.agent.limits.tx_attenuation_db
    return rising(limits, coarse[begin - 1].attenuation, coarse[place].attenuation, max(FINE_DB, limits.step))


def _check_steady(link: Link, before: Point, after: Point) -> None:
    """Check that the agent still is where it was."""
    if before.gain - after.gain > VANISHED_DB:
        raise CalibrationError(
            f"radio {link.server.serial} hears {link.agent.serial} weaker by {before.gain - after.gain:.0f} dB than a "
            f"step before, at an attenuation of {after.attenuation:g} dB; see whether the agent left or the link was "
            "blocked, and calibrate it again",
            "unstable",
        )
