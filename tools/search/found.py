"""What became of the trials of a search, and which of them are best.

A search without a budget has no best trial, but a front: each setting that no other one beats in accuracy without
spending more channel uses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState


@dataclass(frozen=True)
class Found:
    """What became of a trial.

    Args:
        number: of the trial.
        overrides: `key=value` that it tried.
        rounds: of its runs.
        uses: channel uses of a run.
        accuracies: on new agents, of the seeds that were run.
        is_whole: whether that is all of them.
        reason: why it is not.
    """

    number: int
    overrides: tuple[str, ...]
    rounds: int
    uses: int
    accuracies: tuple[float, ...]
    is_whole: bool
    reason: str

    @property
    def accuracy(self) -> float:
        """Mean over the seeds; NaN without any."""
        return float(np.mean(self.accuracies)) if self.accuracies else float("nan")


def found(trial: FrozenTrial) -> Found:
    """Return what became of a trial that is over."""
    about: dict[str, Any] = trial.user_attrs
    return Found(
        trial.number,
        tuple(about.get("overrides", ())),
        about.get("rounds", 0),
        about.get("uses", 0),
        tuple(about.get("accuracies", ())),
        trial.state == TrialState.COMPLETE,
        about.get("reason", ""),
    )


def front(trials: Sequence[Found]) -> list[Found]:
    """Return the whole trials that no other one beats in accuracy without spending more, by channel uses."""
    kept: list[Found] = []
    for one in sorted((trial for trial in trials if trial.is_whole), key=lambda trial: (trial.uses, -trial.accuracy)):
        if not kept or one.accuracy > kept[-1].accuracy:
            kept.append(one)
    return kept


def best(trials: Sequence[Found], uses: float = inf) -> Found | None:
    """Return the whole trial of the highest accuracy among those that spend no more; None: there is none."""
    within = [trial for trial in trials if trial.is_whole and trial.uses <= uses]
    return max(within, key=lambda trial: trial.accuracy, default=None)
