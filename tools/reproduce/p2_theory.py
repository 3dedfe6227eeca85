"""P2, theory beside measurement on softmax regression, whose constants are known: smoothness and convergence.

F = (1/n)Σ F_i of n agents with data of their own, ∇F exact and of all their data, so that σ_g² = 0, nothing is left out
(δ = 1) and nothing is added (ε = 0). What is drawn is our reconstruction [R] (docs/theory.md), not the paper's theorem.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch

from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss
from fl.theory.convergence import Constants, gradient_norm_bound
from fl.theory.smoothness import meta_gradient_limit, meta_smoothness
from tools.reproduce.logistic import Logistic, constants, data

ALPHA = 0.1
AGENTS = 2
ROUNDS = 100
NUS = 0, 1, 2, 3, 4, 5
DESCENDED = 1, 2, 5
"""ν with which F is descended."""
SCALES = 0.0, 0.5, 2.0
"""Of the entries of points between which gradients are compared."""
SMALL = 1e-4

Gradient = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Descent:
    """Gradient descent on F beside its template.

    Args:
        constants: of F.
        rate: η.
        measured: mean of ‖∇F‖² over the rounds so far, shape (rounds,).
        template: its limit, shape (rounds,).
    """

    constants: Constants
    rate: float
    measured: np.ndarray
    template: np.ndarray


def value_and_gradient(nu: int, theta: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Return F(θ) and ∇F(θ), shape (d,)."""
    learner = MetaLearner(Loss(Logistic()), ALPHA, ALPHA, "exact")
    sets = [data(1000 + agent) for agent in range(AGENTS)]
    found = [learner.meta_gradient(theta, OuterStep([one] * nu, one, [one] * nu)) for one in sets]
    return float(np.mean([float(value) for value, _ in found])), torch.stack([step for _, step in found]).mean(0)


def smoothness_bound(nu: int) -> float:
    """Return L_F(ν), the mean over agents of their constants."""
    return float(np.mean([meta_smoothness(nu, ALPHA, *constants(data(1000 + agent)[0])) for agent in range(AGENTS)]))


def gradient_bound(nu: int) -> float:
    """Return the largest norm that an agent's meta-gradient can have."""
    found = [constants(data(1000 + agent)[0]) for agent in range(AGENTS)]
    return max(meta_gradient_limit(nu, ALPHA, smooth, limit) for smooth, _, limit in found)


def curvature(gradient: Gradient, theta: torch.Tensor, rng: np.random.Generator, steps: int = 10) -> float:
    """Return |largest eigenvalue| of the Hessian of F at θ, by power iteration on differences of gradients."""
    vector, size = torch.from_numpy(rng.standard_normal(len(theta))), 0.0
    for _ in range(steps):
        vector = vector / vector.norm()
        vector = (gradient(theta + SMALL * vector) - gradient(theta - SMALL * vector)) / (2 * SMALL)
        size = float(vector.norm())
    return size


def steepest(gradient: Gradient, points: list[torch.Tensor], rng: np.random.Generator) -> float:
    """Return the largest ‖∇F(a) − ∇F(b)‖/‖a − b‖ that was found: between points, and close to each of them."""
    between = [
        float((gradient(one) - gradient(other)).norm() / (one - other).norm())
        for index, one in enumerate(points)
        for other in points[:index]
    ]
    return max([*between, *(curvature(gradient, point, rng) for point in points)])


@lru_cache(maxsize=1)
def smoothness() -> dict[int, tuple[float, float]]:
    """Return the largest slope of ∇F that was found, and its bound L_F(ν), by ν."""
    found = {}
    for nu in NUS:
        rng = np.random.default_rng(nu)
        points = [torch.from_numpy(scale * rng.standard_normal(Logistic.dimension)) for scale in SCALES]
        found[nu] = steepest(partial(_gradient, nu), points, rng), smoothness_bound(nu)
    return found


def _gradient(nu: int, theta: torch.Tensor) -> torch.Tensor:
    return value_and_gradient(nu, theta)[1]


@lru_cache(maxsize=len(DESCENDED))
def descent(nu: int) -> Descent:
    """Return gradient descent with ν inner steps at η = 1/(2L_F), the largest rate of the template; F* >= 0 is used."""
    theta = Logistic().init(np.random.default_rng(0))
    limit = smoothness_bound(nu)
    rate, squares = 1 / (2 * limit), []
    start, gradient = value_and_gradient(nu, theta)
    for _ in range(ROUNDS):
        squares.append(float(gradient.square().sum()))
        theta = theta - rate * gradient
        _, gradient = value_and_gradient(nu, theta)
    about = Constants(limit, start, 0.0, gradient_bound(nu) ** 2, AGENTS)
    rounds = np.arange(1, ROUNDS + 1)
    template = np.array([gradient_norm_bound(about, int(done), rate, 1.0) for done in rounds])
    return Descent(about, rate, np.cumsum(squares) / rounds, template)
