"""The runs of a sweep, done side by side by the workers of a Dask cluster.

What is finished is skipped, what was begun goes on from its checkpoint, and a configuration that occurs twice runs
once. A worker that is lost costs the rounds since the last checkpoint of one run; a run that fails costs itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.interrupts import interrupts
from tools.sweep.crew import on_radios
from tools.sweep.dispatch import Dispatch
from tools.sweep.folder import StoppedSweepError, SweepError, SweepFolder
from tools.sweep.left import left_of
from tools.sweep.muster import held_probe, muster
from tools.sweep.places import anchored
from tools.sweep.plan import Job
from tools.sweep.processes import NOT_BEGUN
from tools.sweep.results import Results
from tools.sweep.watch import Lines, Watch
from tools.sweep.workers import Crew, standing

__all__ = ["Crew", "Outcome", "StoppedSweepError", "carry_out", "execute", "left_of", "standing", "summary"]

FAILURES_SHOWN = 10


@dataclass(frozen=True)
class Outcome:
    """What became of a sweep.

    Args:
        finished: runs that are there now.
        failed: runs that are not, and why.
    """

    finished: int
    failed: Sequence[tuple[Job, str]] = ()


def execute(
    jobs: Sequence[Job],
    folder: Path,
    cache: Path,
    say: Callable[[str], None],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Results:
    """Run what is not finished yet and return what all found.

    Args:
        jobs: what to run; a configuration that occurs twice runs once.
        folder: of the sweep.
        cache: folder of the data caches.
        say: is told of progress.
        workers: processes of this machine; None: as many as its cores allow.
        scheduler: address of a Dask scheduler whose workers are taken instead.

    Raises:
        SweepError: the folder, a run that is there, or the workers do not serve, or runs have failed; all others are
            finished then.
        StoppedSweepError: Ctrl-C; what had begun is saved.
    """
    outcome = carry_out(jobs, SweepFolder(folder.resolve()), cache, Lines(say), Crew(workers, scheduler, say))
    if outcome.failed:
        raise SweepError(summary(outcome, folder))
    return Results(folder, jobs)


def carry_out(jobs: Sequence[Job], folder: SweepFolder, cache: Path, watch: Watch, crew: Crew) -> Outcome:
    """Run what is not finished yet.

    Args:
        jobs: what to run.
        folder: of the sweep, absolute.
        cache: folder of the data caches.
        watch: is told of progress.
        crew: who does it.

    Raises:
        SweepError, StoppedSweepError: as for `execute`, apart from runs that fail.
    """
    folder.check()
    left = left_of(jobs, folder.path)
    _check_radios(left, crew)
    sweep, count = folder.plan(jobs), len({job.key for job in jobs})
    if not left:
        return Outcome(count)
    for job in left:
        folder.forget_failure(job.key)
        folder.attempts(job.key).end()
    try:
        failed = _do(left, folder, sweep, cache, watch, crew)
    except StoppedSweepError as error:
        there = count - len(left)
        raise StoppedSweepError(f"{error}{f' {there} of {count} are finished.' if there else ''}") from error
    if failed is None:
        there = count - len(left_of(jobs, folder.path))
        raise StoppedSweepError(f"Stopped; {there} of {count} runs are finished, those that had begun are saved.")
    return Outcome(count - len(failed), failed)


def _do(
    left: Sequence[Job], folder: SweepFolder, sweep: str, cache: Path, watch: Watch, crew: Crew
) -> list[tuple[Job, str]] | None:
    """Do runs; return which failed, and why; None: it was stopped.

    Raises:
        StoppedSweepError: it was stopped before any had begun.
    """
    begun = False

    def after_the_first() -> str:
        return "Every run finishes its round and is saved" if begun else "Stopping; no run has begun"

    with interrupts(after_the_first) as seen:

        def is_stopped() -> bool:
            return bool(seen)

        with crew.client(left, is_stopped) as client, held_probe(folder) as probe:
            there = muster(client, folder, sweep, probe, crew.say, is_stopped)
            if seen:
                raise StoppedSweepError(f"{NOT_BEGUN}.")
            begun = True
            watch.begin(left, there)
            orders = [anchored(job) for job in left]
            return Dispatch(client, folder, cache.resolve(), sweep, probe, watch).run(orders, is_stopped)


def summary(outcome: Outcome, folder: Path) -> str:
    """Return what failed, and how to go on."""
    shown = outcome.failed[:FAILURES_SHOWN]
    lines = [f"  {job.point or 'the experiment'}, seed {job.seed} ({job.key}): {error}" for job, error in shown]
    if len(outcome.failed) > len(shown):
        lines.append(f"  and {len(outcome.failed) - len(shown)} more")
    total = outcome.finished + len(outcome.failed)
    last = f"{folder / 'failed'} says where; the same command tries them again, and only them"
    return "\n".join([f"{len(outcome.failed)} of {total} runs failed, the others are finished:", *lines, last])


def _check_radios(jobs: Sequence[Job], crew: Crew) -> None:
    if on_radios(jobs) and (crew.scheduler is not None or crew.workers != 1):
        raise SweepError(
            "these runs go through radios, which serve one run at a time; use --workers 1, without --scheduler"
        )
