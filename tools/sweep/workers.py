"""Who does the runs of a sweep: workers of this machine, of a Dask scheduler, or those that are there already."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from distributed import Client

from tools.sweep.crew import connected, default_workers, threads_of
from tools.sweep.plan import Job
from tools.sweep.processes import local
from tools.sweep.watch import counted


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
    def client(self, jobs: Sequence[Job], is_stopped: Callable[[], bool] = lambda: False) -> Iterator[Client]:
        """Yield a client of the workers.

        Args:
            jobs: what they are wanted for.
            is_stopped: whether they still are.

        Raises:
            SweepError: they do not serve.
            StoppedSweepError: they are not wanted any more.
        """
        if self.held is not None:
            yield self.held
            return
        if self.scheduler is not None:
            with connected(self.scheduler) as client:
                yield client
            return
        count = self.workers or default_workers(jobs)
        self.say(f"starting {counted(count, 'worker')}")
        with local(count, threads_of(jobs), is_stopped) as client:
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
