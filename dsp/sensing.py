"""Sensing operators: a real update of d entries to M complex symbols, and back.

`PartialDFT` (our reconstruction) uses half of the spectrum of a real FFT. With d' the padded length (even, fast), D a
diagonal of random signs and F the unitary real FFT:

    forward(x) = M of the d'/2 symbols of √2·F·D·x;  DC and Nyquist, both real, travel together as one symbol
    adjoint(e) = its real adjoint:  Re⟨forward(x), e⟩ = ⟨x, adjoint(e)⟩

Seen as 2M real measurements the rows are orthonormal: forward(adjoint(e)) = e, and at M = d'/2 the operator is
orthogonal. `RandomRows` takes M rows of the full unitary DFT, complex-orthonormal, only to reproduce P1: for real
x half of a conjugate pair is a wasted measurement. `Identity` sends entries as they are.

All work on the last axis, in O(d log d), on NumPy and torch, and never build a matrix. The adjoint returns d' entries:
the receiver works on the padded vector, whose tail it knows to be zero, and crops at the end.
"""

from math import sqrt
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace, device
from scipy.fft import next_fast_len

Array = Any
Seed = int | np.random.SeedSequence


class Sensing(Protocol):
    """A linear map with orthonormal rows.

    `length` is d, `padded_length` d', `n_symbols` M. As a real map A it has `gain` = tr(AᵀA)/d' (2M/d' where nothing is
    wasted) and `gain_spread` = tr((AᵀA)²)/tr(AᵀA), 1 for orthonormal rows.
    """

    length: int
    padded_length: int
    n_symbols: int
    gain: float
    gain_spread: float

    def forward(self, x: Array) -> Array:
        """Return the symbols of x, shape (..., d) or (..., d') real to (..., M) complex.

        Raises:
            ValueError: x has another length.
        """
        ...

    def adjoint(self, e: Array) -> Array:
        """Return the real adjoint of symbols e, shape (..., M) complex to (..., d') real.

        Raises:
            ValueError: e has another length.
        """
        ...


class PartialDFT:
    """M symbols of the half spectrum of a sign-scrambled vector.

    Args:
        length: d.
        n_symbols: M, at most `max_symbols(length)`.
        seed: of the signs and of the choice of symbols; both ends make the same operator from it.

    Raises:
        ValueError: M is not between 1 and d'/2.
    """

    def __init__(self, length: int, n_symbols: int, seed: Seed) -> None:
        self.length, self.n_symbols = length, n_symbols
        self.padded_length = padded_length(length)
        half = self.padded_length // 2
        if not 1 <= n_symbols <= half:
            raise ValueError(
                f"n_symbols must be between 1 and half of the padded length ({half} for d = {length}), got {n_symbols}"
            )
        self.gain, self.gain_spread = 2 * n_symbols / self.padded_length, 1.0
        self._operands = _Operands(self.padded_length, half, n_symbols, seed)

    def forward(self, x: Array) -> Array:
        """Return the symbols of x, shape (..., d) or (..., d') real to (..., M) complex."""
        xp = array_namespace(x)
        signs, chosen, _ = self._operands.on(x)
        spectrum = xp.fft.rfft(padded(x, self.length, self.padded_length) * signs, norm="ortho")
        half = self.padded_length // 2
        packed = spectrum[..., :half] * sqrt(2)
        packed[..., 0] = complex_of(xp, xp.real(spectrum[..., 0]), xp.real(spectrum[..., half]))
        return packed if chosen is None else xp.take(packed, chosen, axis=-1)

    def adjoint(self, e: Array) -> Array:
        """Return the real adjoint of symbols e, shape (..., M) complex to (..., d') real."""
        check_symbols(e, self.n_symbols)
        xp = array_namespace(e)
        signs, chosen, _ = self._operands.on(e)
        half = self.padded_length // 2
        spectrum = xp.zeros((*e.shape[:-1], half + 1), dtype=e.dtype, device=device(e))
        if chosen is None:
            spectrum[..., :half] = e
        else:
            spectrum[..., chosen] = e
        first = spectrum[..., 0]
        direct, nyquist = xp.real(first) + 0.0, xp.imag(first) + 0.0
        spectrum *= 1 / sqrt(2)
        spectrum[..., 0] = complex_of(xp, direct, xp.zeros_like(direct))
        spectrum[..., half] = complex_of(xp, nyquist, xp.zeros_like(nyquist))
        return xp.fft.irfft(spectrum, n=self.padded_length, norm="ortho") * signs


class RandomRows:
    """M rows of the full unitary DFT of a sign-scrambled vector; only to reproduce P1.

    Args:
        length: d.
        n_symbols: M, at most d'.
        seed: of the signs and of the choice of rows.

    Raises:
        ValueError: M is not between 1 and d'.
    """

    def __init__(self, length: int, n_symbols: int, seed: Seed) -> None:
        self.length, self.n_symbols = length, n_symbols
        self.padded_length = padded_length(length)
        if not 1 <= n_symbols <= self.padded_length:
            raise ValueError(
                f"n_symbols must be between 1 and the padded length ({self.padded_length} for d = {length}), "
                f"got {n_symbols}"
            )
        self._operands = _Operands(self.padded_length, self.padded_length, n_symbols, seed)
        self.gain, self.gain_spread = n_symbols / self.padded_length, self._spread()

    def forward(self, x: Array) -> Array:
        """Return the symbols of x, shape (..., d) or (..., d') real to (..., M) complex."""
        xp = array_namespace(x)
        signs, chosen, zero = self._operands.on(x)
        spectrum = xp.fft.fft(padded(x, self.length, self.padded_length) * signs + zero, norm="ortho")
        return spectrum if chosen is None else xp.take(spectrum, chosen, axis=-1)

    def adjoint(self, e: Array) -> Array:
        """Return the real adjoint of symbols e, shape (..., M) complex to (..., d') real."""
        check_symbols(e, self.n_symbols)
        xp = array_namespace(e)
        signs, chosen, _ = self._operands.on(e)
        spectrum = e
        if chosen is not None:
            spectrum = xp.zeros((*e.shape[:-1], self.padded_length), dtype=e.dtype, device=device(e))
            spectrum[..., chosen] = e
        return xp.real(xp.fft.ifft(spectrum, norm="ortho")) * signs

    def _spread(self) -> float:
        """Return tr((AᵀA)²)/tr(AᵀA): AᵀA is 1 on the plane of a conjugate pair, DC or Nyquist, ½ on that of one row."""
        rows = self._operands.rows
        folded, times = np.unique(np.minimum(rows, self.padded_length - rows), return_counts=True)
        whole = (times == 2) | np.isin(folded, (0, self.padded_length // 2))
        return float((times * np.where(whole, 1.0, 0.5)).sum() / times.sum())


class Identity:
    """Entries as they are, one real entry a symbol.

    Args:
        length: d; M = d.
    """

    def __init__(self, length: int) -> None:
        self.length = self.padded_length = self.n_symbols = length
        self.gain = self.gain_spread = 1.0

    def forward(self, x: Array) -> Array:
        """Return x as complex symbols, shape (..., d)."""
        x = padded(x, self.length, self.length)
        xp = array_namespace(x)
        return complex_of(xp, x, xp.zeros_like(x))

    def adjoint(self, e: Array) -> Array:
        """Return the real part of symbols e, shape (..., d)."""
        check_symbols(e, self.n_symbols)
        return array_namespace(e).real(e)


def padded_length(length: int) -> int:
    """Return d', the smallest even length >= d whose FFT is fast."""
    return 2 * next_fast_len((length + 1) // 2, real=True)


def max_symbols(length: int) -> int:
    """Return d'/2, the complex symbols that `PartialDFT` has."""
    return padded_length(length) // 2


class _Operands:
    """Signs and chosen rows, drawn once and copied once to each library, device and precision that asks."""

    def __init__(self, length: int, n_rows: int, n_chosen: int, seed: Seed) -> None:
        rng = np.random.default_rng(seed)
        self._signs = (2 * rng.integers(0, 2, length, np.int8) - 1).astype(np.int8)
        self.rows = np.sort(rng.permutation(n_rows)[:n_chosen]) if n_chosen < n_rows else np.arange(n_rows)
        self._all = n_chosen == n_rows
        self._copies: dict[Any, tuple[Array, Array | None, Array]] = {}

    def on(self, like: Array) -> tuple[Array, Array | None, Array]:
        """Return (signs, rows or None for all of them, a complex zero) for arrays like this one."""
        xp = array_namespace(like)
        double = like.dtype in (xp.float64, xp.complex128)
        key = (xp.__name__, str(device(like)), double)
        if key not in self._copies:
            signs = xp.asarray(self._signs.astype(np.float64 if double else np.float32), device=device(like))
            rows = None if self._all else xp.asarray(self.rows, device=device(like))
            zero = xp.zeros((), dtype=xp.complex128 if double else xp.complex64, device=device(like))
            self._copies[key] = signs, rows, zero
        return self._copies[key]


def padded(x: Array, length: int, padded_length: int) -> Array:
    """Return x with zeros up to d'.

    Raises:
        ValueError: x has neither d nor d' entries.
    """
    given = x.shape[-1]
    if given == padded_length:
        return x
    if given != length:
        raise ValueError(f"x must have d = {length} or d' = {padded_length} entries, got {given}")
    xp = array_namespace(x)
    tail = xp.zeros((*x.shape[:-1], padded_length - length), dtype=x.dtype, device=device(x))
    return xp.concat([x, tail], axis=-1)


def check_symbols(e: Array, n_symbols: int) -> None:
    """Refuse symbols of another number than M.

    Raises:
        ValueError: there are.
    """
    if e.shape[-1] != n_symbols:
        raise ValueError(f"e must have M = {n_symbols} symbols, got {e.shape[-1]}")


def complex_of(xp: Any, real: Array, imaginary: Array) -> Array:
    """Return real + j·imaginary in the matching complex dtype."""
    return real + xp.asarray(1j, dtype=xp.complex128 if real.dtype == xp.float64 else xp.complex64) * imaginary
