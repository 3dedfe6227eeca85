"""Soft thresholding of noisy entries, its unbiased risk estimate, and its risk in closed form.

    η(r; θ) = sign(r)·max(|r| − θ, 0);   ⟨η'⟩ = fraction of the |r| above θ
    SURE(r, θ, t) = ⟨min(r², θ²)⟩ + 2t⟨η'⟩ − t

For r = x + N(0, t) the mean of SURE is the risk E(η(r; θ) − x)², whatever x is (Stein, Annals of Statistics 1981;
Donoho, Johnstone, JASA 1995). Where x is zero or Gaussian r is Gaussian, and the risk has a closed form.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.special import ndtr

Array = Any


def soft_threshold(r: Array, level: Array) -> Array:
    """Return η(r; θ), the shape of r.

    Args:
        r: real, shape (..., d).
        level: θ >= 0, shape (..., 1).
    """
    xp = array_namespace(r)
    return xp.sign(r) * xp.clip(xp.abs(r) - level, 0, None)


def passed(r: Array, level: Array) -> Array:
    """Return ⟨η'⟩, the fraction of the entries above θ in magnitude, shape (..., 1)."""
    xp = array_namespace(r)
    return xp.mean(xp.astype(xp.abs(r) > level, r.dtype), axis=-1, keepdims=True)


def sure(r: Array, level: Array, t: Array) -> Array:
    """Return Stein's unbiased estimate of the mean squared error of η(r; θ), shape (..., 1).

    Args:
        r: x + N(0, t), shape (..., d).
        level: θ, shape (..., 1).
        t: noise variance, shape (..., 1).
    """
    xp = array_namespace(r)
    capped = xp.minimum(xp.abs(r), level)
    return xp.mean(capped * capped, axis=-1, keepdims=True) + (2 * passed(r, level) - 1) * t


def risk(weights: np.ndarray, variances: np.ndarray, level: float, t: float) -> float:
    """Return E(η(x + N(0, t); θ) − x)² of entries x that are N(0, s_c) with probability w_c.

    With u = s + t, b = θ/√u and Q(b) the tail of a standard normal, a component adds

        u(1 − 2Q(b) − 2b·φ(b)) + 2Q(b)(θ² + 2t) − t

    Args:
        weights: w_c, which sum to 1, shape (C,).
        variances: s_c, 0 for entries that are zero, shape (C,).
        level: θ.
        t: noise variance, positive.
    """
    spread = variances + t
    b = level / np.sqrt(spread)
    tail, density = ndtr(-b), np.exp(-0.5 * b**2) / np.sqrt(2 * np.pi)
    kept = spread * (1 - 2 * tail - 2 * b * density)
    return float(weights @ (kept + 2 * tail * (level**2 + 2 * t) - t))
