"""`airmeta bench sweep`: what a sweep adds to each of its runs, and how much sooner several workers are done.

Serial and parallel blocks of runs take turns, so that a busy machine slows both alike. Beside wall clock stands the
processor time, which other processes shape less.
"""

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from fl.config import check, digest
from fl.experiment import run
from fl.run_folder import RunError, RunFolder
from tools.options import cache_option, json_option, readable_errors
from tools.sweep.dispatch import Dispatch
from tools.sweep.folder import SweepFolder
from tools.sweep.muster import held_probe, muster
from tools.sweep.plan import DIGITS, Job
from tools.sweep.processes import local
from tools.sweep.watch import Lines
from tools.sweep.work import Done

BLOCKS = 4
OVERHEAD = 0.2  # seconds a run, claimed
SPEED_UP = 1.8  # of 2 workers, claimed


@dataclass
class Spent:
    """Seconds of a block of runs.

    Args:
        wall: clock.
        processor: of all processes.
        runs: wall clock within the runs.
    """

    wall: float
    processor: float
    runs: float


@click.command("sweep")
@click.option("--runs", type=click.IntRange(min=BLOCKS), default=200, show_default=True, help="Runs, done both ways.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Worker processes.")
@click.option("--rounds", type=click.IntRange(min=1), default=20, show_default=True, help="Rounds of a run.")
@cache_option
@json_option
def sweep(runs: int, workers: int, rounds: int, cache: Path, as_json: bool) -> None:
    """Do short runs one after the other in one process, and side by side as a sweep; exit 1 if a claim is missed.

    \b
    Example:
        airmeta bench sweep
        airmeta bench sweep --runs 16 --rounds 5
    """
    with readable_errors(), TemporaryDirectory() as folder:
        jobs = _jobs(runs + 1, rounds)
        _alone(jobs[:1], Path(folder) / "warm", cache)  # imports, and the data that are made on first use
        started = time.perf_counter()
        files = SweepFolder(Path(folder) / "sweep")
        sweep_id = files.plan(jobs)
        with local(workers, 1) as client, held_probe(files) as probe:
            number = muster(client, files, sweep_id, probe, click.echo)
            start = time.perf_counter() - started
            alone, together = [], []
            for block in range(BLOCKS):
                part = jobs[1 + block :: BLOCKS]
                alone.append(_alone(part, Path(folder) / "alone", cache))
                within = _Within()
                dispatch = Dispatch(client, files, cache.resolve(), sweep_id, probe, within)
                together.append(_together(part, dispatch, within))
    found = compare(alone, together, runs, number) | {"start": start}
    click.echo(json.dumps(found) if as_json else _sentences(found))
    if said := missed(found):
        click.echo("\n".join(said), err=True)
        raise SystemExit(1)


def _jobs(count: int, rounds: int) -> list[Job]:
    content = {
        "rounds": rounds,
        "run": {"threads": 1},
        "agents": {"count": 5},
        "model": {"kind": "cnn", "width": 8},
        "algorithm": {"order": "first", "inner_lr": 0.1},
        "uplink": {"kind": "symbol"},
        "evaluation": {"every": rounds, "tasks": 10, "steps": 1},
    }
    configs = [check(content | {"seed": seed}) for seed in range(count)]
    return [Job("", config.seed, config, digest(config)[:DIGITS]) for config in configs]


def _alone(jobs: Sequence[Job], folder: Path, cache: Path) -> Spent:
    """Do runs one after the other, as `airmeta run` does each."""
    wall, processor = time.perf_counter(), time.process_time()
    for job in jobs:
        run(job.config, RunFolder(folder / job.key), cache, resume=False, observe=lambda record, seconds: False)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return Spent(wall, processor, wall)


class _Within(Lines):
    """Adds up the time within the runs."""

    def __init__(self) -> None:
        super().__init__(lambda said: None)
        self.seconds: list[float] = []

    def end(self, job: Job, done: Done) -> None:
        """Add one."""
        self.seconds.append(done.seconds)


def _together(jobs: Sequence[Job], dispatch: Dispatch, within: _Within) -> Spent:
    """Do runs side by side.

    Raises:
        RunError: one has failed, so what it took means nothing.
    """
    client = dispatch.client
    processor = time.process_time() + sum(client.run(time.process_time).values())
    wall = time.perf_counter()
    failed = dispatch.run(jobs, lambda: False)
    wall = time.perf_counter() - wall
    if failed:
        raise RunError(f"{len(failed)} of {len(jobs)} runs failed, the first one: {failed[0][1]}")
    processor = time.process_time() + sum(client.run(time.process_time).values()) - processor
    return Spent(wall, processor, sum(within.seconds))


def compare(alone: Sequence[Spent], together: Sequence[Spent], runs: int, workers: int) -> dict[str, float]:
    """Return the figures: sums over the blocks, and the median of the blocks' ratios."""
    more = sum(one.processor for one in together) - sum(one.processor for one in alone)
    return {
        "runs": runs,
        "workers": workers,
        "seconds_alone": sum(one.wall for one in alone),
        "seconds_together": sum(one.wall for one in together),
        "speed_up": statistics.median(a.wall / b.wall for a, b in zip(alone, together, strict=True)),
        "speed_up_least": min(a.wall / b.wall for a, b in zip(alone, together, strict=True)),
        "overhead": sum(workers * one.wall - one.runs for one in together) / runs,
        "overhead_processor": more / runs,
        "processor_alone": sum(one.processor for one in alone) / runs,
    }


def missed(found: dict[str, float]) -> list[str]:
    """Return which claims do not hold, a line each."""
    lines = []
    if found["overhead"] > OVERHEAD:
        lines.append(f"missed: a sweep adds {found['overhead']:.2f} s to a run; claimed: at most {OVERHEAD} s")
    if found["workers"] == 2 and found["speed_up"] < SPEED_UP:
        lines.append(f"missed: 2 workers are {found['speed_up']:.2f} times as fast; claimed: at least {SPEED_UP}")
    return lines


def _sentences(found: dict[str, float]) -> str:
    alone, together, workers = found["seconds_alone"], found["seconds_together"], found["workers"]
    more, least = found["overhead_processor"], found["speed_up_least"]
    return "\n".join(
        [
            f"{found['runs']} runs: {alone:.1f} s one after the other, {together:.1f} s on {workers} workers, which "
            f"need {found['start']:.1f} s to start",
            f"speed-up {found['speed_up']:.2f}, median of {BLOCKS} blocks in turn, least {least:.2f} (claimed of 2 "
            f"workers: at least {SPEED_UP})",
            f"a sweep adds {1e3 * found['overhead']:.0f} ms of waiting and work to a run (claimed: at most "
            f"{1e3 * OVERHEAD:.0f} ms)",
            f"processor time of a run: {found['processor_alone']:.3f} s, in a sweep {more:+.3f} s",
        ]
    )
