"""L_F(ν) against the smoothness that is measured on softmax regression, whose constants are known in closed form."""

import numpy as np
import pytest
import torch

from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss
from fl.theory.smoothness import meta_gradient_limit, meta_smoothness
from tools.reproduce.logistic import Logistic, constants, data
from tools.reproduce.p2_theory import steepest

ALPHA = 0.5


@pytest.fixture(scope="module")
def problem():
    images, labels = data(3)
    return images * 2, labels


def meta_gradient(problem, nu):
    learner = MetaLearner(Loss(Logistic()), ALPHA, 0.1, "exact")
    step = OuterStep([problem] * nu, problem, [problem] * nu)
    return lambda theta: learner.meta_gradient(theta, step)[1]


@pytest.mark.parametrize("nu", [1, 2, 3, 5])
def test_no_gradient_changes_faster_than_the_bound(problem, nu):
    gradient, rng = meta_gradient(problem, nu), np.random.default_rng(nu)
    points = [torch.from_numpy(scale * rng.standard_normal(Logistic.dimension)) for scale in (0.0, 0.2, 1.0, 3.0)]
    smoothness, hessian, limit = constants(problem[0])
    assert 0.1 * smoothness < steepest(gradient, points, rng) <= meta_smoothness(nu, ALPHA, smoothness, hessian, limit)
    assert max(float(gradient(point).norm()) for point in points) <= meta_gradient_limit(nu, ALPHA, smoothness, limit)


@pytest.mark.parametrize("nu", [0, 1, 2, 3, 5])
def test_on_a_concave_parabola_the_bound_is_met(nu):
    """f = −½Lw²: w^ν = (1+αL)^ν·w, so F = −½L(1+αL)^{2ν}w², and the Hessian does not change."""
    assert meta_smoothness(nu, ALPHA, 2.0, 0.0, 5.0) == pytest.approx(2.0 * (1 + ALPHA * 2.0) ** (2 * nu))


@pytest.mark.parametrize("nu", [1, 2, 3, 5])
def test_the_term_of_the_hessian_is_the_sum_over_the_inner_steps(nu):
    """Factor l of the product moves by αρ(1+αL)^l, the other ν − 1 are at most 1+αL, and the gradient is at most B."""
    smoothness, hessian, limit = 1.5, 0.7, 3.0
    growth = 1 + ALPHA * smoothness
    steps = sum(ALPHA * hessian * growth**inner * growth ** (nu - 1) * limit for inner in range(nu))
    assert meta_smoothness(nu, ALPHA, smoothness, hessian, limit) == pytest.approx(
        smoothness * growth ** (2 * nu) + steps
    )


def test_one_step_has_the_form_of_per_fedavg():
    """4L + αρB, met at α = 1/L and above L_F(1) below."""
    smoothness, hessian, limit = 2.0, 0.7, 3.0
    assert meta_smoothness(1, 0.5, smoothness, hessian, limit) == pytest.approx(4 * smoothness + 0.5 * hessian * limit)
    assert meta_smoothness(1, 0.3, smoothness, hessian, limit) < 4 * smoothness + 0.3 * hessian * limit


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="smoothness must be positive"):
        meta_smoothness(1, 0.1, 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="must not be negative"):
        meta_smoothness(1, -0.1, 1.0, 1.0, 1.0)
