"""The figures of a run as arrays, read from its folder."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fl.config import Config
from fl.history import read
from fl.run_folder import RunFolder


@dataclass(frozen=True)
class RunSeries:
    """One run, ready to be drawn.

    Args:
        name: of its folder.
        config: its configuration.
        records: its history, one record a round.
        samples: tasks of new agents with predictions, or None before the first evaluation.
        snapshot: the last evaluated round on the air (`fl.uplink.waveform.snapshot`); None without one.
    """

    name: str
    config: Config
    records: list[dict[str, Any]]
    samples: dict[str, np.ndarray] | None
    snapshot: dict[str, np.ndarray] | None = None

    def values(self, key: str) -> np.ndarray:
        """Return a number of each round, NaN where it does not exist, shape (rounds,)."""
        found = [record.get(key) for record in self.records]
        return np.array([_number(value) for value in found])

    def diagnostics(self, key: str) -> np.ndarray:
        """Return a number about the waveform of each round, NaN where it does not exist, shape (rounds,)."""
        return np.array([record.get("waveform", {}).get(key, np.nan) for record in self.records], float)

    def of_agents(self, key: str) -> dict[int, np.ndarray]:
        """Return a number about each agent's waveform in each round, NaN where it does not exist, by id."""
        rows = [record.get("waveform", {}).get("agents", {}) for record in self.records]
        agents = sorted({agent for row in rows for agent in row}, key=int)
        return {int(agent): np.array([_number(row.get(agent, {}).get(key)) for row in rows]) for agent in agents}

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
    def is_waveform(self) -> bool:
        """Whether its rounds went through radios."""
        return self.config.uplink.kind == "waveform"

    @property
    def failures(self) -> Counter[str]:
        """How many rounds were not received, by kind of failure."""
        return Counter(record["failure"].split(":")[0] for record in self.records if "failure" in record)

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
    samples, snapshot = _arrays(files.samples), _arrays(files.waveform)
    return RunSeries(folder.resolve().name, config, read(files.history), samples, snapshot)


def _arrays(path: Path) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    with np.load(path) as archive:
        return dict(archive)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
