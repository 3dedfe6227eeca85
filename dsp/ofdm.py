"""Cyclic-prefix OFDM: symbols on subcarriers to samples and back, with unitary transforms.

    x[c + m] = 1/√N · Σ_k X[k]·e^{j2πkm/N},  m = −c … N−1          (prefix of c samples, then N samples)
    Y[k] = e^{j2πkw/N} · 1/√N · Σ_m y[c − w + m]·e^{−j2πkm/N}      (window w samples ahead of the prefix's end)

A channel of delay τ is a phase ramp, Y[k] = e^{−j2πkτ/N}·X[k], as long as the window sees one symbol only:
−w <= τ <= c − w, w samples early to c − w late. The sum of |X|² over subcarriers equals that of |x|² without the
prefix. Noise of variance σ² a sample has variance σ² a resource element. Subcarriers are ±1 … ±K around an unused
carrier, in the order −K … −1, 1 … K.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

Array = Any


@dataclass(frozen=True)
class Numerology:
    """The grid of resource elements.

    Args:
        n_fft: N, samples of a symbol without its prefix.
        cyclic_prefix: c, samples.
        half_width: K, subcarriers on each side of the carrier.
        window_lead: w, samples by which the receiver's window begins ahead of the prefix's end.
        sample_rate: in Hz.

    Raises:
        ValueError: the numbers do not fit each other.
    """

    n_fft: int = 256
    cyclic_prefix: int = 48
    half_width: int = 100
    window_lead: int = 22
    sample_rate: float = 4e6

    def __post_init__(self) -> None:
        if self.n_fft < 16 or self.n_fft % 16:
            raise ValueError(f"n_fft must be a multiple of 16, got {self.n_fft}")
        if not 16 <= self.half_width < self.n_fft // 2 - 1:
            raise ValueError(
                f"half_width must be at least 16 and below n_fft/2 - 1 = {self.n_fft // 2 - 1}, got {self.half_width}"
            )
        if not 0 <= self.cyclic_prefix <= self.n_fft:
            raise ValueError(f"cyclic_prefix must be between 0 and n_fft ({self.n_fft}), got {self.cyclic_prefix}")
        if not 0 <= self.window_lead <= self.cyclic_prefix:
            raise ValueError(
                f"window_lead must lie within the cyclic prefix ({self.cyclic_prefix} samples), got {self.window_lead}"
            )
        if not self.sample_rate > 0:
            raise ValueError(f"sample_rate must be positive, got {self.sample_rate}")

    @property
    def symbol_length(self) -> int:
        """Samples of a symbol with its prefix."""
        return self.n_fft + self.cyclic_prefix

    @property
    def n_subcarriers(self) -> int:
        """Occupied subcarriers, 2K."""
        return 2 * self.half_width

    @property
    def subcarriers(self) -> np.ndarray:
        """Signed subcarrier numbers −K … −1, 1 … K, shape (2K,)."""
        numbers = np.arange(-self.half_width, self.half_width + 1)
        return numbers[numbers != 0]

    @property
    def bandwidth(self) -> float:
        """Occupied bandwidth in Hz."""
        return (2 * self.half_width + 1) * self.sample_rate / self.n_fft

    @property
    def crest_power(self) -> float:
        """Mean power of a sample whose 2K resource elements have power 1."""
        return self.n_subcarriers / self.n_fft


def modulate(grid: Array, numerology: Numerology) -> Array:
    """Return samples of symbols in a row, shape (..., symbols·(N + c)), complex.

    Args:
        grid: X, shape (..., symbols, 2K).
        numerology: the grid's numbers.
    """
    xp = array_namespace(grid)
    body = xp.fft.ifft(to_bins(grid, numerology), norm="ortho")
    prefix = numerology.cyclic_prefix
    symbols = xp.concat([body[..., numerology.n_fft - prefix :], body], axis=-1)
    return xp.reshape(symbols, (*grid.shape[:-2], grid.shape[-2] * numerology.symbol_length))


def demodulate(samples: Array, numerology: Numerology) -> Array:
    """Return the received grid Y, shape (..., symbols, 2K); the ramp of `window_lead` is undone.

    Args:
        samples: y, shape (..., symbols·(N + c)), beginning with a prefix.
        numerology: the grid's numbers.

    Raises:
        ValueError: not a whole number of symbols.
    """
    xp = array_namespace(samples)
    length = numerology.symbol_length
    if samples.shape[-1] % length:
        raise ValueError(f"samples must be whole symbols of {length} samples, got {samples.shape[-1]}")
    symbols = xp.reshape(samples, (*samples.shape[:-1], samples.shape[-1] // length, length))
    start = numerology.cyclic_prefix - numerology.window_lead
    spectrum = xp.fft.fft(symbols[..., start : start + numerology.n_fft], norm="ortho")
    ramp = np.exp(2j * np.pi * numerology.subcarriers * numerology.window_lead / numerology.n_fft)
    grid = from_bins(spectrum, numerology)
    return grid * xp.asarray(ramp.astype(_narrow(grid)), device=device(grid))


def to_bins(grid: Array, numerology: Numerology) -> Array:
    """Return the N bins of an FFT that hold these subcarriers, shape (..., N), zero elsewhere."""
    xp = array_namespace(grid)
    k = numerology.half_width
    edge, hole = numerology.n_fft - 2 * k - 1, (*grid.shape[:-1], 1)
    zero = xp.zeros(hole, dtype=grid.dtype, device=device(grid))
    outside = xp.zeros((*grid.shape[:-1], edge), dtype=grid.dtype, device=device(grid))
    return xp.concat([zero, grid[..., k:], outside, grid[..., :k]], axis=-1)


def from_bins(bins: Array, numerology: Numerology) -> Array:
    """Return the occupied subcarriers among the N bins of an FFT, shape (..., 2K)."""
    xp = array_namespace(bins)
    k = numerology.half_width
    return xp.concat([bins[..., numerology.n_fft - k :], bins[..., 1 : k + 1]], axis=-1)


def delay_ramp(numerology: Numerology, delay: np.ndarray | float) -> np.ndarray:
    """Return e^{−j2πkτ/N}, what a delay of τ samples does to each subcarrier, shape (..., 2K)."""
    return np.exp(-2j * np.pi * np.multiply.outer(delay, numerology.subcarriers) / numerology.n_fft)


def _narrow(like: Array) -> type:
    return np.complex64 if like.dtype == array_namespace(like).complex64 else np.complex128
