"""Experiments of `airmeta bench analytic`: rounds until a target is reached, accuracy on the agents' own test data."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fl.config import Config, check
from fl.residuals import ResidualStore
from fl.round import run_round
from fl.server import ServerState
from fl.setup import Parts, assemble
from fl.tasks import Group, score

FEDAVG = {"kind": "fedavg", "local_epochs": 1, "local_lr": 0.1, "batch_size": 20, "weighting": "samples"}
"""Of one pass and batches of 20."""


@dataclass(frozen=True)
class Trained:
    """A run.

    Args:
        seconds: of the rounds alone, evaluations and set-up left out.
        rounds: that were run.
        accuracy: mean over the training agents' own test data, by personalisation step.
        reached: whether the target was.
        processor_seconds: of the rounds alone, of this process: on a busy machine wall time has others' work in it.
    """

    seconds: float
    rounds: int
    accuracy: np.ndarray
    reached: bool = True
    processor_seconds: float = float("nan")


def changed(config: Config, tables: Mapping[str, Any]) -> Config:
    """Return a configuration with other tables; `algorithm` replaces all of its table.

    Raises:
        ConfigError: the result contradicts itself.
    """
    raw = config.model_dump(mode="json", exclude_none=True)
    for name, values in tables.items():
        whole = name == "algorithm" or not isinstance(values, Mapping)
        raw[name] = values if whole else raw[name] | values
    return check(raw)


def train(config: Config, cache: Path, target: float | None = None) -> Trained:
    """Return a run, ended where the accuracy before personalisation is at least the target.

    Args:
        config: the experiment.
        cache: folder of the data caches.
        target: accuracy; None: all rounds are run, and judged at the end.
    """
    parts = assemble(config, cache)
    state, seconds, processor, found = ServerState.start(parts.first_theta()), 0.0, 0.0, np.zeros(1)
    with TemporaryDirectory() as folder:
        residuals = ResidualStore(Path(folder), config.run.device)
        for index in range(config.rounds):
            started, used = time.perf_counter(), time.process_time()
            state = run_round(parts, state, residuals, index).state
            seconds, processor = seconds + time.perf_counter() - started, processor + time.process_time() - used
            last = index + 1 == config.rounds
            if last or target is not None:
                found = accuracy(parts, state)
                if target is not None and found[0] >= target:
                    return Trained(seconds, index + 1, found, True, processor)
    return Trained(seconds, config.rounds, found, target is None, processor)


def accuracy(parts: Parts, state: ServerState) -> np.ndarray:
    """Return the accuracy on the training agents' own test data, shape (steps + 1,)."""
    scores, _ = score(parts, state.theta, Group.HELDOUT, parts.config.evaluation.tasks)
    return scores.accuracy.mean(0)
