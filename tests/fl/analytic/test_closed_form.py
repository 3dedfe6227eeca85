"""What federated closed-form training gives, against least squares in one place."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.analytic.groups import centres
from fl.analytic.server import depth_in_hand
from fl.analytic.solve import SingularGramError
from fl.analytic.statistics import Normal, accumulate, length, pack, unpack
from fl.data.samples import LocalSamples
from fl.server import ServerState
from tests.fl.analytic.world import (
    IMAGES,
    LAYERS,
    NETWORK,
    WAYS,
    central,
    dataset,
    federated,
    learner,
    server,
)
from tools.reproduce.p4_central import distance

DATA = dataset()
CENTRAL = central(DATA)


def relative(theta, weights=CENTRAL):
    """The largest error of a layer's weights, over the largest weight."""
    return distance(NETWORK, theta, weights)


@settings(deadline=None, max_examples=25)
@given(
    owners=st.lists(st.integers(0, 5), min_size=IMAGES, max_size=IMAGES),
    batch_size=st.integers(1, IMAGES),
)
def test_weights_are_those_of_central_least_squares_for_any_partition_agents_and_batch_size(owners, batch_size):
    """D1, to 1e-8, however skewed: agents may hold one class, or one image."""
    dealt = [np.flatnonzero(np.array(owners) == agent) for agent in sorted(set(owners))]
    assert relative(federated(DATA, dealt, batch_size)) < 1e-8


def test_other_data_give_other_weights():
    assert relative(federated(DATA, [np.arange(IMAGES - 1)])) > 1e-4
    assert relative(federated(DATA, [np.arange(IMAGES)]), central(DATA, seed=2)) > 1e-2


def test_a_batch_size_adapted_to_the_machine_gives_the_same_weights():
    dealt = [np.arange(40), np.arange(40, IMAGES)]
    assert relative(federated(DATA, dealt, 3, adaptive=True)) < 1e-8


def test_a_layer_behind_layers_not_solved_yet_is_not_trained():
    """The first of L rounds leaves the layers behind it at zero, and each round solves one more."""
    for rounds in range(LAYERS + 1):
        theta = federated(DATA, [np.arange(IMAGES)], rounds=rounds)
        solved = [bool(weight.any()) for weight in NETWORK.weights(theta)]
        assert solved == [True] * rounds + [False] * (LAYERS - rounds)
        assert depth_in_hand(NETWORK, theta[None]) == min(rounds, LAYERS - 1)


def test_a_round_in_which_nothing_was_received_changes_nothing():
    state = ServerState.start(torch.zeros(NETWORK.dimension, dtype=torch.float64))
    assert server().step(state, None, 0) is state


def test_the_head_received_again_is_solved_from_the_mean_and_its_error():
    """Opposite errors on two receptions cancel; v of the mean of n is v/n."""
    everything, step = [np.arange(IMAGES)], server(noise_ridge=0.0)
    theta = federated(DATA, everything, rounds=LAYERS - 1)
    (message,) = learner().local_updates(theta, [drawn()], 1)[0]
    error = 1e-3 * torch.from_numpy(np.random.default_rng(0).standard_normal(len(message)))
    state = ServerState(theta, message, message, LAYERS - 1)
    once = step.step(state, message + error, LAYERS - 1)
    twice = step.step(once, message - error, LAYERS)
    assert relative(once.theta) > 1e-4
    assert relative(twice.theta) < 1e-8
    noisy = server().step(server().step(state, message, 2, 4e-9), message, 3, 4e-9)
    assert torch.allclose(noisy.theta, server().step(state, message, 2, 2e-9).theta, rtol=0, atol=1e-10)


def drawn(samples=None):
    samples = np.arange(IMAGES) if samples is None else samples
    return learner().draw(LocalSamples(DATA, samples, "cpu"), 0, np.random.default_rng(0))


def test_each_group_learns_what_its_members_alone_would():
    """Members of two groups, by their labels: θ holds a network of each, to 1e-8."""
    first, rest = np.arange(20), np.arange(20, IMAGES)
    counts = np.stack([np.bincount(DATA.labels[part], minlength=WAYS) for part in (first, rest[::2], rest[1::2])])
    found = centres(counts, 2)
    theta = federated(DATA, [first, rest[::2], rest[1::2]], centres=found).view(2, -1)
    group = learner(centres=found).group
    assert group(DATA.labels[rest[::2]]) == group(DATA.labels[rest[1::2]]) != group(DATA.labels[first])
    assert relative(theta[group(DATA.labels[first])], central(DATA, first)) < 1e-8
    assert relative(theta[group(DATA.labels[rest])], central(DATA, rest)) < 1e-8


def test_a_group_of_whom_nobody_was_heard_learns_what_all_others_do():
    first, rest = np.arange(20), np.arange(20, IMAGES)
    found = centres(np.stack([np.bincount(DATA.labels[part], minlength=WAYS) for part in (first, rest)]), 2)
    theta = federated(DATA, [rest], centres=found).view(2, -1)
    assert relative(theta[0], central(DATA, rest)) < 1e-8
    assert relative(theta[1], central(DATA, rest)) < 1e-8


def test_a_message_has_the_inner_product_of_matrices():
    """⟨message, message'⟩ = tr(GG') + c²·tr(BᵀB'): noise on it is isotropic on symmetric matrices."""
    theta = federated(DATA, [np.arange(IMAGES)], rounds=1)
    normals = [accumulate(NETWORK, theta, 1, drawn(part), WAYS) for part in (np.arange(30), np.arange(30, IMAGES))]
    size = length(NETWORK.layers, WAYS)
    first, second = (pack(normal, size) for normal in normals)
    one, other = normals
    scale = float(pack(Normal(0 * one.gram, one.cross), size).norm() / one.cross.norm())
    expected = (one.gram * other.gram).sum() + scale**2 * (one.cross * other.cross).sum()
    assert float(first @ second) == pytest.approx(float(expected), rel=1e-12)
    back = unpack(first, *one.cross.shape)
    assert torch.allclose(back.gram, one.gram, atol=1e-15)
    assert torch.allclose(back.cross, one.cross, atol=1e-15)


def test_a_singular_gram_matrix_is_named_with_its_rank_and_the_remedy():
    """Twenty images cannot determine the head; without a ridge there is no solution."""
    theta = federated(DATA, [np.arange(IMAGES)], rounds=LAYERS - 1)
    (message,) = learner().local_updates(theta, [drawn(np.arange(10))], 1)[0]
    state = ServerState(theta, message, message, LAYERS - 1)
    assert server(ridge=1e-6).step(state, message, 2).theta.isfinite().all()
    with pytest.raises(SingularGramError, match=r"algorithm\.ridge: .* 37 features has rank \d+ .*set algorithm"):
        server(ridge=0.0).step(state, message, 2)
