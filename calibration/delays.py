"""What a response over subcarriers says about delays: taps, profile, rms spread, span, coherence bandwidth.

    P(t) = mean_i |Σ_k w[k]·H_i[k]·e^{j2πkt/N}|² − σ_H²·Σw²          delay profile, w a Hann window over the band
    rms² = ∫t²P/∫P − (∫tP/∫P)² − that of w alone                     variances add on the mean over phases of paths
    R(d) = Σ_i Σ_k H_i[k+d]·H_i*[k], over its value at d = 0 without noise, each by its number of terms

A path that lies between two samples, or closer to another than N/2K samples, is not told apart by the band; all figures
are of the band-limited channel; what they say about the paths themselves says `calibration.delay_spread`. Delays are in
samples.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import linalg
from scipy.special import comb

from dsp.ofdm import Numerology, delay_ramp

FINE = 4  # points of a profile in a sample
SHARE = 0.99  # of the energy, between the first and the last significant path
ABOVE = 6.0  # times the standard error of the noise that is left: where a profile ends
EDGE = 3  # samples beyond that, the main lobe of w
BESIDE = 5  # subcarriers on each side, from which that of the unused carrier is interpolated
RIDGE = 1e-9  # of the energy of a tap: only what the band does not show is held back
HALF = 0.5


@dataclass(frozen=True)
class Profile:
    """Mean power over delay.

    Args:
        delay: in samples, shape (D,), FINE points a sample, cut to where something was found.
        power: P without noise, shape (D,); may be a little below 0.
        resolution: samples from the middle of a lone path to where 0.5 % of its energy are left.
    """

    delay: np.ndarray
    power: np.ndarray
    resolution: float


@dataclass(frozen=True)
class Spread:
    """Figures of a profile, in samples.

    Args:
        variance: square of the rms delay spread; noise, and paths that cancel, may bring it below 0.
        first: before it lies 0.5 % of the energy.
        last: behind it lies 0.5 %.
    """

    variance: float
    first: float
    last: float


def profile(channels: np.ndarray, error_var: float, numerology: Numerology) -> Profile:
    """Return the delay profile of responses, averaged over them.

    Args:
        channels: H_i, shape (S, 2K).
        error_var: σ_H² of each.
        numerology: the grid's numbers.
    """
    window, lone = _window(numerology)
    delay, power = _power(channels * window, numerology)
    level = error_var * float(window @ window)
    limit = ABOVE * level / np.sqrt(len(channels)) + 1e-4 * power.max()  # w's sidelobes are at -31 dB, and fall fast
    above = delay[power > level + limit]
    kept = (delay >= above.min() - EDGE) & (delay <= above.max() + EDGE)
    return Profile(delay[kept], power[kept] - level, lone.last)


def spread(about: Profile, numerology: Numerology) -> Spread:
    """Return rms delay spread, and where the energy begins and ends; what w adds is taken off."""
    lone = _window(numerology)[1]
    seen = _moments(about.delay, about.power)
    first, last = seen.first + lone.last, seen.last - lone.last
    middle = (first + last) / 2
    return Spread(seen.variance - lone.variance, min(first, middle), max(last, middle))


def taps(response: np.ndarray, about: Profile, numerology: Numerology) -> tuple[np.ndarray, np.ndarray]:
    """Return whole delays and the taps there, least squares over the band.

        h = (AᴴA + ε·2K·I)⁻¹·Aᴴ·H,   A[k, l] = e^{−j2πk·l/N},   l within the profile

    Args:
        response: H, shape (2K,).
        about: where its energy is.
        numerology: the grid's numbers.
    """
    delays = np.arange(np.floor(about.delay[0]), np.ceil(about.delay[-1]) + 1)
    steering = delay_ramp(numerology, delays).T
    normal = steering.conj().T @ steering + RIDGE * len(steering) * np.eye(delays.size)
    return delays, linalg.solve(normal, steering.conj().T @ response, assume_a="pos")


def band_correlation(channels: np.ndarray, error_var: float, numerology: Numerology) -> np.ndarray:
    """Return R(d) of d = 0, 1, … K subcarriers, complex, R(0) = 1: half the band is left to average over.

    Args:
        channels: H_i, shape (S, 2K).
        error_var: σ_H² of each.
        numerology: the grid's numbers.
    """
    held, reach = _with_carrier(channels, numerology), numerology.half_width + 1
    size = 2 * held.shape[-1]
    products = np.fft.ifft((np.abs(np.fft.fft(held, size)) ** 2).sum(0))[:reach]
    present = _with_carrier(np.ones((1, channels.shape[-1])), numerology)
    count = np.fft.ifft(np.abs(np.fft.fft(present[0], size)) ** 2).real[:reach] * len(channels)
    lagged = products / count
    signal = max(float(lagged[0].real) - error_var, 1e-30)
    return np.concatenate([[1.0], lagged[1:] / signal])


def coherence_bandwidth(correlation: np.ndarray, spacing: float) -> float | None:
    """Return where |R| first falls to 0.5, in Hz, on the line between two lags; None: not within half the band.

    Args:
        correlation: R, from 0 on.
        spacing: of subcarriers, in Hz.
    """
    size = np.abs(correlation)
    below = np.flatnonzero(size < HALF)
    if below.size == 0:
        return None
    place = int(below[0])
    part = (size[place - 1] - HALF) / (size[place - 1] - size[place])
    return float((place - 1 + part) * spacing)


def _power(spectra: np.ndarray, numerology: Numerology) -> tuple[np.ndarray, np.ndarray]:
    """Return delays from −N/2 to N/2 and the mean power there, FINE points a sample."""
    fine = FINE * numerology.n_fft
    bins = np.zeros((len(spectra), fine), complex)
    bins[:, numerology.subcarriers % fine] = spectra
    # left out, that of the carrier would add -40 dB at every delay
    beside = np.arange(1, BESIDE + 1)
    weight = np.where(beside % 2, 1.0, -1.0) * comb(2 * BESIDE, BESIDE + beside) / comb(2 * BESIDE, BESIDE)
    bins[:, 0] = (bins[:, beside] + bins[:, -beside]) @ weight
    power = (np.abs(np.fft.ifft(bins) * fine) ** 2).mean(0)
    return np.arange(-fine // 2, fine // 2) / FINE, np.fft.fftshift(power)


def _moments(delay: np.ndarray, power: np.ndarray) -> Spread:
    total = power.sum()
    mean = float(delay @ power / total)
    variance = float((delay - mean) ** 2 @ power / total)
    cumulative = np.maximum.accumulate(np.cumsum(power) - power / 2) / total
    first, last = (float(np.interp(share, cumulative, delay)) for share in ((1 - SHARE) / 2, (1 + SHARE) / 2))
    return Spread(variance, first, last)


@lru_cache(maxsize=8)
def _window(numerology: Numerology) -> tuple[np.ndarray, Spread]:
    """Return w, Σw² = 1, and the figures of one path at 0 seen through it."""
    k = numerology.subcarriers
    window = np.cos(np.pi * k / (2 * numerology.half_width + 2)) ** 2
    window /= np.sqrt(float(window @ window))
    delay, power = _power(window[None], numerology)
    kept = np.abs(delay) <= EDGE + numerology.n_fft / numerology.half_width
    seen = _moments(delay[kept], power[kept])
    return window, Spread(seen.variance, seen.first, max(seen.last, -seen.first))


def _with_carrier(channels: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Return channels with a zero for the unused carrier, shape (S, 2K + 1)."""
    return np.insert(channels, numerology.half_width, 0.0, axis=-1)
