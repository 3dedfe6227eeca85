"""Top-k sparsification with error feedback (Stich, Cordonnier, Jaggi, NeurIPS 2018).

    v = m + Δ;   g = S_k(v);   send g;   m <- v − carried  if the server heard it,  m <- v  if it did not

S_k keeps the k entries of largest magnitude of the whole vector, so ‖v − S_k(v)‖² <= (1 − k/d)‖v‖². Where we deviate:
the residual is committed only when the server confirms, and what a payload carries may be less than g.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_torch_namespace

Array = Any


def top_k(vector: Array, k: int) -> Array:
    """Return S_k(v): the k entries of largest magnitude, zero elsewhere; of equal ones the first are kept.

    Args:
        vector: v, real, shape (..., d).
        k: entries to keep, 1 <= k <= d.

    Raises:
        ValueError: k is not between 1 and d.
    """
    length = vector.shape[-1]
    if not 1 <= k <= length:
        raise ValueError(f"k must be between 1 and d = {length}, got {k}")
    if k == length:
        return vector
    xp = array_namespace(vector)
    magnitude = xp.abs(vector)
    threshold = _kth_largest(magnitude, k)
    above = magnitude > threshold
    room = k - xp.sum(above, axis=-1, keepdims=True, dtype=xp.int64)
    tied = magnitude == threshold
    if bool(xp.any(xp.sum(tied, axis=-1, keepdims=True, dtype=xp.int64) > room)):
        tied = tied & (xp.cumulative_sum(xp.astype(tied, xp.int64), axis=-1) <= room)
    return xp.where(above | tied, vector, xp.zeros_like(vector))


def count(fraction: float, length: int) -> int:
    """Return k = round(fraction·d), at least 1."""
    return max(1, round(fraction * length))


def _kth_largest(magnitude: Array, k: int) -> Array:
    """Return the k-th largest magnitude, shape (..., 1), in O(d): the standard has no selection, the libraries do.

    On the CPU NumPy's partition serves torch as well: on 20 vectors of 67,905 it took an eighth of kthvalue's time.
    """
    xp = array_namespace(magnitude)
    position = magnitude.shape[-1] - k
    if is_torch_namespace(xp) and magnitude.device.type != "cpu":
        return magnitude.kthvalue(position + 1, dim=-1, keepdim=True).values
    return xp.asarray(np.partition(np.asarray(magnitude), position, axis=-1)[..., position : position + 1])
