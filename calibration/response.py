"""The response of a channel while it stands still, and how it moved meanwhile."""

from dataclasses import dataclass

import numpy as np

from calibration import coherence, delays, doppler
from calibration.coherence import Correlation
from calibration.doppler import Doppler
from calibration.numerology import COHERENCE
from calibration.soundings import Train
from dsp.ofdm import Numerology, delay_ramp


@dataclass(frozen=True)
class Motion:
    """How a channel changed.

    Args:
        correlation: of intensity, over lags.
        doppler: None where nothing changed.
        span: observed, in seconds.
    """

    correlation: Correlation
    doppler: Doppler | None
    span: float

    def alike(self, times: np.ndarray) -> np.ndarray:
        """Return which instants are as good as the first: within 0.032/f_D, all where nothing moves."""
        return times - times[0] <= (np.inf if self.doppler is None else COHERENCE / self.doppler.median)


@dataclass(frozen=True)
class Response:
    """The channel at the first instants.

    Args:
        value: H, shape (2K,), smoothed by its taps; its common phase is arbitrary.
        error: standard deviation of an entry.
        delays: of the taps, in samples from the strongest path of the agent's beacon, shape (L,).
        taps: shape (L,).
        seconds: from the first sounding to the middle of those that were averaged.
    """

    value: np.ndarray
    error: float
    delays: np.ndarray
    taps: np.ndarray
    seconds: float


def move(train: Train, numerology: Numerology) -> Motion:
    """Return how the channel changed from sounding to sounding."""
    across = delays.band_correlation(train.channels, train.error_var, numerology)
    modes = coherence.modes(train.channels, across, numerology.subcarriers, train.error_var)
    correlation = coherence.correlate(modes, train.times)
    shift = doppler.doppler(modes, train.times) if correlation.moves else None
    return Motion(correlation, shift, float(train.times[-1] - train.times[0]))


def respond(train: Train, motion: Motion, numerology: Numerology) -> Response:
    """Return the channel of those first soundings between which it stood still.

    They are averaged at the phases that make the sum largest, the first singular vector; then least-squares taps.
    """
    alike = motion.alike(train.times)
    chosen, count = train.channels[alike], int(alike.sum())
    vector = np.linalg.svd(chosen, full_matrices=False)[2][0]
    power = max(float((np.abs(chosen @ vector.conj()) ** 2).mean()) - train.error_var, 1e-30)
    profile = delays.profile(train.channels, train.error_var, numerology)
    delay, taps = delays.taps(vector * np.sqrt(power), profile, numerology)
    value = taps @ delay_ramp(numerology, delay)
    error = np.sqrt(train.error_var / count * min(delay.size / value.size, 1.0))
    return Response(value, float(error), delay, taps, float(train.times[alike].mean() - train.times[0]))
