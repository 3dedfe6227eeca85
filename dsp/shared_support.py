"""Entries as they are, two a symbol, on a support that both ends draw from a shared seed.

    forward(x)[j] = x[Ω_j] + i·x[Ω_{M+j}];   Ω: 2M of the d entries, in random order

Every real dimension of a channel use carries one entry. So whoever knows which symbols did not get through knows which
entries did not: what truncation erases can stay with its sender, as AirFL-Mem wants it (Wen, Xing, Simeone,
arXiv 2310.16606; the support, and two entries a symbol, are our reconstruction).
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from dsp.sensing import Array, Seed, check_symbols, complex_of, padded


class SharedSupport:
    """M symbols of 2M entries.

    Args:
        length: d.
        n_symbols: M, at most ⌈d/2⌉; the imaginary part of the last symbol stays empty where 2M = d + 1.
        seed: of the support; both ends draw the same from it.

    Raises:
        ValueError: M is not between 1 and ⌈d/2⌉.
    """

    def __init__(self, length: int, n_symbols: int, seed: Seed) -> None:
        most = (length + 1) // 2
        if not 1 <= n_symbols <= most:
            raise ValueError(
                f"n_symbols must be between 1 and {most}, at two entries a symbol of d = {length}, got {n_symbols}"
            )
        self.length = self.padded_length = length
        self.n_symbols = n_symbols
        self._support = np.random.default_rng(seed).permutation(length)[: 2 * n_symbols]
        self.gain, self.gain_spread = len(self._support) / length, 1.0
        self._copies: dict[Any, Array] = {}

    def forward(self, x: Array) -> Array:
        """Return the symbols of x, shape (..., d) real to (..., M) complex."""
        xp = array_namespace(x)
        entries = xp.take(padded(x, self.length, self.length), self._on(x), axis=-1)
        entries = padded(entries, len(self._support), 2 * self.n_symbols)
        return complex_of(xp, entries[..., : self.n_symbols], entries[..., self.n_symbols :])

    def adjoint(self, e: Array) -> Array:
        """Return the entries of symbols e on the support, zero elsewhere, shape (..., M) complex to (..., d) real."""
        check_symbols(e, self.n_symbols)
        xp = array_namespace(e)
        entries = xp.concat([xp.real(e), xp.imag(e)], axis=-1)[..., : len(self._support)]
        x = xp.zeros((*e.shape[:-1], self.length), dtype=entries.dtype, device=device(e))
        x[..., self._on(e)] = entries
        return x

    def _on(self, like: Array) -> Array:
        """Return the support in the library and on the device of an array."""
        xp = array_namespace(like)
        key = (xp.__name__, str(device(like)))
        if key not in self._copies:
            self._copies[key] = xp.asarray(self._support, device=device(like))
        return self._copies[key]
