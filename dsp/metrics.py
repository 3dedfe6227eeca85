"""Figures of merit: normalised errors, decibels, support."""

from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any


def db(ratio: Array) -> Array:
    """Return 10·log10 of a power ratio; −inf at zero."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.asarray(ratio, np.float64))


def from_db(decibel: float) -> float:
    """Return the power ratio of a value in dB."""
    return float(10 ** (decibel / 10))


def energy(x: Array) -> Array:
    """Return ‖x‖² over the last axis, real or complex."""
    xp = array_namespace(x)
    if xp.isdtype(x.dtype, "complex floating"):
        real, imaginary = xp.real(x), xp.imag(x)
        return xp.sum(real * real + imaginary * imaginary, axis=-1)
    return xp.sum(x * x, axis=-1)


def nmse(estimate: Array, truth: Array) -> Array:
    """Return ‖estimate − truth‖²/‖truth‖² over the last axis; inf where the truth is zero and the estimate is not.

    Amplitude errors count: nothing is normalised away.
    """
    xp = array_namespace(estimate, truth)
    error, reference = energy(estimate - truth), energy(truth)
    safe = xp.where(reference > 0, reference, xp.ones_like(reference))
    missed = xp.where(error > 0, xp.full_like(error, float("inf")), xp.zeros_like(error))
    return xp.where(reference > 0, error / safe, missed)


def nmse_db(estimate: Array, truth: Array) -> Array:
    """Return `nmse` in dB, as a NumPy float64 array."""
    ratio = nmse(estimate, truth)
    return db(ratio.tolist() if hasattr(ratio, "tolist") else ratio)


def union_support(kept: Array) -> float:
    """Return the fraction of entries that at least one agent keeps, of updates of shape (n, d)."""
    xp = array_namespace(kept)
    return float(xp.mean(xp.astype(xp.any(kept != 0, axis=0), xp.float64)))
