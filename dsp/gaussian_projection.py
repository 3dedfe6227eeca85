"""The Gaussian projection of A-DSGD (Amiri, Gündüz, IEEE TSP 2020, arXiv 1901.00844), for vectors of any length.

A dense matrix for the 112,005 entries of a model of 64 filters, at 0.8 real measurements an entry, would take 40 GB. So
x is rotated first, by the orthogonal operator Q that `dsp.sensing.PartialDFT` is at M = d'/2, and its d' coordinates
are cut into B blocks of L <= `BLOCK`; one matrix G of independent Gaussian entries serves all of them (our
reconstruction):

    forward(x)[r·B + b] = Σ_l G[r, l]·(Qx)_b[l],   r·B + b < 2M;   G[r, l] ~ N(0, 1/L)

The first M of these 2M real measurements are real parts, the others imaginary ones. With one block the law is that of a
dense Gaussian matrix, which no rotation changes. With more, entries of x still reach all blocks, and singular values
keep their law; that AMP behaves as with a dense matrix is tested. Without Q a block with more than its share of large
entries lies beyond the transition, and AMP diverges.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from dsp.sensing import Array, PartialDFT, Seed, check_symbols, complex_of, max_symbols

BLOCK = 2048
"""Coordinates of a block at most: 16 MB of float32 at one measurement a coordinate. Blocks of 512 cost up to 5 dB."""


class GaussianProjection:
    """M complex symbols of Gaussian combinations of entries.

    Args:
        length: d.
        n_symbols: M; 2M may exceed d.
        seed: of matrix and rotation; both ends make the same operator from it.
        block: L at most.

    Raises:
        ValueError: there is less than one real measurement for each block.
    """

    def __init__(self, length: int, n_symbols: int, seed: Seed, block: int = BLOCK) -> None:
        rotated = 2 * max_symbols(length)
        self.length, self.n_symbols = length, n_symbols
        self._blocks = -(-rotated // block)
        if n_symbols < min_symbols(length, block):
            raise ValueError(
                f"n_symbols must be at least {min_symbols(length, block)}, one real measurement for each of "
                f"{self._blocks} blocks of {block} coordinates, got {n_symbols}"
            )
        rng = np.random.default_rng(seed)
        self._rotation = PartialDFT(length, rotated // 2, int(rng.integers(2**63)))
        self.padded_length, self._columns = rotated, -(-rotated // self._blocks)
        self._rows = -(-2 * n_symbols // self._blocks)
        self._matrix = rng.standard_normal((self._rows, self._columns), np.float32) / np.float32(self._columns**0.5)
        self.gain = 2 * n_symbols / rotated  # as is the spread, that of the law: the traces would take long
        self.gain_spread = 1 + (2 * n_symbols / self._blocks + 1) / self._columns
        self._copies: dict[Any, Array] = {}

    def forward(self, x: Array) -> Array:
        """Return the symbols of x, shape (..., d) or (..., d') real to (..., M) complex."""
        xp = array_namespace(x)
        rotated = _reals(self._rotation.forward(x), self._blocks * self._columns)
        blocks = xp.reshape(rotated, (*x.shape[:-1], self._blocks, self._columns))
        measured = xp.moveaxis(blocks @ self._on(x).T, -1, -2)
        flat = xp.reshape(measured, (*x.shape[:-1], self._rows * self._blocks))
        return _symbols(flat, self.n_symbols)

    def adjoint(self, e: Array) -> Array:
        """Return the real adjoint of symbols e, shape (..., M) complex to (..., d') real."""
        check_symbols(e, self.n_symbols)
        xp = array_namespace(e)
        flat = _reals(e, self._rows * self._blocks)
        measured = xp.moveaxis(xp.reshape(flat, (*e.shape[:-1], self._rows, self._blocks)), -1, -2)
        blocks = measured @ self._on(flat)
        rotated = xp.reshape(blocks, (*e.shape[:-1], self._blocks * self._columns))
        return self._rotation.adjoint(_symbols(rotated, self.padded_length // 2))

    def _on(self, like: Array) -> Array:
        """Return G in the library, precision and on the device of real values."""
        xp = array_namespace(like)
        key = (xp.__name__, str(device(like)), str(like.dtype))
        if key not in self._copies:
            self._copies[key] = xp.asarray(self._matrix, dtype=like.dtype, device=device(like))
        return self._copies[key]


def min_symbols(length: int, block: int = BLOCK) -> int:
    """Return the least M for d entries: a real measurement for each block."""
    return -(-2 * max_symbols(length) // (2 * block))


def _reals(symbols: Array, length: int) -> Array:
    """Return real parts, then imaginary parts, then zeros, shape (..., length)."""
    xp = array_namespace(symbols)
    real = xp.real(symbols)
    rest = xp.zeros((*real.shape[:-1], length - 2 * real.shape[-1]), dtype=real.dtype, device=device(real))
    return xp.concat([real, xp.imag(symbols), rest], axis=-1)


def _symbols(reals: Array, n_symbols: int) -> Array:
    """Return the complex symbols whose real parts come first, shape (..., M); what is left over is dropped."""
    return complex_of(array_namespace(reals), reals[..., :n_symbols], reals[..., n_symbols : 2 * n_symbols])
