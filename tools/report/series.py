"""The figures of a run as arrays, read from its folder."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fl.config import Config
from fl.experiment import RunFolder
from fl.history import read


@dataclass(frozen=True)
class RunSeries:
    """One run, ready to be drawn.

    Args:
        name: of its folder.
        config: its configuration.
        records: its history, one record a round.
        samples: tasks of new agents with predictions, or None before the first evaluation.
    """

    name: str
    config: Config
    records: list[dict[str, Any]]
    samples: dict[str, np.ndarray] | None

    def values(self, key: str) -> np.ndarray:
        """Return a number of each round, NaN where it does not exist, shape (rounds,)."""
        found = [record.get(key) for record in self.records]
        return np.array([np.nan if value is None else float(value) for value in found])

    @property
    def rounds(self) -> np.ndarray:
        """Rounds done after each record: 1, 2, …"""
        return np.array([record["round"] + 1 for record in self.records])

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """Records of the rounds with an evaluation."""
        return [record for record in self.records if "new_agent_accuracy" in record]

    @property
    def is_channel(self) -> bool:
        """Whether its uplink is a channel, with channel uses and noise."""
        return any(record.get("channel_uses") is not None for record in self.records)

    @property
    def exclusions(self) -> Counter[str]:
        """How often agents were left out, by reason without its numbers."""
        reasons = (reason for record in self.records for reason in record["excluded"].values())
        return Counter(reason.split(":")[0] for reason in reasons)

    def cumulative(self, key: str) -> np.ndarray:
        """Return the sum of a count up to each round, shape (rounds,)."""
        return np.nancumsum(self.values(key))


def load_run(folder: Path) -> RunSeries:
    """Return the figures of a run.

    Raises:
        RunError: this is not the folder of a run.
        HistoryError: its history is missing or damaged.
    """
    files = RunFolder(folder)
    config = files.load_config()
    samples = None
    if files.samples.exists():
        with np.load(files.samples) as archive:
            samples = dict(archive)
    return RunSeries(folder.resolve().name, config, read(files.history), samples)
