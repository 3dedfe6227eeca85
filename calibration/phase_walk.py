"""The frequency and the drift of a carrier from its phase at a few instants, through what oscillators do at random.

    d_i = 2π·(f·(t_i − t_{i−1}) + ½s·((t_i − t_m)² − (t_{i−1} − t_m)²)) + w_i
    Cov w = V + q·diag(t_i − t_{i−1}) + r·B

d_i are increments of the unwrapped phase, f is the mean frequency of the observation, t_m its middle and s the slope.
V = v·tridiag(−1, 2, −1) is the noise of measuring, which two neighbouring increments share; q in rad²/s the diffusion
of the phase (2π times the linewidth of both oscillators together), r in Hz²/s the random walk of their frequency, whose
mean over the observation is counted to f.

v is known, q and r are not: f and s are generalised least squares given q and r, weighted by the restricted likelihood
of these (Patterson, Thompson, Biometrika 1971) with flat priors on √q and √r (ours). Where q alone matters, that is
Student's t with one degree of freedom less than usual. Where nothing but v is seen, the interval is about four times as
wide as it would be for somebody who knew that q and r are zero.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

LEAST_INCREMENTS = 8
LEAST_VARIANCE = 1e-14  # rad², of rounding in complex64 samples
NEGLIGIBLE = 1e-9
GRID = 72  # values of √q and of √r: a step of 14 %, the likelihood of 66 increments is 9 % wide (standard deviation)


@dataclass(frozen=True)
class Walk:
    """What a phase series says.

    Args:
        frequency: f in Hz.
        frequency_u: half the width of its 95 % interval.
        slope: s in Hz/s.
        slope_u: half the width of its 95 % interval.
        wander: √r in Hz/√s: by so much the frequency changes in a second, rms; its lower 2.5 % quantile.
        residual: d_i less what f and s explain, in radians, shape (M,).
    """

    frequency: float
    frequency_u: float
    slope: float
    slope_u: float
    wander: float
    residual: np.ndarray


def fit_walk(increments: np.ndarray, times: np.ndarray, variances: np.ndarray) -> Walk:
    """Return frequency and slope with their 95 % intervals.

    Args:
        increments: d_i in radians, shape (M,).
        times: t_0 … t_M in seconds, rising, shape (M + 1,).
        variances: of each increment from the noise of measuring, in rad², shape (M,).

    Raises:
        ValueError: there are fewer than eight increments.
    """
    if increments.size < LEAST_INCREMENTS:
        raise ValueError(f"increments must be at least {LEAST_INCREMENTS}, got {increments.size}; observe for longer")
    steps, centred = np.diff(times), times - (times[0] + times[-1]) / 2
    design = 2 * np.pi * np.stack([steps, np.diff(centred**2) / 2], axis=1)
    noise, walking = np.maximum(variances, LEAST_VARIANCE), _frequency_walk(steps)
    root_q, root_r = _grids(increments, design, steps, noise, walking)
    found = [_given(q, root_r**2, (design, increments), (steps, noise, walking)) for q in root_q**2]
    values, spreads, likelihood = (np.stack(part) for part in zip(*found, strict=True))
    # trapezoids on √q and √r
    weights = np.exp(likelihood - likelihood.max()) * np.multiply.outer(np.gradient(root_q), np.gradient(root_r))
    weights /= weights.sum()
    share = np.cumsum(weights.sum(0))
    kept = weights > NEGLIGIBLE * weights.max()
    weights, values, spreads = weights[kept] / weights[kept].sum(), values[kept], spreads[kept]
    mean = weights @ values
    widths = [_half_width(weights, values[:, i] - mean[i], np.sqrt(spreads[:, i])) for i in range(2)]
    wander = float(root_r[np.searchsorted(share, 0.025)])
    return Walk(float(mean[0]), widths[0], float(mean[1]), widths[1], wander, increments - design @ mean)


def _frequency_walk(steps: np.ndarray) -> np.ndarray:
    """Return B, the covariance of increments for r = 1 Hz²/s, the walk's mean frequency taken out, shape (M, M).

    (2π)²·∫∫ min(s, u) over the steps i and j, then P·…·Pᵀ with P = I − Δ·1ᵀ/T, Δ the steps and T their sum.
    """
    end = np.cumsum(steps)
    begin = end - steps
    area = (end**2 - begin**2) / 2
    both = np.triu(np.multiply.outer(area, steps), 1)
    both = both + both.T + np.diag(begin * steps**2 + steps**3 / 3)
    centre = np.eye(steps.size) - np.multiply.outer(steps, np.ones(steps.size)) / end[-1]
    return np.asarray((2 * np.pi) ** 2 * centre @ both @ centre.T)


def _grids(
    increments: np.ndarray, design: np.ndarray, steps: np.ndarray, noise: np.ndarray, walking: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return values of √q and √r from 0 over what is negligible to more than what all scatter together would need."""
    root = np.sqrt(steps)
    basis = np.linalg.qr(design / root[:, None])[0]
    seen = increments / root
    scatter = float(np.sum((seen - basis @ (basis.T @ seen)) ** 2)) + float(np.sum(noise / steps))
    scaled = walking / np.multiply.outer(root, root)
    walked = float(np.trace(scaled) - np.trace(basis.T @ scaled @ basis))
    diffusion, walk = np.sqrt(scatter / steps.size), np.sqrt(scatter / walked)
    return (
        diffusion * np.concatenate([[0.0], np.geomspace(1e-3, 6.0, GRID)]),
        walk * np.concatenate([[0.0], np.geomspace(1e-3, 10.0, GRID)]),
    )


def _given(
    diffusion: float,
    walks: np.ndarray,
    seen: tuple[np.ndarray, np.ndarray],
    laws: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return estimates (R, 2), their variances (R, 2) and restricted log-likelihoods (R,) for a q and each r."""
    steps, noise, walking = laws
    # neighbours share the noise of one instant; half the smaller variance keeps the matrix definite where they differ
    shared = np.minimum(noise[:-1], noise[1:]) / 2
    rest = np.diag(noise * (1 + NEGLIGIBLE) + diffusion * steps) - np.diag(shared, 1) - np.diag(shared, -1)
    factor = np.linalg.cholesky(rest)
    both = np.linalg.solve(factor, np.column_stack([walking, *seen]))
    white_walk = np.linalg.solve(factor, both[:, :-3].T)
    # behind the rotation that makes the walk diagonal, each r is a row of weights
    strength, rotation = np.linalg.eigh((white_walk + white_walk.T) / 2)
    both = rotation.T @ both[:, -3:]
    scale = 1 + np.multiply.outer(walks, np.maximum(strength, 0))
    gram = np.einsum("ri,ij,ik->rjk", 1 / scale, both, both)
    # frequency and slope differ by orders of magnitude; of length 1 they do not
    length = np.sqrt(np.diagonal(gram, axis1=1, axis2=2)[:, :2])
    unit = gram[:, :2, :2] / (length[:, :, None] * length[:, None, :])
    inverse, toward = np.linalg.inv(unit), gram[:, :2, 2] / length
    found = np.einsum("rij,rj->ri", inverse, toward)
    misfit = gram[:, 2, 2] - np.sum(found * toward, axis=1)
    determinant = 2 * np.log(np.diag(factor)).sum() + np.log(scale).sum(1)
    restricted = np.linalg.slogdet(unit)[1] + 2 * np.log(length).sum(1)
    spread = np.diagonal(inverse, axis1=1, axis2=2) / length**2
    return found / length, spread, -(determinant + restricted + misfit) / 2


def _half_width(weights: np.ndarray, centres: np.ndarray, spreads: np.ndarray) -> float:
    """Return u with 95 % of a mixture of normal distributions within ±u."""

    def inside(width: float) -> float:
        return float(weights @ (ndtr((width - centres) / spreads) - ndtr((-width - centres) / spreads))) - 0.95

    return float(brentq(inside, 0.0, float(np.max(np.abs(centres) + 8 * spreads)), rtol=1e-6))
