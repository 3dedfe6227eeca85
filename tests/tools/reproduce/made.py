"""Sweeps that were not run: their recipes as they are, and histories made up."""

from pathlib import Path

import numpy as np

from fl.history import SCHEMA, History
from tools.reproduce.paper import Material
from tools.sweep.file import read_jobs
from tools.sweep.results import Results, run_folder

EXPERIMENTS = Path(__file__).parents[3] / "experiments"


def recipes(paper, quick, overrides=()):
    """The jobs of each sweep of a paper."""
    return {name: read_jobs(EXPERIMENTS / paper.key / f"{name}.toml", quick, overrides) for name in paper.sweeps}


def material(folder, paper, accuracy, quick=True):
    """Results whose accuracy by step is accuracy(sweep, job, rounds done), of the short form or the long one."""

    def evaluated(name, job, rounds):
        if not job.config.evaluation.due(rounds, job.config.rounds):
            return {}
        steps = np.asarray(accuracy(name, job, rounds)).tolist()
        return {"new_agent_accuracy": steps[-1], "accuracy_by_step": steps}

    return written(folder, paper, evaluated, quick=quick)


def written(folder, paper, record, overrides=(), quick=True):
    """Results whose rounds have the keys of record(sweep, job, rounds done), of the short form or the long one."""
    sweeps = {}
    for name, jobs in recipes(paper, quick, overrides).items():
        sweeps[name] = Results(folder / name, jobs)
        for job in jobs:
            path = run_folder(folder / name, job).history
            path.parent.mkdir(parents=True)
            history = History(path)
            for index in range(job.config.rounds):
                history.append({"schema": SCHEMA, "round": index} | record(name, job, index + 1))
    return Material(sweeps, folder, folder / "cache", quick, lambda text: None)
