"""pFedMe on a smooth model in double precision."""

import numpy as np
import pytest
import torch

from fl.algorithms.pfedme import MoreauLearner
from fl.gradients import Loss
from tools.reproduce.logistic import Logistic, data

LOSS = Loss(Logistic())
THETA = Logistic().init(np.random.default_rng(0))
LAMBDA, ETA = 2.0, 0.05


def learner(inner_steps=400, proximity=LAMBDA):
    return MoreauLearner(LOSS, proximity, 0.3 / (1 + proximity), inner_steps, ETA, 1, 12)


def envelope(theta, batch):
    """F(w) = min over v of f(v) + λ/2·‖v − w‖²."""
    personal = learner().personalise(theta, batch, 400)[-1]
    return float(LOSS.value(personal, batch) + LAMBDA / 2 * (personal - theta).square().sum())


def test_the_personal_model_is_where_the_proximal_objective_is_flat():
    batch = data(1)
    personal = learner().personalise(THETA, batch, 400)[-1]
    slope = LOSS.gradient(personal, batch)[1] + LAMBDA * (personal - THETA)
    assert float(slope.abs().max()) < 1e-10


@pytest.mark.parametrize("seed", range(3))
def test_a_step_descends_along_the_gradient_of_the_moreau_envelope(seed):
    """Δ = η∇F, against central differences along random directions."""
    batch, rng = data(seed), np.random.default_rng(seed)
    delta, _ = learner().local_update(THETA, [batch])
    for _ in range(4):
        direction, h = torch.from_numpy(rng.standard_normal(len(THETA))), 1e-4
        slope = (envelope(THETA + h * direction, batch) - envelope(THETA - h * direction, batch)) / (2 * h)
        assert float(delta @ direction) / ETA == pytest.approx(slope, abs=1e-7)


def test_a_strong_pull_makes_it_federated_averaging():
    """λ -> ∞: v = w − ∇f(w)/λ, so λ(w − v) = ∇f(w); the first correction is H∇f/λ."""
    batch = data(3)
    gradient = LOSS.gradient(THETA, batch)[1]
    errors = [
        float((learner(proximity=pull).local_update(THETA, [batch])[0] / ETA - gradient).norm()) for pull in (1e2, 1e4)
    ]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)


def test_steps_follow_each_other():
    batches = [data(1), data(2)]
    once, _ = learner().local_update(THETA, batches[:1])
    again, _ = learner().local_update(THETA - once, batches[1:])
    both, loss = learner().local_update(THETA, batches)
    assert torch.allclose(both, once + again, atol=1e-14)
    assert loss == float(LOSS.gradient(THETA, batches[0])[0])
