"""State evolution: the error of OAMP and of AMP, iteration by iteration, without running them.

OAMP (Ma, Ping, IEEE Access 2017).

For orthonormal rows, ratio c = 2M/d' and noise σ'² = σ²/2 per real measurement

    t = v(1/c − 1) + σ'²/c;   v_b = mmse(t);   v <- 1/(1/v_b − 1/t)

with mmse(t) = E var(x | x + N(0, t)) under the prior. AMP with soft thresholds, for matrices of independent Gaussian
entries (Donoho, Maleki, Montanari, PNAS 2009; proof: Bayati, Montanari, IEEE TIT 2011):

    t = σ'²/c + v/c;   v = min over θ of E(η(x + N(0, t); θ) − x)²

The fixed point is where the receiver should end.
"""

from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from dsp.amp import LEVELS
from dsp.denoise import BernoulliGaussian, GaussianMixture
from dsp.soft_threshold import risk

POINTS = 4001
REACH = 9.0  # standard deviations of the widest component
SMALLEST = 1e-14  # of an error over the energy: below, the closed form of the risk cancels


def mmse(prior: BernoulliGaussian | GaussianMixture, t: float) -> float:
    """Return E var(x | r) for r = x + N(0, t), by quadrature over the density of r.

    Args:
        prior: with scalar parameters (shape (1,), or (C, 1) for a mixture).
        t: noise variance, positive.
    """
    weights, variances = _components(prior)
    total = 0.0
    for weight, variance in zip(weights, variances, strict=True):
        r = np.linspace(-REACH, REACH, POINTS) * np.sqrt(variance + t)
        density = np.exp(-(r**2) / (2 * (variance + t))) / np.sqrt(2 * np.pi * (variance + t))
        total += weight * trapezoid(density * _posterior_variance(weights, variances, r, t), r)
    return float(total)


def predict(
    prior: BernoulliGaussian | GaussianMixture, ratio: float, noise_var: float, iterations: int = 50
) -> np.ndarray:
    """Return the NMSE after each iteration, linear, shape (iterations,).

    Args:
        prior: law of the entries, with scalar parameters.
        ratio: c = 2M/d', at most 1.
        noise_var: σ² per complex symbol, in the units of the entries squared.
        iterations: how many.

    Raises:
        ValueError: the ratio is not in (0, 1], or the noise is not positive.
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio must be in (0, 1], got {ratio}")
    if not noise_var > 0:
        raise ValueError(f"noise_var must be positive, got {noise_var}")
    weights, variances = _components(prior)
    energy = float(weights @ variances)
    v, errors = energy, []
    for _ in range(iterations):
        t = v * (1 / ratio - 1) + 0.5 * noise_var / ratio
        v_b = min(mmse(prior, t), t * (1 - 1e-9))
        errors.append(v_b / energy)
        v = 1 / (1 / v_b - 1 / t)
    return np.array(errors)


def predict_amp(
    prior: BernoulliGaussian | GaussianMixture, ratio: float, noise_var: float, iterations: int = 100
) -> np.ndarray:
    """Return the NMSE of AMP with soft thresholds after each iteration, linear, shape (iterations,).

    Args:
        prior: law of the entries, with scalar parameters.
        ratio: c = 2M/d', which may exceed 1.
        noise_var: σ² per complex symbol, in the units of the entries squared; 0 is allowed.
        iterations: how many.

    Raises:
        ValueError: the ratio is not positive, or the noise is negative.
    """
    if not ratio > 0:
        raise ValueError(f"ratio must be positive, got {ratio}")
    if not noise_var >= 0:
        raise ValueError(f"noise_var must not be negative, got {noise_var}")
    weights, variances = _components(prior)
    energy = float(weights @ variances)
    v, errors = energy, []
    for _ in range(iterations):
        t = max((0.5 * noise_var + v) / ratio, energy * SMALLEST)
        v = min(risk(weights, variances, multiple * np.sqrt(t), t) for multiple in LEVELS)
        errors.append(v / energy)
    return np.array(errors)


def _components(prior: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and variances of the components that occur, the point at zero first."""
    if isinstance(prior, BernoulliGaussian):
        weights, variances = np.ravel(prior.sparsity), np.ravel(prior.variance)
    else:
        weights, variances = np.ravel(prior.weights), np.ravel(prior.variances)
    weights, variances = np.append(1 - weights.sum(), weights), np.append(0.0, variances)
    return weights[weights > 0], variances[weights > 0]


def _posterior_variance(weights: np.ndarray, variances: np.ndarray, r: np.ndarray, t: float) -> np.ndarray:
    spread = variances[:, None] + t
    logs = np.log(weights)[:, None] - 0.5 * np.log(spread) - r**2 / (2 * spread)
    share = np.exp(logs - logs.max(0))
    share /= share.sum(0)
    shrink = variances[:, None] / spread
    mean = (share * shrink).sum(0) * r
    return (share * (shrink * t + shrink**2 * r**2)).sum(0) - mean**2
