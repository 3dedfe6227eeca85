"""The rounds after which an accuracy is first at a target."""

from collections.abc import Sequence

import numpy as np

from fl.learning_config import Evaluation


def rounds_to(accuracy: np.ndarray, rounds: np.ndarray, target: np.ndarray | float) -> np.ndarray:
    """Return the rounds until each seed is first at its target, linear between evaluations, shape (seeds,).

    A seed that is never there counts with all its rounds: a lower limit.

    Args:
        accuracy: shape (seeds, evaluations); before the first evaluation it is taken for a line from 0.
        rounds: done at each evaluation, shape (evaluations,).
        target: above 0; of all seeds, or of each, shape (seeds,).

    Raises:
        ValueError: a target is not above 0, where accuracy is taken to begin.
    """
    targets = np.broadcast_to(np.asarray(target, float), (len(accuracy),))
    if not (targets > 0).all():
        raise ValueError(f"target must be above 0, got {targets.min()}")
    where = np.concatenate([[0.0], rounds])
    padded = np.hstack([np.zeros((len(accuracy), 1)), accuracy])
    above = padded >= targets[:, None]
    first, rows = above.argmax(1), np.arange(len(accuracy))
    last = np.maximum(first, 1)  # of those who are never there, any
    low, high = padded[rows, last - 1], padded[rows, last]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = where[last - 1] + (targets - low) / (high - low) * (where[last] - where[last - 1])
    return np.where(above.any(1), crossed, where[-1])


def early_read(found: Sequence[np.ndarray], evaluation: Evaluation) -> str:
    """Say when evaluations are, and how many runs are at their target by the first: where before it, is not measured.

    Args:
        found: rounds to a target of several settings, shape (seeds,) each.
        evaluation: of the runs.
    """
    runs, dense = np.concatenate(found), evaluation.dense_rounds
    first = 1 if dense else evaluation.every
    often = (
        f"after each of the first {dense} rounds, then every {evaluation.every}" if dense else f"every {first} rounds"
    )
    early = int((runs <= first).sum())
    before = (
        f"{early} of {len(runs)} runs are there by the first, for which a line from accuracy 0 at round 0 says when."
        if early
        else "No run is there by the first."
    )
    return f"Evaluations are {often}, and between two of them accuracy is taken for linear. {before}"
