"""The finished runs of each setting of a sweep, as curves over their seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fl.config import leaves
from fl.evaluation import half_width
from fl.history import HistoryError, read
from tools.sweep.folder import SweepFolder
from tools.sweep.plan import Job
from tools.sweep.results import is_whole

Record = dict[str, Any]


@dataclass(frozen=True)
class Group:
    """One setting.

    Args:
        name: of it.
        settings: its keys.
        runs: histories of its finished runs, one for each seed.
    """

    name: str
    settings: dict[str, Any]
    runs: Sequence[Sequence[Record]]

    def evaluated(self, key: str) -> np.ndarray:
        """Return a number of each evaluation, NaN where there is none, shape (seeds, evaluations)."""
        return np.array([[_number(record.get(key)) for record in run if is_evaluated(record)] for run in self.runs])

    def every_round(self, key: str) -> np.ndarray:
        """Return a number of each round, NaN where there is none, shape (seeds, rounds)."""
        return np.array([[_number(record.get(key)) for record in run] for run in self.runs])

    @property
    def evaluations(self) -> np.ndarray:
        """Rounds done at each evaluation, shape (evaluations,)."""
        return np.array([record["round"] + 1 for record in self.runs[0] if is_evaluated(record)])

    @property
    def channel_uses(self) -> np.ndarray:
        """Channel uses of the payload up to each evaluation, mean over the seeds; NaN: there is no channel."""
        used = self.every_round("channel_uses")
        total = np.where(np.isfinite(used).any(1, keepdims=True), np.nancumsum(used, axis=1), np.nan)
        return np.asarray(total.mean(0)[self.evaluations - 1])


def is_evaluated(record: Record) -> bool:
    """Return whether a round was evaluated."""
    return "new_agent_accuracy" in record


def groups(jobs: Sequence[Job], folder: SweepFolder) -> list[Group]:
    """Return the settings that have finished runs, in their order; one whose history is damaged is none."""
    found: dict[str, Group] = {}
    for job in jobs:
        path = folder.run(job.key).history
        try:
            records = read(path) if path.exists() else []
        except HistoryError:
            continue
        if is_whole(records, job):
            before = found.get(job.point)
            settings = before.settings if before else leaves(job.config.model_dump(mode="json"))
            found[job.point] = Group(job.point, settings, [*(before.runs if before else []), records])
    return list(found.values())


def band(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and the ends of its 95 % Student-t interval over seeds; without two seeds these are NaN.

    Args:
        values: shape (seeds, …).
    """
    mean = values.mean(0)
    reach = half_width(values) if len(values) > 1 else np.full_like(mean, np.nan)
    return mean, mean - reach, mean + reach


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
