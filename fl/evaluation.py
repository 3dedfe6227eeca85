"""Fine-tuning on a fixed set of tasks: accuracy and loss after 0..s steps, with intervals.

Tasks come from `evaluation.seed` alone, so runs that are compared see the same ones, and differences between runs are
paired. Predictions are transductive: batch norm uses the statistics of the query images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats

from fl.algorithms.base import Algorithm
from fl.gradients import Set, side_by_side


@dataclass(frozen=True)
class TaskScores:
    """Scores of tasks after each number of fine-tuning steps.

    Args:
        accuracy: fraction right, shape (tasks, steps + 1).
        loss: mean cross-entropy of the query images, shape (tasks, steps + 1).
        predictions: predicted labels of each task's query images after the last step, (queries,), or (queries, length)
            of text.
    """

    accuracy: np.ndarray
    loss: np.ndarray
    predictions: tuple[np.ndarray, ...]

    def __add__(self, other: "TaskScores") -> "TaskScores":
        """Return the scores of both sets of tasks."""
        return TaskScores(
            np.concatenate([self.accuracy, other.accuracy]),
            np.concatenate([self.loss, other.loss]),
            self.predictions + other.predictions,
        )


def fine_tune(
    learner: Algorithm, theta: torch.Tensor, tasks: Sequence[tuple[Set, Set]], steps: int, threads: int
) -> TaskScores:
    """Return the scores of tasks, each a (support, query) pair, fine-tuned from theta.

    Args:
        learner: by which an agent makes a model its own.
        theta: the learned model, shape (d,).
        tasks: support and query set of each.
        steps: fine-tuning steps.
        threads: cores.
    """

    def score(task: tuple[Set, Set]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        support, query = task
        accuracy, losses = np.empty(steps + 1), np.empty(steps + 1)
        predicted = query[1]
        for step, point in enumerate(learner.personalise(theta, support, steps)):
            logits = _predict(learner, point, query[0])
            predicted = logits.argmax(1)
            accuracy[step] = float((predicted == query[1]).float().mean())
            losses[step] = float(F.cross_entropy(logits, query[1]))
        return accuracy, losses, predicted.cpu().numpy()

    accuracy, losses, predictions = zip(*side_by_side(score, tasks, threads), strict=True)
    return TaskScores(np.stack(accuracy), np.stack(losses), predictions)


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the Student-t interval of the mean of independent values, shape (n,).

    Raises:
        ValueError: there are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 values, got {len(values)}")
    mean, reach = float(np.mean(values)), float(half_width(values, level))
    return mean - reach, mean + reach


def half_width(values: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Return how far the Student-t interval of the mean over the first axis reaches to each side, shape (…).

        t(0.5 + level/2, n−1)·s/√n

    Args:
        values: independent ones, shape (n, …), n > 1.
        level: of confidence.
    """
    return np.asarray(stats.t.ppf(0.5 + level / 2, len(values) - 1) * stats.sem(values))


def paired_difference(first: np.ndarray, second: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of first − second over the same tasks or seeds, and its interval.

    Raises:
        ValueError: the two have different lengths, or fewer than two values.
    """
    if len(first) != len(second):
        raise ValueError(f"a paired difference needs values of the same tasks, got {len(first)} and {len(second)}")
    difference = np.asarray(first) - np.asarray(second)
    return (float(difference.mean()), *interval(difference, level))


def _predict(learner: Algorithm, theta: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    loss = learner.loss
    inside = theta if loss.precision is None else theta.to(loss.precision)
    with torch.no_grad():
        return loss.model.logits(inside, images.to(inside.dtype), torch.channels_last).to(theta.dtype)
