"""The bound on the gap of generalisation, and how many tasks of training count as independent."""

import numpy as np
import pytest

from fl.theory.generalisation import (
    bounded_sigma,
    disjoint_groups,
    generalisation_bound,
    independent_tasks,
    is_vacuous,
)
from fl.theory.information import round_information


def alike(uses, snr_db, rounds):
    """Nats of rounds that are all alike."""
    return round_information(np.full(rounds, uses), np.full(rounds, snr_db)).sum()


def test_at_the_sizes_of_an_experiment_the_bound_is_vacuous_by_two_orders_of_magnitude():
    """PAPERS: M = 11,342, T = 500, 964 tasks give over 200 σ_ℓ; here at a receive SNR of 19 dB."""
    bound = generalisation_bound(alike(11_342, 19.0, 500), 964)
    assert 200 < bound < 250
    assert is_vacuous(bound, 1.0)


def test_noise_and_fewer_channel_uses_shrink_the_bound():
    bounds = [
        float(generalisation_bound(alike(uses, snr_db, 100), 50))
        for uses, snr_db in [(50, 0.0), (100, 0.0), (100, 10.0), (100, 30.0)]
    ]
    assert bounds == sorted(bounds)
    assert bounds[1] / bounds[0] == pytest.approx(np.sqrt(2))
    assert generalisation_bound(alike(100, -200.0, 100), 50) < 1e-7


def test_the_bound_is_met_where_all_that_is_known_is_a_single_datum():
    """n = 1, W = Z fair ±1 known exactly (log 2 nats), ℓ = −wz: on its own datum −1, on a new one 0 in the mean."""
    gap, sigma = 1.0, bounded_sigma(2.0)
    assert gap <= generalisation_bound(np.log(2), 1, sigma) < 1.2 * gap


def held(*sizes, apart=True):
    """Classes of agents of these numbers, none in common or as many as there can be."""
    firsts = np.cumsum([0, *sizes[:-1]]) if apart else np.zeros(len(sizes), int)
    return [np.arange(first, first + size) for first, size in zip(firsts, sizes, strict=True)]


def test_an_episode_takes_all_of_its_classes():
    assert independent_tasks(held(48, 48, 4), ways=5) == 18
    assert independent_tasks(held(4, 3), ways=5) == 0


def test_agents_of_the_same_classes_count_as_one():
    assert independent_tasks(held(15, 15, 15, apart=False), ways=5) == 3
    assert independent_tasks(held(15, 15, 15), ways=5) == 9


def test_two_agents_who_share_one_class_are_not_independent():
    """Four agents of five classes; a chain of shared ones needs two groups, three in common three."""
    five = [np.arange(5) + start for start in (0, 4, 20, 30)]
    assert disjoint_groups(five) == 2
    assert independent_tasks(five, ways=5) == 2
    chain = [np.arange(5) + 4 * index for index in range(4)]
    assert independent_tasks(chain, ways=5) == 2
    assert disjoint_groups([np.array([0, 1 + index]) for index in range(3)]) == 3


@pytest.mark.parametrize("classes", [6, 12, 40, 400])
def test_a_mean_over_agents_scatters_no_more_than_one_of_as_many_independent_episodes(classes):
    """Classes are worth normal numbers, an episode their mean: Var(mean over agents) is exact, with σ² = 1/ways.

    It is at most σ²/n whatever agents share: 40 partitions of six agents with 2 to 3 episodes of two.
    """
    ways = 2
    for seed in range(40):
        rng = np.random.default_rng(seed)
        agents = [rng.choice(classes, rng.integers(4, 7), replace=False) for _ in range(6)]
        weights = np.zeros(classes)
        for one in agents:
            weights[one] += 1 / len(one) / len(agents)
        assert (weights**2).sum() <= 1 / ways / independent_tasks(agents, ways) + 1e-12


def test_the_loss_that_is_cut_has_the_spread_of_a_coin():
    rng = np.random.default_rng(0)
    losses = rng.integers(0, 2, 1000) * 3.0
    for tilt in (-2.0, -0.5, 0.5, 2.0):
        growth = np.log(np.mean(np.exp(tilt * (losses - losses.mean()))))
        assert growth <= tilt**2 * bounded_sigma(3.0) ** 2 / 2


@pytest.mark.parametrize(
    "call",
    [
        lambda: generalisation_bound(1.0, 0),
        lambda: generalisation_bound(1.0, 5, 0.0),
        lambda: generalisation_bound(-1.0, 5),
        lambda: generalisation_bound(float("nan"), 5),
    ],
)
def test_what_cannot_be_is_refused(call):
    with pytest.raises(ValueError, match="must"):
        call()
