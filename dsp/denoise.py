"""Priors of the summed update and their posterior means: the non-linear half of OAMP.

A prior sees r = x + N(0, t) entry by entry and returns E[x | r], the mean posterior variance, and itself after one EM
step (Vila, Schniter, IEEE TSP 2013). `BernoulliGaussian` is (1 − ε)δ0 + ε·N(0, s2):

    a = s2/(s2 + t);  L = log(ε/(1 − ε)) + ½log(t/(s2 + t)) + ½r²(1/t − 1/(s2 + t));  p = sigmoid(L)
    E[x|r] = p·a·r;   var = p(a·t + a²r²) − E[x|r]²;   EM: ε <- <p>,  s2 <- Σ(var + E²)/Σp

`GaussianMixture` has several Gaussians beside the point at zero, for values with heavy tails. Parameters have shape
(..., 1), one set per problem of a batch. The sigmoid is written as ½ + ½tanh(L/2), which does not overflow.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from array_api_compat import array_namespace, device

Array = Any
SMALLEST = 1e-6  # of a probability, so that a prior can recover from a bad start


@dataclass(frozen=True)
class Posterior:
    """What a prior makes of noisy entries.

    Args:
        mean: E[x | r], shape (..., d).
        variance: mean posterior variance over the entries, shape (..., 1).
        energy: mean of E[x² | r] over the entries, shape (..., 1).
        prior: the prior after one EM step on these entries.
    """

    mean: Array
    variance: Array
    energy: Array
    prior: "Prior"


class Prior(Protocol):
    """The law of the entries of the sum."""

    def posterior(self, r: Array, t: Array) -> Posterior:
        """Return the posterior of entries r, shape (..., d), seen through noise of variance t > 0, shape (..., 1)."""
        ...


@dataclass(frozen=True)
class BernoulliGaussian:
    """(1 − ε)δ0 + ε·N(0, s2).

    Args:
        sparsity: ε, probability of a non-zero entry, shape (..., 1).
        variance: s2, variance of a non-zero entry, shape (..., 1).
    """

    sparsity: Array
    variance: Array

    @classmethod
    def start(cls, energy: Array, ratio: float) -> "BernoulliGaussian":
        """Return a first guess for entries of mean energy `energy`: as dense as can be recovered from this ratio."""
        sparsity = energy * 0 + min(0.5, 0.5 * ratio)
        return cls(sparsity, energy / sparsity)

    def posterior(self, r: Array, t: Array) -> Posterior:
        """Return the posterior of entries r seen through noise of variance t."""
        xp = array_namespace(r)
        sparsity, spread = _like(t, self.sparsity), _like(t, self.variance) + t
        shrink = _like(t, self.variance) / spread
        bias = xp.log(sparsity / (1 - sparsity)) + 0.5 * xp.log(t / spread)
        active = xp.tanh((0.25 * shrink / t) * (r * r) + 0.5 * bias)
        active = 0.5 * active + 0.5
        gated = active * r
        share = xp.mean(active, axis=-1, keepdims=True)
        thermal = shrink * t * share
        energy = thermal + shrink**2 * _dot(xp, gated, r)
        variance = thermal + shrink**2 * _dot(xp, gated, r - gated)  # energy − <mean²> would cancel
        sparsity = xp.clip(share, SMALLEST, 1 - SMALLEST)
        return Posterior(shrink * gated, variance, energy, BernoulliGaussian(sparsity, energy / sparsity))


@dataclass(frozen=True)
class GaussianMixture:
    """w_0·δ0 + Σ_c w_c·N(0, s_c).

    Args:
        weights: w_1..w_C, shape (C, ..., 1); w_0 = 1 − Σ w_c.
        variances: s_1..s_C, shape (C, ..., 1).
    """

    weights: Array
    variances: Array

    @classmethod
    def start(cls, energy: Array, ratio: float, components: int = 3) -> "GaussianMixture":
        """Return a first guess: equal weights, variances a factor of six apart."""
        xp = array_namespace(energy)
        share = min(0.5, 0.5 * ratio) / components
        powers = [6.0**index for index in range(components)]
        weights = xp.stack([energy * 0 + share] * components)
        return cls(weights, xp.stack([energy * (power / (share * sum(powers))) for power in powers]))

    def posterior(self, r: Array, t: Array) -> Posterior:
        """Return the posterior of entries r seen through noise of variance t."""
        xp = array_namespace(r)
        weights, variances = _like(t, self.weights), _like(t, self.variances)
        square = r * r
        zero, *others = _responsibilities(weights, variances, square, t)
        shrinks = [variances[c, ...] / (variances[c, ...] + t) for c in range(len(others))]
        gate = sum((shrink * p for shrink, p in zip(shrinks, others, strict=True)), r * 0)
        doubt = zero * gate**2  # variance of the component's shrinkage: not <shrink²> − gate², which would cancel
        shares, energies, variance = [], [], xp.zeros_like(t)
        for shrink, p in zip(shrinks, others, strict=True):
            share = xp.mean(p, axis=-1, keepdims=True)
            doubt = doubt + p * (shrink - gate) ** 2
            variance = variance + shrink * t * share
            shares.append(share)
            energies.append(shrink * t * share + shrink**2 * _dot(xp, p, square))
        learnt = xp.clip(xp.stack(shares), SMALLEST, 1 - SMALLEST)
        learnt = learnt / xp.maximum(xp.sum(learnt, axis=0) / (1 - SMALLEST), xp.ones_like(t))
        prior = GaussianMixture(learnt, xp.stack(energies) / learnt)
        return Posterior(gate * r, variance + _dot(xp, doubt, square), sum(energies[1:], energies[0]), prior)


def _responsibilities(weights: Array, variances: Array, square: Array, t: Array) -> list[Array]:
    """Return the probability that entries with these r² belong to each component, the point at zero first."""
    xp = array_namespace(square)
    logs = [xp.log(1 - xp.sum(weights, axis=0)) - 0.5 * xp.log(t) - 0.5 / t * square]
    for c in range(weights.shape[0]):
        spread = variances[c, ...] + t
        logs.append(xp.log(weights[c, ...]) - 0.5 * xp.log(spread) - 0.5 / spread * square)
    highest = logs[0]
    for other in logs[1:]:
        highest = xp.maximum(highest, other)
    terms = [xp.exp(value - highest) for value in logs]
    total = sum(terms[1:], terms[0])
    return [term / total for term in terms]


def _like(t: Array, parameter: Array | float) -> Array:
    """Return a parameter in the library, precision and on the device of the noise variance t."""
    return array_namespace(t).asarray(parameter, dtype=t.dtype, device=device(t))


def _dot(xp: Any, a: Array, b: Array) -> Array:
    """Return the mean of a·b over the entries, shape (..., 1)."""
    return xp.vecdot(a, b)[..., None] / a.shape[-1]
