"""The work of a reproduction: sweeps one after the other, then measurements that are no runs, then the verdicts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl.config import Config
from fl.learning import learning
from tools.reproduce.paper import Material
from tools.reproduce.papers import paper
from tools.reproduce.verdict import Verdict
from tools.sweep.execute import execute, left_of
from tools.sweep.file import read_jobs
from tools.sweep.plan import Job
from tools.sweep.results import run_folder, seconds

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@dataclass(frozen=True)
class Judged:
    """A reproduction that is done.

    Args:
        material: what was found.
        verdicts: what it says.
    """

    material: Material
    verdicts: Sequence[Verdict]


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Args:
        sweep: its name.
        runs: that it has.
        finished: of these.
        rounds: of those that are not finished.
    """

    sweep: str
    runs: int
    finished: int
    rounds: int


def planned(key: str, quick: bool, overrides: Sequence[str]) -> dict[str, list[Job]]:
    """Return the runs of each sweep of a paper, in order.

    Raises:
        ConfigError: a recipe with the overrides cannot be run.
    """
    return {name: read_jobs(EXPERIMENTS / key / f"{name}.toml", quick, overrides) for name in paper(key).sweeps}


def progress(name: str, jobs: Sequence[Job], folder: Path) -> Progress:
    """Return how far a sweep is; nothing is written.

    Args:
        name: of the sweep.
        jobs: its runs.
        folder: of the reproduction.

    Raises:
        HistoryError: the history of a run is damaged.
    """
    left, count = left_of(jobs, folder / name), len({job.key for job in jobs})
    return Progress(name, count, count - len(left), sum(job.config.rounds for job in left))


def judged(
    key: str,
    quick: bool,
    overrides: Sequence[str],
    folder: Path,
    cache: Path,
    say: Callable[[str], None],
    where: Mapping[str, Any],
) -> Judged:
    """Run what is missing of a paper's sweeps, and judge.

    Args:
        key: of the paper.
        quick: the short form.
        overrides: `key=value` over every experiment.
        folder: of the reproduction, a folder for each sweep in it.
        cache: folder of the data caches.
        say: is told of progress.
        where: further arguments of `execute`: on what to run.

    Raises:
        ConfigError: a recipe with the overrides cannot be run.
        DataError: images are missing; nothing has run yet.
        SweepError: a run has failed.
    """
    about, plans = paper(key), planned(key, quick, overrides)
    _check_data([job for jobs in plans.values() for job in jobs], cache)
    found = {}
    for name, jobs in plans.items():
        count = progress(name, jobs, folder)
        say(f"{key} {name}: {count.runs - count.finished} of {count.runs} runs to do")
        found[name] = execute(jobs, folder / name, cache, say, **where)
    material = Material(found, folder, cache, quick, say, tuple(overrides))
    return Judged(material, about.judge(material))


def _check_data(jobs: Sequence[Job], cache: Path) -> None:
    """Load each dataset once, so that what is missing is said before hours have gone by."""
    seen: dict[str, Config] = {}
    for job in jobs:
        seen.setdefault(job.config.task.dataset, job.config)
    for config in seen.values():
        learning(config, cache)


def spent_seconds(material: Material) -> list[float]:
    """Return the wall-clock time of the rounds of each run, as its folder says it."""
    folders = {run_folder(found.folder, job).timing for found in material.sweeps.values() for job in found.jobs}
    return [seconds(path) for path in sorted(folders)]
