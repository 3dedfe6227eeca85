"""Recovery of a sparse sum by approximate message passing with soft thresholds (Donoho, Maleki, Montanari, PNAS 2009).

This is the receiver class of A-DSGD (Amiri, Gündüz, IEEE TSP 2020, arXiv 1901.00844): its fixed points solve a LASSO.
With 2M real measurements, c = tr(AᵀA)/d' and r, s of d' entries, one iteration is

    z = y − A s + (d'/2M)⟨η'⟩·z_before                      residual with Onsager's term
    t = ‖z‖²/(2M·c);   r = s + Aᵀz/c                        r = x + N(0, t) for independent Gaussian entries of A
    θ = argmin SURE(r, θ, t);   s = η(r; θ)                 `dsp.soft_threshold`

The noise level is that of the residual: the receiver needs no noise variance, and takes all symbols for equally noisy.
The threshold that SURE prefers at each iteration, from a grid of levels, spares a regularisation parameter (after
parameterless AMP: Mousavi, Maleki, Baraniuk, arXiv 1311.0035); which one A-DSGD used we do not know. Near the
transition a matrix of finite size may drive the iteration away from its fixed point, so the last iterate is returned
that was made from a residual of at most 1.05 times the least t. `dsp.state_evolution.predict_amp` foresees the error.
"""

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from dsp.metrics import energy
from dsp.noise import checked_noise
from dsp.oamp import Recovery
from dsp.sensing import Sensing
from dsp.soft_threshold import passed, soft_threshold, sure

Array = Any
LEVELS = tuple(0.2 * step for step in range(26))  # θ/√t; at 5, one in two million of pure noise passes
ENOUGH = 3  # iterations without progress
ASTRAY = 1.05  # t over the least so far, beyond which an iterate is not taken


@dataclass(frozen=True)
class _Iterate:
    """s (..., d'), its residual z (..., M), and of the step that made s: ⟨η'⟩, t, SURE and ⟨r²⟩, each (..., 1)."""

    s: Array
    z: Array
    passed: Array
    t: Array
    error: Array
    power: Array


def recover(received: Array, sensing: Sensing, *, max_iterations: int = 60, tolerance: float = 0.003) -> Recovery:
    """Return the AMP estimate of x from y = A x + n.

    Args:
        received: y, complex, shape (..., M): a batch of problems of one operator.
        sensing: A, whose entries should be independent and Gaussian.
        max_iterations: upper limit.
        tolerance: stop when t has not fallen by this fraction in three iterations; 0 runs them all.

    Raises:
        ValueError: y is not complex, has another length than M, or is not finite; no iteration is allowed.
    """
    xp = array_namespace(received)
    if max_iterations < 1:
        raise ValueError(f"max_iterations must be at least 1, got {max_iterations}")
    checked_noise(received, sensing, 0.0)
    best = last = _step(received, sensing, None)
    trace, stalls, least = [last.t[..., 0]], 0, last.t
    while len(trace) < max_iterations and (tolerance <= 0 or stalls < ENOUGH):
        last = _step(received, sensing, last)
        trace.append(last.t[..., 0])
        stalls = 0 if bool(xp.any(last.t < (1 - tolerance) * least)) else stalls + 1
        least = xp.minimum(least, last.t)
        best = _choose(last.t <= ASTRAY * least, last, best)
    signal = xp.clip(best.power - best.t, 0, None)
    error = xp.minimum(xp.clip(best.error, 0, None), signal)
    predicted = xp.where(signal > 0, error / xp.where(signal > 0, signal, xp.ones_like(signal)), xp.ones_like(signal))
    return Recovery(best.s[..., : sensing.length], error[..., 0], predicted[..., 0], xp.stack(trace))


def _step(received: Array, sensing: Sensing, last: _Iterate | None) -> _Iterate:
    """Return the next iterate; the first one begins at s = 0."""
    xp = array_namespace(received)
    z = received
    if last is not None:
        onsager = 0.5 * sensing.padded_length / sensing.n_symbols * last.passed
        z = received - sensing.forward(last.s) + onsager * last.z
    t = (energy(z) / (2 * sensing.n_symbols * sensing.gain))[..., None]
    r = sensing.adjoint(z) / sensing.gain
    r = r if last is None else last.s + r
    level, error = _best_level(r, t)
    power = xp.mean(r * r, axis=-1, keepdims=True)
    return _Iterate(soft_threshold(r, level), z, passed(r, level), t, error, power)


def _choose(fit: Array, one: _Iterate, other: _Iterate) -> _Iterate:
    """Return one iterate for the problems of a batch that are fit, the other for the rest."""
    xp = array_namespace(fit)
    return _Iterate(*(xp.where(fit, value, vars(other)[name]) for name, value in vars(one).items()))


def _best_level(r: Array, t: Array) -> tuple[Array, Array]:
    """Return the θ of least SURE, and that estimate, each (..., 1)."""
    xp = array_namespace(r)
    root = xp.sqrt(t)
    best, least = LEVELS[-1] * root, sure(r, LEVELS[-1] * root, t)
    for multiple in LEVELS[-2::-1]:
        found = sure(r, multiple * root, t)
        best, least = xp.where(found < least, multiple * root, best), xp.minimum(found, least)
    return best, least
