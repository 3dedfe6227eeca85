"""FedAvg, Reptile and Personalized FedAvg: what P3 says of them, on a smooth model in double precision."""

import numpy as np
import pytest
import torch

from fl.algorithms.fedavg import LocalSgd, in_batches
from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss
from fl.models import Cnn
from fl.residuals import ResidualStore
from fl.round import run_round, training_steps
from fl.server import ServerState
from fl.setup import assemble
from tools.reproduce.logistic import Logistic, data

BETA = 0.3
LOSS = Loss(Logistic())
THETA = Logistic().init(np.random.default_rng(0))
ideal = ("uplink", "kind", "ideal")


def sgd(steps=1, **keys):
    return LocalSgd(LOSS, BETA, 4, steps, **keys)


def first_order(batches, j):
    """g_FOMAML(j): the gradient on D_{j+1} after j steps on D_1..D_j; j = 0 is the gradient of federated SGD."""
    learner = MetaLearner(LOSS, BETA, 1.0, "first")
    return learner.meta_gradient(THETA, OuterStep(batches[:j], batches[j], batches[:j]))[1]


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_p3_fedavg_is_federated_sgd_plus_first_order_meta_learning(steps):
    """g_FedAvg = g_FedSGD + Σ_{j=1..K−1} g_FOMAML(j): exact; P3 asks for 1e-6."""
    batches = [data(seed) for seed in range(steps)]
    fedavg = sgd().local_update(THETA, batches)[0] / BETA
    parts = sum(first_order(batches, j) for j in range(steps))
    assert fedavg.norm() > 0.1
    assert (fedavg - parts).abs().max() < 1e-12


def test_p3_the_identity_holds_on_the_mean_of_agents_with_a_network_in_single_precision():
    model = Cnn(4, 3)
    loss, theta = Loss(model), model.init(np.random.default_rng(1))
    agents = [[tuple(part.float() if part.is_floating_point() else part for part in data(10 * i + j)) for j in range(3)]
              for i in range(2)]  # fmt: skip
    updates, _ = LocalSgd(loss, 0.01, 12, 3).local_updates(theta, agents, 2)
    learner = MetaLearner(loss, 0.01, 1.0, "first")
    parts = [
        sum(learner.meta_gradient(theta, OuterStep(sets[:j], sets[j], sets[:j]))[1] for j in range(3))
        for sets in agents
    ]
    mean = updates.mean(0) / 0.01
    assert (mean - torch.stack(parts).mean(0)).norm() / mean.norm() < 1e-4  # of θ − w in float32, over η = .01


def test_p3_fedavg_of_equal_steps_is_reptile(small, cache):
    """One pass over 3 x 20 images in batches of 20 is three steps."""
    fedavg = small(ideal, ("algorithm", "kind", "fedavg"), ("algorithm", "local_epochs", 1), *plain())
    reptile = small(ideal, ("algorithm", "kind", "reptile"), ("algorithm", "local_steps", 3), *plain())
    first, second = (updates(assemble(config, cache)) for config in (fedavg, reptile))
    assert torch.equal(first, second)


def plain():
    """Undo what the small experiment says of meta-learning."""
    return ("algorithm", "order", "exact"), ("algorithm", "inner_lr", 0.4)


def updates(parts, agents=2, index=0):
    return parts.learner.local_updates(parts.first_theta(), training_steps(parts, range(agents), index), 1)[0]


def test_one_agent_that_holds_everything_is_central_training(small, cache, tmp_path):
    """agents.count = 1 over the ideal uplink: T rounds of one step are T steps of SGD on the pooled classes."""
    config = small(ideal, ("algorithm", "kind", "fedavg"), ("agents", "count", 1), *plain())
    parts = assemble(config, cache)
    assert np.array_equal(np.sort(parts.local_data(0).classes), parts.dataset.train_classes)
    state, residuals, theta = ServerState.start(parts.first_theta()), ResidualStore(tmp_path), parts.first_theta()
    for index in range(4):
        state = run_round(parts, state, residuals, index).state
        (batch,) = training_steps(parts, [0], index)[0]
        theta = theta - config.algorithm.local_lr * parts.learner.loss.gradient(theta, batch)[1]
    assert torch.allclose(state.theta, theta, atol=1e-6)


def test_a_pass_sees_every_training_image_once_with_its_label(small, cache):
    three = ("task", "partition", "class_overlap"), ("task", "classes_per_agent", 3)
    parts = assemble(small(("task", "holdout", 3), *three), cache)
    local = parts.local_data(1)
    drawn = local.epochs(2, 20, np.random.default_rng(0))
    owned = np.concatenate([parts.dataset.class_images[index][:-3] for index in local.classes])
    assert max(map(len, drawn.indices)) <= 20
    for half in (drawn.indices[:3], drawn.indices[3:]):
        assert np.array_equal(np.sort(np.concatenate(half)), np.sort(owned))
    class_of = {
        image: label for label, index in enumerate(local.classes) for image in parts.dataset.class_images[index]
    }
    for indices, labels in zip(drawn.indices, drawn.labels, strict=True):
        assert labels.tolist() == [class_of[image] for image in indices]
    for (images, labels), indices in zip(drawn, drawn.indices, strict=True):
        assert images.shape == (len(indices), 1, 28, 28)
        assert labels.shape == (len(indices),)
        assert torch.equal(
            (images[:, 0] * 255).round().to(torch.uint8), torch.from_numpy(parts.dataset.images[indices])
        )


def test_an_agent_of_many_classes_draws_its_task_anew_each_round(small, cache):
    parts = assemble(small(("algorithm", "kind", "fedavg"), *plain()), cache)
    tasks = [drawn(parts, index) for index in range(3)]
    assert not np.array_equal(tasks[0], tasks[1])
    assert np.array_equal(drawn(parts, 2), tasks[2])


def drawn(parts, index):
    return np.concatenate(training_steps(parts, [0], index)[0].indices)


def test_fine_tuning_goes_through_the_support_set_in_batches():
    support = data(5, 12)
    path = sgd().personalise(THETA, support, 6)
    assert len(path) == 7
    first = in_batches(support, 4, 6)
    assert [len(labels) for _, labels in first] == [4] * 6
    assert torch.equal(torch.cat([images for images, _ in first[:3]]).sort(0)[0], support[0].sort(0)[0])
    assert torch.equal(path[1], THETA - BETA * LOSS.gradient(THETA, first[0])[1])


@pytest.fixture
def two_stages(small, cache):
    keys = {"kind": "personalized_fedavg", "reptile_from": 2, "reptile_steps": 7, "local_epochs": 1, "reptile_lr": 0.01}
    overrides = [("algorithm", key, value) for key, value in keys.items()]
    return assemble(small(ideal, ("server", "optimizer", "momentum"), *overrides, *plain()), cache)


def test_p3_first_come_passes_then_steps(two_stages):
    """Three batches of 20 are a pass over 60 images."""
    lengths = [len(training_steps(two_stages, [0], index)[0]) for index in range(4)]
    assert lengths == [3, 3, 7, 7]


def test_p3_adam_begins_the_second_stage_without_the_moments_of_the_first(two_stages, tmp_path):
    """Adam's first step is lr·g/(|g| + ε): every entry with a gradient moves by the rate."""
    state, residuals, states = ServerState.start(two_stages.first_theta()), ResidualStore(tmp_path), []
    for index in range(4):
        states.append(state)
        state = run_round(two_stages, state, residuals, index).state
    assert states[2].steps == 2
    assert states[3].steps == 1
    moved = (states[3].theta - states[2].theta).abs()
    assert float(moved.max()) == pytest.approx(0.01, rel=1e-3)
    assert float((moved > 0.0099).float().mean()) > 0.5


def test_a_stage_begins_although_its_first_round_fails(two_stages):
    momentum = ServerState(THETA, torch.ones_like(THETA), torch.zeros_like(THETA), steps=9)
    rule = two_stages.optimizer
    assert rule.step(momentum, None, 1) is momentum
    begun = rule.step(momentum, None, 2)
    assert (begun.steps, float(begun.first_moment.abs().max())) == (0, 0.0)
    assert torch.equal(begun.theta, THETA)
