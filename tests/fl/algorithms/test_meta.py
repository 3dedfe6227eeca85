"""Gradient checks B3, B4, B5 on softmax regression in double precision, where every derivative is smooth."""

import numpy as np
import pytest
import torch

from fl.algorithms.meta import OuterStep
from fl.gradients import Loss
from tools.reproduce.logistic import Logistic, data
from tools.reproduce.p2_gradients import learner, numerical_gradient, outer_step, per_fedavg, start

THETA = start(0)


@pytest.mark.parametrize("nu", [1, 2, 3, 5])
def test_b4_the_exact_gradient_is_the_numerical_one(nu):
    sets = outer_step(nu)
    exact = learner("exact").meta_gradient(THETA, sets)[1]
    assert (exact - numerical_gradient(THETA, sets)).abs().max() < 1e-10


@pytest.mark.parametrize("nu", [1, 2, 3, 5])
def test_b4_the_hessian_free_gradient_is_close_for_a_smooth_loss(nu):
    sets = outer_step(nu)
    exact, free = (learner(order).meta_gradient(THETA, sets)[1] for order in ("exact", "hessian_free"))
    assert 0 < (exact - free).abs().max() < 2e-9


def test_b4_the_hessian_free_error_falls_with_the_square_of_its_step(monkeypatch):
    sets = outer_step(1, independent=True)
    exact, errors = learner("exact").meta_gradient(THETA, sets)[1], []
    for delta in (1e-2, 1e-3):
        monkeypatch.setattr("fl.gradients.HESSIAN_STEP", delta)
        errors.append(float((learner("hessian_free").meta_gradient(THETA, sets)[1] - exact).norm()))
    assert abs(np.log10(errors[0] / errors[1]) - 2) < 0.1


def test_b5_leaving_the_hessian_out_costs_more_with_every_inner_step():
    errors = []
    for nu in (1, 2, 3, 5):
        sets = outer_step(nu)
        exact, first = (learner(order).meta_gradient(THETA, sets)[1] for order in ("exact", "first"))
        errors.append(float((first - exact).norm() / exact.norm()))
    assert errors == sorted(errors)
    assert 0.05 < errors[0] < 0.2
    assert 0.3 < errors[-1] < 0.7


def test_b3_one_inner_step_is_per_fedavg():
    steps = [outer_step(1, independent=True), OuterStep([data(70)], data(71), [data(72)])]
    delta, _ = learner("exact").local_update(THETA, steps)
    assert (THETA - delta - per_fedavg(THETA, steps)).abs().max() < 1e-12


def test_b3_the_first_order_step_is_the_gradient_after_adaptation():
    one = outer_step(1, independent=True)
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
