"""What the runs of a sweep found, by setting and seed, read from their folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fl import checkpoint
from fl.history import read
from fl.run_folder import RunFolder
from tools.sweep.plan import Job

Record = dict[str, Any]


def run_folder(folder: Path, job: Job) -> RunFolder:
    """Return where a run of a sweep lives."""
    return RunFolder(folder / "runs" / job.key)


def is_finished(folder: Path, job: Job) -> bool:
    """Return whether all rounds of a run are there, the last one evaluated, and the model is saved.

    Raises:
        HistoryError: its history is damaged.
    """
    files = run_folder(folder, job)
    saved = checkpoint.header(files.path)
    return (
        saved.get("rounds") == job.config.rounds
        and str(saved.get("config_hash")).startswith(job.key)
        and files.history.exists()
        and is_whole(read(files.history), job)
    )


def is_whole(records: Sequence[Record], job: Job) -> bool:
    """Return whether these are all records of a run."""
    return len(records) == job.config.rounds and "new_agent_accuracy" in records[-1]


def seconds(timing: Path) -> float:
    """Return the wall clock of all rounds of a run, as its file of times says it; 0 without one.

    Raises:
        HistoryError: the file is damaged.
    """
    lines = read(timing) if timing.exists() else []
    return float(sum(value for line in lines for key, value in line.items() if key not in ("schema", "round")))


@dataclass(frozen=True)
class Results:
    """Histories of all runs of a sweep; every setting has the same seeds, in the same order, so they can be paired.

    Args:
        folder: of the sweep.
        jobs: what was planned.
    """

    folder: Path
    jobs: Sequence[Job]

    @property
    def points(self) -> list[str]:
        """Names of the settings, in their order."""
        return list(dict.fromkeys(job.point for job in self.jobs))

    def of(self, point: str) -> list[Job]:
        """Return the runs of a setting, one for each seed.

        Raises:
            KeyError: there is no such setting.
        """
        found = [job for job in self.jobs if job.point == point]
        if not found:
            raise KeyError(f"{point}: no setting of this sweep; it has {', '.join(map(repr, self.points))}")
        return found

    def histories(self, point: str) -> list[list[Record]]:
        """Return the records of each round, for each seed.

        Raises:
            HistoryError: a run is not there, or damaged.
        """
        return [read(run_folder(self.folder, job).history) for job in self.of(point)]

    def last(self, point: str, key: str) -> np.ndarray:
        """Return a number of the last evaluation, shape (seeds,)."""
        return np.array([records[-1][key] for records in self.histories(point)], float)

    def by_step(self, point: str, key: str = "accuracy_by_step") -> np.ndarray:
        """Return what the last evaluation found after each fine-tuning step, shape (seeds, steps + 1)."""
        return np.array([records[-1][key] for records in self.histories(point)], float)

    def curve(self, point: str, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Return rounds done at each evaluation, shape (evaluations,), and a number there, (seeds, evaluations)."""
        rows = [[record for record in records if "new_agent_accuracy" in record] for records in self.histories(point)]
        return (
            np.array([record["round"] + 1 for record in rows[0]]),
            np.array([[record[key] for record in row] for row in rows], float),
        )

    def every_round(self, point: str, key: str) -> np.ndarray:
        """Return a number of every round, NaN where there is none, shape (seeds, rounds)."""
        rows = [[record.get(key) for record in records] for records in self.histories(point)]
        return np.array(rows, float)

    def tail(self, point: str, key: str, share: float = 0.1) -> np.ndarray:
        """Return the mean of a number over the last `share` of the rounds, shape (seeds,)."""
        values = self.every_round(point, key)
        return np.nanmean(values[:, -max(1, round(share * values.shape[1])) :], axis=1)
