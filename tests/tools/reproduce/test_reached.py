"""Rounds to a target: linear between evaluations, first crossing, all of them where it is not reached."""

import numpy as np
import pytest

from fl.learning_config import Evaluation
from tools.reproduce.reached import coarse, evaluated_read, rounds_to

ROUNDS = np.array([10, 20, 30, 40])


def test_rounds_to_a_target_are_linear_between_evaluations():
    accuracy = np.array([[0.5, 0.7, 0.6, 0.9], [0.2, 0.3, 0.4, 0.8]])
    assert rounds_to(accuracy, ROUNDS, 0.6) == pytest.approx([15, 35])
    assert rounds_to(accuracy, ROUNDS, 0.25) == pytest.approx([5, 15])


def test_each_seed_may_have_a_target_of_its_own_and_one_that_is_never_there_counts_with_all_rounds():
    curve = np.array([[0.4, 0.8], [0.1, 0.2], [0.9, 0.9]])
    assert rounds_to(curve, np.array([2, 4]), np.full(3, 0.6)) == pytest.approx([3, 4, 2 * 0.6 / 0.9])
    assert rounds_to(curve, np.array([2, 4]), np.array([0.4, 0.15, 0.45])) == pytest.approx([2, 3, 1])


def test_a_line_through_the_evaluations_is_crossed_where_it_is_at_the_target():
    """Whatever the curve: at the rounds found the line is at the target, and nowhere before."""
    rng = np.random.default_rng(0)
    curves = rng.uniform(0.1, 1.0, (200, 4))
    targets = 0.95 * curves.max(1)
    for values, target, found in zip(curves, targets, rounds_to(curves, ROUNDS, targets), strict=True):
        where, padded = [0, *ROUNDS], [0.0, *values]
        assert np.interp(found, where, padded) == pytest.approx(target)
        earlier = np.linspace(0, found, 50)[:-1]
        assert (np.interp(earlier, where, padded) < target).all()


def test_a_target_that_is_there_from_the_start_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        rounds_to(np.array([[0.5]]), np.array([1]), 0.0)


@pytest.mark.parametrize(
    ("dense", "often", "counts"),
    [
        (0, "Evaluations are every 10 rounds, and between two", "1 of 2 own, 1 of 4 others"),
        (6, "after each of the first 6, then every 10 rounds", "No target is reached by the first"),
    ],
)
def test_targets_that_are_reached_by_the_first_evaluation_are_counted_by_what_reaches_them(dense, often, counts):
    said = evaluated_read(
        {"own": [np.array([5.0, 15.0])], "others": [np.array([10.0, 20.0]), np.array([11, 12])]}, 10, dense
    )
    assert often in said
    assert counts in said


def test_coarse_evaluations_are_those_that_there_would_be_without_dense_rounds():
    usual, dense = Evaluation(every=3), Evaluation(every=3, dense_rounds=5)
    for rounds in (7, 9):
        found = np.array([done for done in range(1, rounds + 1) if dense.due(done, rounds)])
        wanted = [done for done in range(1, rounds + 1) if usual.due(done, rounds)]
        assert found[coarse(found, 3)].tolist() == wanted
