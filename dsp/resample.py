"""Sample-clock correction: a band-limited series read at other instants.

    y[m] = x(r·m + τ),   m = 0 … count−1

x(·) is the band-limited series through x[0], x[1], …, zero outside. Blocks of 448 samples are shifted by a phase ramp
in frequency; within a block the remaining drift (r − 1)·(m − m_c), at most 0.018 sample at 80 ppm, is the first term of
a Taylor series. The interpolating kernel is a Kaiser-windowed sinc of ±32 samples: flat to −90 dB up to 80 % of the
Nyquist frequency, where the occupied band has to end. Our construction; its error is the subject of a test.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

Array = Any
BLOCK, GUARD = 448, 32
LENGTH = BLOCK + 2 * GUARD
CUTOFF, KAISER_BETA = 0.9, 9.5
WIDEST_BAND = 0.8  # of the Nyquist frequency, up to which the kernel is flat
MOST_DRIFT = 2e-4


def resample(samples: Array, ratio: np.ndarray, delay: np.ndarray, count: int) -> Array:
    """Return series read at r·m + τ, shape (n, count), complex.

    Args:
        samples: x, shape (n, length), occupying at most 80 % of the band.
        ratio: r, shape (n,), 1 + clock offset.
        delay: τ in samples of x, shape (n,); may be negative or beyond the end.
        count: samples to return.

    Raises:
        ValueError: a ratio is further from 1 than 2e-4, or not a number.
    """
    xp = array_namespace(samples)
    if not np.abs(ratio - 1).max(initial=0.0) <= MOST_DRIFT:
        raise ValueError(
            f"ratio must be within {MOST_DRIFT} of 1 (clock offsets, not rate changes), got {ratio}; "
            "convert the rate with a filter bank instead"
        )
    blocks = -(-count // BLOCK)
    centre = np.arange(blocks) * BLOCK + (BLOCK - 1) / 2
    where = ratio[:, None] * centre + delay[:, None]
    whole = np.floor(where - (BLOCK - 1) / 2 + 0.5)
    shift = where - (BLOCK - 1) / 2 - whole
    frames = _frames(samples, whole.astype(np.int64) - GUARD)
    narrow = np.complex64 if samples.dtype == xp.complex64 else np.complex128
    omega, window = _response()
    response = _like(samples, _ramp(shift, omega).astype(narrow) * window.astype(narrow(0).real.dtype))
    spectrum = xp.fft.fft(frames) * response
    moved = xp.fft.ifft(spectrum)[..., GUARD:-GUARD]
    slope = xp.fft.ifft(spectrum * _like(samples, (1j * omega).astype(narrow)))[..., GUARD:-GUARD]
    drift = (ratio - 1)[:, None] * (np.arange(BLOCK) - (BLOCK - 1) / 2)
    moved = moved + slope * _like(samples, drift[:, None, :].astype(narrow))
    return xp.reshape(moved, (samples.shape[0], blocks * BLOCK))[:, :count]


def _frames(samples: Array, first: np.ndarray) -> Array:
    """Return frames of LENGTH samples beginning at `first`, zero outside the series, shape (n, blocks, LENGTH)."""
    xp = array_namespace(samples)
    n, length = samples.shape
    zeros = xp.zeros((n, LENGTH), dtype=samples.dtype, device=device(samples))
    padded = xp.concat([zeros, samples, zeros], axis=-1)
    first = np.clip(first + LENGTH, 0, length + LENGTH)
    rows = []
    for row in range(n):
        rows.append(xp.stack([padded[row, start : start + LENGTH] for start in first[row].tolist()]))
    return xp.stack(rows)


def _ramp(shift: np.ndarray, omega: np.ndarray) -> np.ndarray:
    """Return e^{jωδ} over all bins as the outer product of two short ones, shape (..., LENGTH)."""
    coarse, fine = (np.exp(1j * np.multiply.outer(shift, part)) for part in (omega[::32], omega[:32]))
    return (coarse[..., :, None] * fine[..., None, :]).reshape(*shift.shape, LENGTH)


@lru_cache(maxsize=1)
def _response() -> tuple[np.ndarray, np.ndarray]:
    """Return ω of each bin and the response of the interpolating kernel there, each (LENGTH,)."""
    taps = np.arange(-GUARD, GUARD + 1)
    kernel = CUTOFF * np.sinc(CUTOFF * taps) * np.kaiser(taps.size, KAISER_BETA)
    omega = 2 * np.pi * np.fft.fftfreq(LENGTH)
    return omega, (kernel * np.cos(np.multiply.outer(omega, taps))).sum(-1)


def _like(samples: Array, values: np.ndarray) -> Array:
    return array_namespace(samples).asarray(values, device=device(samples))
