"""The runs of a sweep, done side by side by the workers of a Dask cluster.

What is finished is skipped, what was begun goes on from its checkpoint, and a configuration that occurs twice runs
once. A worker that is lost costs the rounds since the last checkpoint of one run; a run that fails costs itself.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from distributed import Client

from tools.interrupts import interrupts
from tools.sweep.crew import connected, default_workers, local, on_radios, threads_of
from tools.sweep.dispatch import Dispatch
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.muster import muster
from tools.sweep.places import anchored
from tools.sweep.plan import Job
from tools.sweep.results import Results, is_finished
from tools.sweep.watch import Lines, Watch

FAILURES_SHOWN = 10


class StoppedSweepError(SweepError):
    """A sweep that was stopped, and can go on."""


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
        SweepError: the folder or the workers do not serve, or runs have failed; all others are finished then.
        StoppedSweepError: Ctrl-C; what had begun is saved.
        HistoryError: the history of a run that is there is damaged.
    """
    outcome = carry_out(jobs, SweepFolder(folder.resolve()), cache, Lines(say), Crew(workers, scheduler, say))
    if outcome.failed:
        raise SweepError(summary(outcome, folder))
    return Results(folder, jobs)


@dataclass(frozen=True)
class Crew:
    """Who does the runs.

    Args:
        workers: processes of this machine; None: as many as its cores allow.
        scheduler: address of a Dask scheduler whose workers are taken instead.
        say: is told what is waited for.
        held: of workers that are there already, and stay.
    """

    workers: int | None
    scheduler: str | None
    say: Callable[[str], None]
    held: Client | None = None

    @contextmanager
    def client(self, jobs: Sequence[Job]) -> Iterator[Client]:
        """Yield a client of the workers.

        Raises:
            SweepError: they do not serve.
        """
        if self.held is not None:
            yield self.held
            return
        if self.scheduler is not None:
            with connected(self.scheduler) as client:
                yield client
            return
        with local(self.workers or default_workers(jobs), threads_of(jobs)) as client:
            yield client


@contextmanager
def standing(crew: Crew, jobs: Sequence[Job]) -> Iterator[Crew]:
    """Yield a crew whose workers stay from one sweep to the next.

    Args:
        crew: who does the runs.
        jobs: some that are like all of them.

    Raises:
        SweepError: the workers do not serve.
    """
    with crew.client(jobs) as client:
        yield replace(crew, held=client)


def left_of(jobs: Sequence[Job], folder: Path) -> list[Job]:
    """Return the runs that are not finished, each once.

    Raises:
        HistoryError: the history of one is damaged.
    """
    different = {job.key: job for job in jobs}
    return [job for job in different.values() if not is_finished(folder, job)]


def carry_out(jobs: Sequence[Job], folder: SweepFolder, cache: Path, watch: Watch, crew: Crew) -> Outcome:
    """Run what is not finished yet.

    Args:
        jobs: what to run.
        folder: of the sweep, absolute.
        cache: folder of the data caches.
        watch: is told of progress.
        crew: who does it.

    Raises:
        SweepError, StoppedSweepError, HistoryError: as for `execute`, apart from runs that fail.
    """
    folder.check()
    left = left_of(jobs, folder.path)
    _check_radios(left, crew)
    sweep, count = folder.plan(jobs), len({job.key for job in jobs})
    if not left:
        return Outcome(count)
    for job in left:
        folder.forget_failure(job.key)
        folder.end(job.key)
    with interrupts("Every run finishes its round and is saved") as seen, crew.client(left) as client:
        watch.begin(left, muster(client, folder, sweep, crew.say, lambda: bool(seen)))
        orders = [anchored(job) for job in left]
        failed = Dispatch(client, folder, cache.resolve(), sweep, watch).run(orders, lambda: bool(seen))
    if failed is None:
        there = count - len(left_of(jobs, folder.path))
        raise StoppedSweepError(f"Stopped; {there} of {count} runs are finished, those that had begun are saved.")
    return Outcome(count - len(failed), failed)


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
