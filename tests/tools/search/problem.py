"""A search whose runs are not trained: their accuracy is a known function of their configuration."""

import json

import numpy as np
from optuna.storages import InMemoryStorage

from fl.history import SCHEMA
from tests.tools.small import plain
from tools.search.budget import Budget
from tools.search.plan import Search
from tools.search.space import Axis
from tools.search.study import open_study
from tools.search.trials import Trials
from tools.sweep.results import run_folder

EXPERIMENT = plain("rounds = 6", "uplink = { sparsity = 0.04, measurements = 0.4 }")
AXES = (Axis("uplink.sparsity", "ratio", 0.01, 0.4), Axis("uplink.measurements", "ratio", 0.05, 0.5))
IN_MEMORY = {}
BEST_SPARSITY, BEST_MEASUREMENTS = 0.1, 0.1


def accuracy(config):
    """Peaks at k/d = M/d = 0.1, and has a little noise of its seed."""
    uplink = config.uplink
    away = np.log(uplink.sparsity / BEST_SPARSITY) ** 2 + np.log(uplink.measurements / BEST_MEASUREMENTS) ** 2
    return float(0.8 - 0.05 * away + 0.002 * np.sin(config.seed))


class Killed(BaseException):
    """What ends a search without any warning."""


class Runs:
    """Does runs by writing their last round down; counts them, and may die, or fail some of them."""

    def __init__(self, folder, last=None, fails=lambda job: False):
        self.folder, self.done, self.left, self.fails = folder, [], last, fails

    def __call__(self, jobs):
        failed = {}
        for job in jobs:
            files = run_folder(self.folder, job)
            if self.fails(job):
                failed[job.key] = "ValueError: made to fail"
            elif not files.history.exists():
                if self.left is not None:
                    if self.left == 0:
                        raise Killed
                    self.left -= 1
                files.path.mkdir(parents=True, exist_ok=True)
                line = {"schema": SCHEMA, "round": 0, "new_agent_accuracy": accuracy(job.config)}
                files.history.write_text(json.dumps(line) + "\n")
                self.done.append((job.key, job.seed))
        return failed


def search(folder, budget=None, **changed):
    folder.mkdir(parents=True, exist_ok=True)
    base = folder / "experiment.toml"
    base.write_text(EXPERIMENT)
    settings = {"axes": AXES, "prune": False, "seeds": 2} | changed
    return Search(base, (), budget=budget or Budget("total", 400_000), **settings)


def trials(folder, planned, runs, said=None, kept=None):
    """Return the trials of a folder, kept in memory for as long as this process lives unless it is said where."""
    study = open_study(kept or IN_MEMORY.setdefault(folder, InMemoryStorage()), planned)
    return Trials(planned, study, folder, runs, (said if said is not None else []).append)
