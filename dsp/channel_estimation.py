"""The channel of one agent from its sounding: least squares, then LMMSE in the delay domain.

    Y_r[k] = H[k]·X[k]·e^{jφ_r} + n,   H_ls[k] = mean_r Y_r[k]·X*[k]/|X[k]|²,   σ̂² from the spread of the repeats
    H = D·C·(C + σ_ls²/p·I)⁻¹·Dᴴ·H_ls,   D = diag e^{−j2πkτ₀/N},   σ_ls² = σ̂²/R,   p = mean|H_ls|² − σ_ls²

over R repeats. C is the covariance over subcarriers of a channel whose delays are uniform over `spread` samples; τ₀ is
the most likely beginning of those delays, sought around the window of that length with most energy. The subspace of C
has about (spread + 2)·2K/N + 2 dimensions; smoothing gains the ratio of 2K to them. Edfors et al., IEEE Trans. Commun.
1998, low-rank form; the uniform profile and the search for τ₀ are ours.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from threadpoolctl import threadpool_limits

from dsp.frame import SOUNDING_REPEATS, slot_prefix, training_symbol
from dsp.ofdm import Numerology, delay_ramp, from_bins
from dsp.sync import ml_frequency

MARGIN = 1.0  # samples that the assumed delays exceed the stated spread on each side
NEGLIGIBLE = 1e-9
LIKELIER = 8.0  # times the error variance by which another τ₀ has to explain more energy


@dataclass(frozen=True)
class Sounding:
    """What a slot says about a channel.

    Args:
        channel: H[k], shape (2K,), phase as in the middle of the repeats: slot_prefix − w +
            SOUNDING_REPEATS·N/2 samples after the slot's first one.
        noise_var: σ² of an element.
        error_var: of the channel estimate, mean over subcarriers.
        frequency: residual carrier offset in Hz, and its variance in Hz².
        frequency_var: see above.
        delay: τ₀ in samples.
        strength: R·mean|Y|²/σ², the energy of the mean of the repeats over that of noise; near 1 where nothing was
            sent (a little more: the frequency is fitted).
    """

    channel: np.ndarray
    noise_var: float
    error_var: float
    frequency: float
    frequency_var: float
    delay: float
    strength: float


def estimate(samples: np.ndarray, numerology: Numerology, spread: float, amplitude: float = 1.0) -> Sounding:
    """Return the channel seen in a sounding slot.

    Args:
        samples: the slot from its first prefix sample on.
        numerology: the grid's numbers.
        spread: delays of the channel, in samples.
        amplitude: amplitude of an element as sent.

    Raises:
        ValueError: the slot is too short, or the spread does not fit N.
    """
    n, repeats = numerology.n_fft, SOUNDING_REPEATS
    first = slot_prefix(numerology) - numerology.window_lead
    if samples.size < first + repeats * n:
        raise ValueError(f"a slot must hold at least {first + repeats * n} samples, got {samples.size}")
    window = samples[first : first + repeats * n].reshape(repeats, n)
    spectra = from_bins(np.fft.fft(window.astype(np.complex128), norm="ortho"), numerology)
    frequency = ml_frequency(spectra, 0.0, n, numerology.sample_rate)
    time = (np.arange(repeats * n) - (repeats * n - 1) / 2).reshape(repeats, n)
    still = window * np.exp(-2j * np.pi * frequency / numerology.sample_rate * time)
    spectra = from_bins(np.fft.fft(still, norm="ortho"), numerology)
    mean, noise_var = average(spectra)
    lead = np.conj(delay_ramp(numerology, float(numerology.window_lead)))
    least_squares = mean * np.conj(training_symbol(numerology)) * lead / amplitude
    ls_var = noise_var / repeats / amplitude**2
    channel, error_var, delay = smooth(least_squares, ls_var, numerology, spread)
    power = max(float(np.mean(np.abs(channel) ** 2)), 1e-30)
    turn_var = 6 * ls_var / (power * numerology.n_subcarriers * (repeats**2 - 1))
    frequency_var = turn_var * (numerology.sample_rate / (2 * np.pi * n)) ** 2
    strength = repeats * float(np.mean(np.abs(mean) ** 2)) / max(noise_var, 1e-30)
    return Sounding(channel, noise_var, error_var, frequency, frequency_var, delay, strength)


def average(spectra: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mean of repeats, shape (R, 2K) to (2K,), and the noise variance of one of them."""
    mean = spectra.mean(0)
    return mean, float(np.sum(np.abs(spectra - mean) ** 2) / ((len(spectra) - 1) * mean.size))


def smooth(
    least_squares: np.ndarray, error_var: float, numerology: Numerology, spread: float
) -> tuple[np.ndarray, float, float]:
    """Return the LMMSE estimate, its mean error variance, and the delay at which the channel begins.

    Args:
        least_squares: H_ls, shape (2K,).
        error_var: its error variance on each subcarrier.
        numerology: the grid's numbers.
        spread: delays of the channel, in samples.

    Raises:
        ValueError: the spread is not between 0 and N/2.
    """
    if not 0 <= spread <= numerology.n_fft / 2:
        raise ValueError(f"spread must be between 0 and n_fft/2 = {numerology.n_fft // 2} samples, got {spread}")
    basis, weights = _subspace(numerology, spread)
    power = max(float(np.mean(np.abs(least_squares) ** 2)) - error_var, 1e-3 * error_var, 1e-30)
    shrink = weights / (weights + error_var / power)
    start = _likely_delay(least_squares, error_var, numerology, spread, shrink)
    ramp = delay_ramp(numerology, start)
    channel = ramp * (basis @ (shrink * (basis.conj().T @ (np.conj(ramp) * least_squares))))
    return channel, float(error_var * shrink.sum() / least_squares.size), start


def strongest_delay(channel: np.ndarray, numerology: Numerology) -> float:
    """Return the delay of the largest |Σ_k H[k]·e^{j2πkτ/N}| in samples, to a quarter of one, in [−N/2, N/2).

    Args:
        channel: H, shape (2K,).
        numerology: the grid's numbers.
    """
    fine = 4 * numerology.n_fft
    response = np.zeros(fine, complex)
    response[numerology.subcarriers % fine] = channel
    place = int(np.argmax(np.abs(np.fft.ifft(response))))
    return (place - fine if place >= fine // 2 else place) / 4


def _likely_delay(
    channel: np.ndarray, error_var: float, numerology: Numerology, spread: float, shrink: np.ndarray
) -> float:
    """Return the τ₀ of the largest Σ shrink·|basisᴴ·Dᴴ·H|², the log-likelihood, in half samples.

    The window with most energy leaves out weak paths at its ends, so it is only where the search begins.
    """
    coarse = _first_delay(channel, numerology, spread)
    trial, steering = _trials(numerology, spread)
    score = np.abs(steering @ (np.conj(delay_ramp(numerology, coarse)) * channel)) ** 2 @ shrink
    best = int(np.argmax(score))
    return coarse + float(trial[best]) if score[best] - score[trial.size // 2] > LIKELIER * error_var else coarse


@lru_cache(maxsize=32)
def _trials(numerology: Numerology, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return shifts in half samples, shape (T,), and (ramp·basis)ᴴ of each, shape (T, dimensions, 2K)."""
    reach, (basis, _) = int(np.ceil(spread)) + 2, _subspace(numerology, spread)
    shifts = np.arange(-2 * reach, 2 * reach + 1) / 2
    return shifts, np.conj(delay_ramp(numerology, shifts)[:, None, :] * basis.T)


def _first_delay(channel: np.ndarray, numerology: Numerology, spread: float) -> float:
    """Return where the window of `spread` samples with most energy begins, in half samples, in [−N/2, N/2)."""
    n = numerology.n_fft
    response = np.zeros(2 * n, complex)
    response[numerology.subcarriers % (2 * n)] = channel
    energy = np.abs(np.fft.ifft(response)) ** 2
    width = max(round(2 * spread), 1)
    total = np.cumsum(np.concatenate([[0], energy, energy[:width]]))
    start = float(np.argmax(total[width : width + 2 * n] - total[: 2 * n])) / 2
    return start - n if start >= n / 2 else start


@lru_cache(maxsize=32)
def _subspace(numerology: Numerology, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvectors (2K, dimensions) and eigenvalues of C, whose diagonal is 1."""
    k = numerology.subcarriers
    width, difference = spread + 2 * MARGIN, (k[:, None] - k[None, :]) / numerology.n_fft
    covariance = np.sinc(difference * width) * np.exp(-1j * np.pi * difference * spread)
    with threadpool_limits(limits=1, user_api="blas"):  # kept for all who ask later, whatever their number of threads
        values, vectors = np.linalg.eigh(covariance)
    kept = values > NEGLIGIBLE * values[-1]
    return vectors[:, kept], values[kept]
