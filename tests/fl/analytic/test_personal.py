"""An agent's own head, its group, and its pace."""

import numpy as np
import pytest
import torch

from fl.analytic.groups import centres, group_of
from fl.analytic.pace import paced
from fl.analytic.personal import GRID, personal_head
from fl.data.samples import LocalSamples
from tests.fl.analytic.world import IMAGES, NETWORK, WAYS, dataset, federated, learner

RNG = np.random.default_rng(0)
FEATURES = torch.from_numpy(np.hstack([RNG.standard_normal((12, 6)), np.ones((12, 1))]))
SHARED = torch.from_numpy(RNG.standard_normal((7, 3)))
OWN = SHARED + 0.5 * torch.from_numpy(RNG.standard_normal((7, 3)))


def direct(features, targets, shared, proximity):
    """(XᵀX + λI)⁻¹(XᵀY + λW_g)"""
    eye = torch.eye(features.shape[1], dtype=torch.float64)
    return torch.linalg.solve(features.T @ features + proximity * eye, features.T @ targets + proximity * shared)


def brute_force(features, targets, shared):
    """Return the head of the λ with the least error on samples held out one at a time, each solved anew."""
    scale = features.square().sum(1).mean()
    errors = [float((targets - features @ shared).square().sum())]
    for relative in GRID:
        error = 0.0
        for out in range(len(features)):
            rest = [row for row in range(len(features)) if row != out]
            head = direct(features[rest], targets[rest], shared, relative * scale)
            error += float((targets[out] - features[out] @ head).square().sum())
        errors.append(error)
    best = int(np.argmin(errors))
    return shared if best == 0 else direct(features, targets, shared, GRID[best - 1] * scale)


@pytest.mark.parametrize("noise", [0.01, 0.5, 3.0])
def test_the_own_head_minimises_the_objective_at_the_lambda_of_held_out_samples(noise):
    targets = FEATURES @ OWN + noise * torch.from_numpy(np.random.default_rng(1).standard_normal((12, 3)))
    found = personal_head(FEATURES, targets, SHARED)
    assert torch.allclose(found, brute_force(FEATURES, targets, SHARED), atol=1e-8)


def test_an_agent_without_evidence_keeps_the_head_of_its_group():
    noise = torch.from_numpy(np.random.default_rng(2).standard_normal((12, 3)))
    assert torch.equal(personal_head(FEATURES, FEATURES @ SHARED, SHARED), SHARED)
    assert torch.equal(personal_head(FEATURES[:1], FEATURES[:1] @ SHARED + noise[:1], SHARED), SHARED)


def test_the_own_network_has_the_group_s_blocks_and_is_reached_in_one_step():
    data = dataset()
    theta = federated(data, [np.arange(IMAGES)])
    support = LocalSamples(data, np.arange(0, IMAGES, 3), "cpu")
    ((images, labels),) = support.epochs(1, 20, np.random.default_rng(0))
    path = learner().personalise(theta, (images, (labels + 1) % WAYS), 3)  # labels that mean something else here
    assert len(path) == 4
    assert torch.equal(path[0], theta)
    assert torch.equal(path[1], path[3])
    before, after = NETWORK.weights(path[0]), NETWORK.weights(path[1])
    assert [torch.equal(one, two) for one, two in zip(before, after, strict=True)] == [True, True, False]


def test_agents_with_like_labels_are_in_one_group_whatever_their_size():
    counts = np.array([[50, 50, 0, 0], [3, 2, 0, 0], [0, 0, 9, 10], [0, 1, 70, 80], [45, 60, 1, 0]])
    found = centres(counts, 2)
    groups = [group_of(row, found) for row in counts]
    assert groups[0] == groups[1] == groups[4] != groups[2] == groups[3]
    with pytest.raises(ValueError, match="3 groups need as many label histograms, got 2"):
        centres(np.array([[1, 1], [2, 2], [0, 1]]), 3)


@pytest.mark.parametrize("best", [1, 8, 1000])
def test_a_batch_grows_to_the_size_that_is_fastest_and_no_image_is_left_out_or_moved(best):
    """A machine that does most images a second in batches of `best`, and fewer of any other size."""
    data = dataset()
    batches = LocalSamples(data, np.arange(IMAGES), "cpu").epochs(1, 1, np.random.default_rng(0))
    now, sizes, labels = [0.0], [], []
    for _, part in paced(batches, lambda: now[0]):
        sizes.append(len(part))
        labels.append(part)
        now[0] += len(part) * (best / len(part) if len(part) <= best else len(part) / best)
    assert torch.cat(labels).tolist() == np.concatenate(batches.labels).tolist()
    if best < IMAGES:
        assert max(sizes) <= 2 * best
        assert sizes.count(best) > 1
    else:
        assert sizes[:5] == [1, 2, 4, 8, 16]
