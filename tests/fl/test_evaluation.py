import numpy as np
import pytest
import torch

from fl.algorithms.meta import MetaLearner
from fl.evaluation import fine_tune, interval, paired_difference
from fl.gradients import Loss
from fl.models import Mlp


def task(seed):
    """Images whose class is which third is bright: easy to learn from a few."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), 4)
    images = rng.random((12, 1, 28, 28), np.float32) * 0.1
    for row, label in enumerate(labels):
        images[row, 0, 9 * label : 9 * label + 9] += 1
    return torch.from_numpy(images), torch.from_numpy(labels)


MODEL = Mlp(3)
LEARNER = MetaLearner(Loss(MODEL), 0.1, 0.1, "first")
THETA = MODEL.init(np.random.default_rng(0))


def test_fine_tuning_learns_an_easy_task():
    scores = fine_tune(LEARNER, THETA, [(task(seed), task(seed + 50)) for seed in range(4)], 20, 2)
    assert scores.accuracy.shape == scores.loss.shape == (4, 21)
    assert scores.accuracy[:, -1].mean() > 0.95
    assert (scores.loss[:, -1] < scores.loss[:, 0]).all()


def test_accuracy_counts_the_predictions_that_are_right():
    query = task(60)
    scores = fine_tune(LEARNER, THETA, [(task(0), query)], 3, 1)
    assert scores.accuracy[0, -1] == pytest.approx((scores.predictions[0] == query[1].numpy()).mean())


def test_tasks_scored_together_or_apart_are_the_same():
    tasks = [(task(seed), task(seed + 50)) for seed in range(4)]
    whole = fine_tune(LEARNER, THETA, tasks, 2, 1)
    parts = fine_tune(LEARNER, THETA, tasks[:1], 2, 1) + fine_tune(LEARNER, THETA, tasks[1:], 2, 1)
    assert np.array_equal(whole.accuracy, parts.accuracy)
    assert np.array_equal(whole.loss, parts.loss)


def test_the_interval_covers_the_mean_95_times_in_100():
    """2,000 intervals: five standard errors of a proportion .95 are .024."""
    rng = np.random.default_rng(0)
    intervals = [interval(rng.standard_normal(8)) for _ in range(2000)]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert abs(covered - 0.95) < 0.024


def test_pairing_removes_what_both_share():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal(50) * 10
    mean, low, high = paired_difference(shared + 1 + 0.1 * rng.standard_normal(50), shared)
    assert low < 1 < high
    assert high - low < 0.2
    assert low < mean < high


def test_what_cannot_be_paired_or_spread_is_refused():
    with pytest.raises(ValueError, match="same tasks"):
        paired_difference(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="at least 2"):
        interval(np.ones(1))
