"""Gradient checks B3, B4, B5 on logistic regression in double precision, where every derivative is smooth."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss

ALPHA, ETA, FEATURES, CLASSES = 0.5, 0.1, 16, 3


class Logistic:
    """Softmax regression on the first features of an image."""

    dimension = FEATURES * CLASSES

    def init(self, rng):
        return torch.from_numpy(rng.standard_normal(self.dimension) * 0.3)

    def logits(self, theta, images, layout):
        return images.flatten(1)[:, :FEATURES] @ theta.view(FEATURES, CLASSES)


def data(seed, n=12):
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(0.6 * rng.standard_normal((n, 1, 28, 28)))
    return images, torch.from_numpy(rng.integers(0, CLASSES, n))


def step(nu, independent=True):
    inner = [data(10 + index) for index in range(nu)]
    return OuterStep(inner, data(1), [data(50 + index) for index in range(nu)] if independent else inner)


def learner(order):
    return MetaLearner(Loss(Logistic()), ALPHA, ETA, order)


THETA = Logistic().init(np.random.default_rng(0))


def meta_loss(theta, sets):
    for images, labels in sets.inner:
        point = theta.detach().requires_grad_()
        loss = F.cross_entropy(Logistic().logits(point, images, None), labels)
        theta = theta - ALPHA * torch.autograd.grad(loss, point)[0]
    return float(F.cross_entropy(Logistic().logits(theta, *sets.outer[:1], None), sets.outer[1]))


def numerical_gradient(sets, h=1e-3):
    """Richardson extrapolation of central differences: error O(h⁶)."""
    gradient = torch.zeros_like(THETA)
    for index in range(len(THETA)):
        estimates = []
        for width in (h, h / 2, h / 4):
            shift = torch.zeros_like(THETA)
            shift[index] = width
            estimates.append((meta_loss(THETA + shift, sets) - meta_loss(THETA - shift, sets)) / (2 * width))
        once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(estimates)]
        gradient[index] = (16 * once[1] - once[0]) / 15
    return gradient


@pytest.mark.parametrize("nu", [1, 2, 3, 5])
def test_b4_the_exact_gradient_is_the_numerical_one(nu):
    sets = step(nu, independent=False)
    exact = learner("exact").meta_gradient(THETA, sets)[1]
    assert (exact - numerical_gradient(sets)).abs().max() < 1e-10


@pytest.mark.parametrize("nu", [1, 2, 3, 5])
def test_b4_the_hessian_free_gradient_is_close_for_a_smooth_loss(nu):
    sets = step(nu, independent=False)
    exact, free = (learner(order).meta_gradient(THETA, sets)[1] for order in ("exact", "hessian_free"))
    assert 0 < (exact - free).abs().max() < 2e-9


def test_b4_the_hessian_free_error_falls_with_the_square_of_its_step(monkeypatch):
    sets = step(1, independent=False)
    exact, errors = learner("exact").meta_gradient(THETA, sets)[1], []
    for delta in (1e-2, 1e-3):
        monkeypatch.setattr("fl.gradients.HESSIAN_STEP", delta)
        errors.append(float((learner("hessian_free").meta_gradient(THETA, sets)[1] - exact).norm()))
    assert abs(np.log10(errors[0] / errors[1]) - 2) < 0.1


def test_b5_leaving_the_hessian_out_costs_more_with_every_inner_step():
    errors = []
    for nu in (1, 2, 3, 5):
        sets = step(nu, independent=False)
        exact, first = (learner(order).meta_gradient(THETA, sets)[1] for order in ("exact", "first"))
        errors.append(float((first - exact).norm() / exact.norm()))
    assert errors == sorted(errors)
    assert 0.05 < errors[0] < 0.2
    assert 0.3 < errors[-1] < 0.7


def per_fedavg(theta, steps):
    """Per-FedAvg, written from its paper with a dense Hessian: w <- w − β(I − αH(w; D3))∇f(w − α∇f(w; D1); D2)."""

    def f(w, sample):
        logits = sample[0].flatten(1)[:, :FEATURES] @ w.reshape(FEATURES, CLASSES)
        return torch.nn.functional.nll_loss(torch.log_softmax(logits, -1), sample[1])

    def gradient(w, sample):
        return torch.autograd.functional.jacobian(partial(f, sample=sample), w)

    w = theta.clone()
    for one in steps:
        adapted = w - ALPHA * gradient(w, one.inner[0])
        outer = gradient(adapted, one.outer)
        hessian = torch.autograd.functional.hessian(partial(f, sample=one.hessian[0]), w)
        w = w - ETA * (torch.eye(len(w), dtype=w.dtype) - ALPHA * hessian) @ outer
    return w


def test_b3_one_inner_step_is_per_fedavg():
    steps = [step(1), OuterStep([data(70)], data(71), [data(72)])]
    delta, _ = learner("exact").local_update(THETA, steps)
    assert (THETA - delta - per_fedavg(THETA, steps)).abs().max() < 1e-12


def test_b3_the_first_order_step_is_the_gradient_after_adaptation():
    one = step(1)
    adapted = learner("first").personalise(THETA, one.inner[0], 1)[1]
    expected = Loss(Logistic()).gradient(adapted, one.outer)[1]
    assert torch.equal(learner("first").meta_gradient(THETA, one)[1], expected)


def test_agents_side_by_side_give_what_they_give_alone():
    agents = [[OuterStep([data(i)], data(i + 1), [data(i + 2)])] for i in range(0, 15, 3)]
    together, losses = learner("exact").local_updates(THETA, agents, 2)
    for row, steps in enumerate(agents):
        alone, loss = learner("exact").local_update(THETA, steps)
        assert torch.equal(together[row], alone)
        assert losses[row] == loss


def test_fine_tuning_descends():
    sample = data(3)
    losses = [float(Loss(Logistic()).value(point, sample)) for point in learner("first").personalise(THETA, sample, 5)]
    assert len(losses) == 6
    assert losses == sorted(losses, reverse=True)
