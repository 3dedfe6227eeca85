"""Recovery of a sparse sum by orthogonal AMP (Ma, Ping, IEEE Access 2017), unequal noise per symbol.

With real measurements (2M of them, noise variance σ'² = σ²/2), c = tr(AᵀA)/d' and κ = tr((AᵀA)²)/tr(AᵀA), one iteration
is

    e = y − A s;   v = Σ_j u_j(|e_j|² − σ_j²)/(c·d'·<u>)                      error variance of s (`dsp.noise`)
    w_j = v/(v + σ'_j²);   c_w = c·<w>;   r = s + Aᵀ(w∘e)/c_w                 linear, de-correlated
    t = v(κ·c·<w²>/c_w² − 1) + c·<w²σ'²>/c_w²                                error variance of r
    mean, var = posterior(r, t);   v_b = <var>;   v_e = 1/(1/v_b − 1/t)
    s = v_e(mean/v_b − r/t)                                                  divergence-free

For orthonormal rows κ = 1 and t = v(1/c_w − 1). The unequal-noise weights, and the form for operators whose rows are
not orthonormal, are our reconstruction. The receiver knows y, A and the noise variance; it fits the prior itself by EM.
"""

from dataclasses import dataclass
from typing import Any, Literal

from array_api_compat import array_namespace

from dsp.denoise import BernoulliGaussian, GaussianMixture, Posterior, Prior
from dsp.noise import checked_noise, signal_energy, square
from dsp.sensing import Sensing

Array = Any
PriorName = Literal["bernoulli_gaussian", "gaussian_mixture"]
ENOUGH = 2  # iterations without progress


@dataclass(frozen=True)
class Recovery:
    """An estimate of the sum, and what the receiver believes of it.

    Args:
        estimate: shape (..., d).
        posterior_var: mean variance of an entry, shape (...).
        predicted_nmse: the receiver's prediction of its own error, by state evolution, shape (...).
        trace: t of each iteration, shape (iterations, ...).
    """

    estimate: Array
    posterior_var: Array
    predicted_nmse: Array
    trace: Array

    @property
    def iterations(self) -> int:
        """Iterations run."""
        return int(self.trace.shape[0])


def recover(
    received: Array,
    sensing: Sensing,
    noise_var: Array | float,
    *,
    prior: Prior | PriorName = "bernoulli_gaussian",
    max_iterations: int = 40,
    tolerance: float = 0.003,
) -> Recovery:
    """Return the OAMP estimate of x from y = A x + n.

    Args:
        received: y, complex, shape (..., M): a batch of problems of one operator.
        sensing: A.
        noise_var: σ², per complex symbol: a number, or an array that broadcasts to (..., M).
        prior: a prior in units of x, or the name of one to be fitted from a first guess.
        max_iterations: upper limit.
        tolerance: stop when the predicted error changes by less than this fraction, twice; 0 runs them all.

    Raises:
        ValueError: y is not complex, has another length than M, or is not finite; the noise variance is negative, not
            finite, or does not broadcast; no iteration is allowed.
    """
    xp = array_namespace(received)
    if max_iterations < 1:
        raise ValueError(f"max_iterations must be at least 1, got {max_iterations}")
    noise = checked_noise(received, sensing, noise_var)
    scale = xp.maximum(*signal_energy(square(received), sensing, noise))
    scale = xp.where(scale > 0, scale, xp.ones_like(scale))
    problem = _Problem(received / xp.sqrt(scale), sensing, noise / scale)
    first = _first_guess(prior, xp.ones_like(scale), sensing.gain) if isinstance(prior, str) else _Scaled(prior, scale)
    posterior, trace = _iterate(problem, first, max_iterations, tolerance)
    mean = posterior.mean[..., : sensing.length] * xp.sqrt(scale)
    energy = xp.where(posterior.energy > 0, posterior.energy, xp.ones_like(scale))
    predicted = (posterior.variance / energy)[..., 0]
    return Recovery(mean, (posterior.variance * scale)[..., 0], predicted, xp.stack(trace) * scale[..., 0])


@dataclass(frozen=True)
class _Problem:
    """y, A and σ² (shape (..., 1) or (..., M)), scaled so that an entry of x has unit mean energy."""

    received: Array
    sensing: Sensing
    noise: Array


@dataclass(frozen=True)
class _Scaled:
    """A prior given in the caller's units, at unit mean energy; EM leaves it alone."""

    prior: Prior
    scale: Array

    def posterior(self, r: Array, t: Array) -> Posterior:
        root = self.scale**0.5
        found = self.prior.posterior(r * root, t * self.scale)
        return Posterior(found.mean / root, found.variance / self.scale, found.energy / self.scale, self)


def _iterate(problem: _Problem, prior: Prior, limit: int, tolerance: float) -> tuple[Posterior, list[Array]]:
    """Return the last posterior of each problem of the batch, and t of each iteration.

    A problem stops when its error is down to the rounding, or has hardly changed twice in a row; a rise is a change,
    because below the transition the error that EM believes in rises to the true one.
    """
    xp = array_namespace(problem.received)
    linear = _linear(problem, None, None)
    found = last = prior.posterior(linear.r, linear.t)
    trace = [linear.t[..., 0]]
    stalls = xp.astype(linear.exact, xp.int32) * ENOUGH
    while len(trace) < limit and (tolerance <= 0 or not bool(xp.all(stalls >= ENOUGH))):
        linear = _linear(problem, _divergence_free(found, linear.r, linear.t), linear.v)
        found = found.prior.posterior(linear.r, linear.t)
        slow = xp.astype(xp.abs(found.variance - last.variance) <= tolerance * last.variance, xp.int32)
        last = _choose(stalls >= ENOUGH, last, found) if tolerance > 0 else found
        stalls = xp.where(stalls >= ENOUGH, stalls, (stalls + slow) * slow)
        stalls = xp.where(linear.exact, stalls + ENOUGH, stalls)
        trace.append(linear.t[..., 0])
    return last, trace


def _divergence_free(found: Posterior, r: Array, t: Array) -> Array:
    """Return s, whose error is uncorrelated with that of r: v_e(mean/v_b − r/t), shape (..., d')."""
    xp = array_namespace(r)
    variance = xp.clip(found.variance, t * 1e-7, t * (1 - 1e-4))
    extrinsic = 1 / (1 / variance - 1 / t)
    return (extrinsic / variance) * found.mean - (extrinsic / t) * r


@dataclass(frozen=True)
class _Linear:
    """r (..., d'), its error variance t, that of s before, v, and where v is down to the rounding, each (..., 1)."""

    r: Array
    t: Array
    v: Array
    exact: Array


def _linear(problem: _Problem, s: Array | None, guess: Array | None) -> _Linear:
    """Return the de-correlated linear estimate from s; guess: v of the iteration before (1 at first: s is 0)."""
    xp = array_namespace(problem.received)
    sensing, noise = problem.sensing, problem.noise
    error = problem.received if s is None else problem.received - sensing.forward(s)
    floor = 1e-7 if error.dtype == xp.complex64 else 1e-14
    power = square(error)
    guess = xp.ones_like(power[..., :1]) if guess is None else guess
    v = xp.clip(xp.maximum(*signal_energy(power, sensing, noise, guess)), floor, None)
    weight = v / (v + 0.5 * noise)
    mean_weight = sensing.gain * xp.mean(weight, axis=-1, keepdims=True)
    spread = sensing.gain * xp.mean(weight**2, axis=-1, keepdims=True) / mean_weight**2
    noisy = sensing.gain * xp.mean(weight**2 * (0.5 * noise), axis=-1, keepdims=True) / mean_weight**2
    t = xp.clip(v * (sensing.gain_spread * spread - 1) + noisy, floor * 1e-3, None)
    correction = sensing.adjoint(error * (weight / mean_weight))
    return _Linear(correction if s is None else s + correction, t, v, v <= floor)


def _choose(frozen: Array, old: Posterior, new: Posterior) -> Posterior:
    """Return the old posterior of the problems that have stopped, the new one of the others."""
    xp = array_namespace(frozen)
    if not bool(xp.any(frozen)):
        return new
    return Posterior(
        mean=xp.where(frozen, old.mean, new.mean),
        variance=xp.where(frozen, old.variance, new.variance),
        energy=xp.where(frozen, old.energy, new.energy),
        prior=new.prior,
    )


def _first_guess(name: str, energy: Array, ratio: float) -> Prior:
    if name == "bernoulli_gaussian":
        return BernoulliGaussian.start(energy, ratio)
    if name == "gaussian_mixture":
        return GaussianMixture.start(energy, ratio)
    raise ValueError(f"prior must be bernoulli_gaussian, gaussian_mixture or a Prior, got {name!r}")
