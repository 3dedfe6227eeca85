"""The largest entries of a vector in a given number of bits: where they are, and quantised values.

    bits(k, q) = header + ⌈log2 C(d, k)⌉ + k·q        header = ⌈log2(d + 1)⌉ (k) + 5 (q) + 64 (range, as two float32)

k entries are placed by the number of their combination, and each has a sign and a magnitude of q − 1 bits:

    q = 1         the mean magnitude of the k entries
    2 <= q < 32   the middle of one of 2^(q−1) equal cells of [lo, hi], their range: |error| <= (hi − lo)/2^q
    q = 32        the value itself, as float32

For every q as many entries as fit are tried, and the q with the least squared error is taken. At q = 1 that error is
‖v‖² − ‖S_k(v)‖₁²/k: as long as one entry fits, coding is a contraction, which is what error feedback needs. Sending
pairs of index and quantised value is how digital baselines of over-the-air learning are built (Amiri, Gündüz, IEEE TSP
2020, arXiv 1901.00844, D-DSGD); this code is our reconstruction, and a strong one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

RANGE_BITS = 64
WIDTH_BITS = 5
EXACT = 32
ROUNDING = 1e-6  # of log2 C(d, k) from lnΓ: where it is a whole number, ceil would take one bit more


@dataclass(frozen=True)
class SparseCode:
    """A coded vector.

    Args:
        values: what is decoded, shape (d,), float64.
        entries: k, how many of them were sent.
        value_bits: q.
        bits: of the whole code; 0 where not even the header fits.
    """

    values: np.ndarray
    entries: int
    value_bits: int
    bits: int


def encode(vector: np.ndarray, capacity: int) -> SparseCode:
    """Return the code of a vector with the least squared error of those that are tried.

    Args:
        vector: v, real and finite, shape (d,).
        capacity: bits there is room for.
    """
    order = np.argsort(-np.abs(vector), kind="stable")[: np.count_nonzero(vector)]
    sorted_values = vector[order].astype(np.float64)
    overhead = _overhead(len(vector))[: len(order) + 1]
    energy = np.concatenate([[0.0], np.cumsum(sorted_values**2)])
    nothing = int(overhead[0]) if overhead[0] <= capacity else 0
    best, least = SparseCode(np.zeros(len(vector)), 0, 1, nothing), energy[-1]
    for width in range(1, EXACT + 1):
        fits = np.flatnonzero(overhead + width * np.arange(len(overhead)) <= capacity)
        if not fits.size or (k := int(fits[-1])) == 0:
            break
        coded = quantise(sorted_values[:k], width)
        error = energy[-1] - energy[k] + ((sorted_values[:k] - coded) ** 2).sum()
        if error < least:
            values = np.zeros(len(vector))
            values[order[:k]] = coded
            best, least = SparseCode(values, k, width, int(overhead[k]) + width * k), error
    return best


def quantise(values: np.ndarray, width: int) -> np.ndarray:
    """Return values as `width` bits each and their common range give them back, float64, shape (k,).

    Raises:
        ValueError: the width is not between 1 and 32.
    """
    if not 1 <= width <= EXACT:
        raise ValueError(f"width must be between 1 and {EXACT} bits, got {width}")
    if width == EXACT:
        return values.astype(np.float32).astype(np.float64)
    magnitude, cells = np.abs(values), 2 ** (width - 1)
    if cells == 1:
        return np.copysign(np.float64(np.float32(magnitude.mean())), values)
    low, high = (float(np.float32(end)) for end in (magnitude.min(), magnitude.max()))
    size = (high - low) / cells
    if size == 0:
        return np.copysign(low, values)
    cell = np.clip((magnitude - low) // size, 0, cells - 1)
    return np.copysign(low + (cell + 0.5) * size, values)


def fewest_bits(length: int) -> int:
    """Return the bits of one entry of a vector of `length`, the shortest code that says anything."""
    return int(_overhead(length)[1]) + 1


@lru_cache(maxsize=4)
def _overhead(length: int) -> np.ndarray:
    """Return header and index bits of 0..d entries, shape (d + 1,)."""
    k = np.arange(length + 1)
    combinations = (gammaln(length + 1) - gammaln(k + 1) - gammaln(length - k + 1)) / np.log(2)
    header = length.bit_length() + WIDTH_BITS + RANGE_BITS  # k is one of d + 1 numbers
    return header + np.ceil(np.maximum(combinations - ROUNDING, 0)).astype(np.int64)
