"""The rounds after which an accuracy is first at a target."""

from collections.abc import Mapping, Sequence

import numpy as np


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


def coarse(rounds: np.ndarray, every: int) -> np.ndarray:
    """Return which evaluations are left where there is one every so many rounds alone, shape (evaluations,)."""
    return (rounds % every == 0) | (rounds == rounds[-1])


def evaluated_read(found: Mapping[str, Sequence[np.ndarray]], every: int, dense_rounds: int) -> str:
    """Say when evaluations are, and how many times are reached by the first: where before it, is not measured.

    Args:
        found: what is reached, and its rounds to a target in several settings, shape (seeds,) each.
        every: rounds between two evaluations.
        dense_rounds: rounds at the beginning, after each of which there is one as well.
    """
    first = 1 if dense_rounds else every
    often = f"after each of the first {dense_rounds}, then every {every}" if dense_rounds else f"every {every}"
    early = {name: (np.concatenate(several) <= first) for name, several in found.items()}
    counts = ", ".join(f"{int(reached.sum())} of {len(reached)} {name}" for name, reached in early.items())
    before = (
        f"Targets reached by the first evaluation, for which a line from accuracy 0 at round 0 says when: {counts}."
        if any(reached.any() for reached in early.values())
        else "No target is reached by the first."
    )
    return f"Evaluations are {often} rounds, and between two of them accuracy is taken for linear. {before}"
