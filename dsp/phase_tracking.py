"""A Kalman tracker of the phase and frequency of one link, carried across rounds.

    state      φ (radians), f (Hz):   dφ = 2πf dt + √(2πΔν) dW,   df = √q dV
    over dt    Q = [[2πΔν·dt + (2π)²·q·dt³/3,  2π·q·dt²/2], [2π·q·dt²/2,  q·dt]]
    measured   the phase of a sounding (mod 2π), and the frequency inside it

Δν is the linewidth of both oscillators together, q their random walk of frequency in Hz²/s. A frequency measured over a
span T holds the Wiener phase inside it (`slope_var`). A phase is measured modulo 2π, so a tracker that does not know
its phase to within about ±π/2 has to be told that it does not (`forget_phase`).
"""

from dataclasses import dataclass, replace

import numpy as np

UNKNOWN_PHASE = 1e4  # variance that lets a measurement decide alone


@dataclass(frozen=True)
class Track:
    """What is known of a link.

    Args:
        time: in seconds.
        state: (φ, f).
        covariance: of the state, shape (2, 2).
    """

    time: float
    state: np.ndarray
    covariance: np.ndarray

    @property
    def phase(self) -> float:
        """φ in radians, not wrapped."""
        return float(self.state[0])

    @property
    def frequency(self) -> float:
        """f in Hz."""
        return float(self.state[1])


def slope_var(linewidth: float, span: float) -> float:
    """Return the variance in Hz² that a Wiener phase gives to the least-squares slope over a span.

        Var ∫ w(t)·φ(t) dt = 6/5 · 2πΔν/T   (rad/s)²,   w the weights of a slope

    Args:
        linewidth: Δν in Hz.
        span: T in seconds.
    """
    return 1.2 * linewidth / (2 * np.pi * span)


def begin(time: float, frequency: float, frequency_std: float) -> Track:
    """Return a track that knows a frequency and no phase."""
    return Track(time, np.array([0.0, frequency]), np.diag([UNKNOWN_PHASE, frequency_std**2]))


def predict(track: Track, time: float, linewidth: float, frequency_walk: float) -> Track:
    """Return the track at another time.

    Args:
        track: what is known.
        time: in seconds, not before that of the track.
        linewidth: Δν in Hz.
        frequency_walk: q in Hz²/s.

    Raises:
        ValueError: the time lies before that of the track.
    """
    dt = time - track.time
    if dt < 0:
        raise ValueError(f"time must not lie before that of the track ({track.time} s), got {time} s")
    step = np.array([[1, 2 * np.pi * dt], [0, 1]])
    cross = np.pi * frequency_walk * dt**2
    phase = 2 * np.pi * linewidth * dt + (2 * np.pi) ** 2 * frequency_walk * dt**3 / 3
    noise = np.array([[phase, cross], [cross, frequency_walk * dt]])
    return Track(time, step @ track.state, step @ track.covariance @ step.T + noise)


def update_phase(track: Track, phase: float, variance: float) -> Track:
    """Return the track after a phase was measured at its time; the innovation is taken to be within ±π."""
    return _update(track, np.array([1.0, 0.0]), wrap(phase - track.phase), variance)


def update_frequency(track: Track, frequency: float, variance: float) -> Track:
    """Return the track after a frequency was measured at its time."""
    return _update(track, np.array([0.0, 1.0]), frequency - track.frequency, variance)


def forget_phase(track: Track) -> Track:
    """Return the track with its frequency kept and its phase unknown: a new stream, or too long a pause."""
    variance = float(track.covariance[1, 1])
    return replace(track, state=np.array([0.0, track.frequency]), covariance=np.diag([UNKNOWN_PHASE, variance]))


def wrap(phase: float) -> float:
    """Return a phase in [−π, π)."""
    return float((phase + np.pi) % (2 * np.pi) - np.pi)


def _update(track: Track, seen: np.ndarray, innovation: float, variance: float) -> Track:
    spread = seen @ track.covariance @ seen + variance
    gain = track.covariance @ seen / spread
    keep = np.eye(2) - np.outer(gain, seen)
    covariance = keep @ track.covariance @ keep.T + variance * np.outer(gain, gain)
    return replace(track, state=track.state + gain * innovation, covariance=covariance)
