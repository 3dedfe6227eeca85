"""Periodograms, and what a law says of them: both of segments of N samples under one window."""

from itertools import pairwise

import numpy as np
from scipy import fft
from scipy.signal.windows import hann


def periodograms(x: np.ndarray) -> np.ndarray:
    """Return |Σ w[n]·x[n]·e^{−j2πkn/N}|²/Σ w² of each row at k = −N/2 … N/2 − 1, w a Hann window, shape (S, N).

    White noise of power 1 has the mean 1 in every bin.
    """
    window = hann(x.shape[1], sym=False)
    return np.asarray(fft.fftshift(np.abs(fft.fft(x * window)) ** 2, axes=1) / (window**2).sum())


def expected_periodogram(correlation: np.ndarray) -> np.ndarray:
    """Return the mean of `periodograms` of a process with E[x*(n)·x(n + m)] = r[m], real and even, shape (N,).

    Args:
        correlation: r[0 … N − 1].
    """
    size = correlation.size
    window = hann(size, sym=False)
    overlap = fft.irfft(np.abs(fft.rfft(window, 2 * size)) ** 2, 2 * size)[:size]
    lags = correlation * overlap / overlap[0]
    both = np.concatenate([lags, [0.0], lags[:0:-1]])
    return np.asarray(fft.fftshift(fft.fft(both).real[::2]))


def in_bands(spectrum: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the mean of bins k with edges[b] <= k < edges[b + 1], k = 0 in the middle, shape (..., B)."""
    bands = pairwise(edges + spectrum.shape[-1] // 2)
    return np.stack([spectrum[..., low:high].mean(-1) for low, high in bands], axis=-1)
