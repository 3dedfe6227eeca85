"""Runs handed to the workers of a Dask cluster, a few at a time, and what came back."""

import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from tools.sweep.crew import source
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.plan import Job
from tools.sweep.watch import Watch
from tools.sweep.work import Done, Order, work

AHEAD = 2  # runs in the hands of each worker, so that none waits for the client
POLL = 0.25  # seconds
COUNT_EVERY = 2.0  # seconds between two looks at how many workers there are


@dataclass
class Dispatch:
    """The client's side of a sweep.

    Args:
        client: of the cluster.
        folder: of the sweep.
        cache: folder of the data caches.
        sweep: its id.
        watch: is told of progress.
    """

    client: Client
    folder: SweepFolder
    cache: Path
    sweep: str
    watch: Watch
    _heard: "queue.SimpleQueue[Future | dict[str, Any]]" = field(default_factory=queue.SimpleQueue)
    _given: dict[Future, Job] = field(default_factory=dict)
    _submitted: int = 0
    _workers: int = 0
    _counted: float = 0.0

    def run(self, jobs: Sequence[Job], is_stopped: Callable[[], bool]) -> list[tuple[Job, str]] | None:
        """Do these runs and return which failed, and why; None: it was stopped, and all that had begun are saved.

        Args:
            jobs: different ones.
            is_stopped: whether to stop.

        Raises:
            SweepError: a worker has come that cannot take part.
            FutureCancelledError, OSError: the scheduler is gone.
        """
        self.client.subscribe_topic(self._topic, lambda event: self._heard.put(event[1]))
        waiting, failed = deque(jobs), []
        while waiting or self._given:
            if is_stopped():
                self._stop()
                return None
            while waiting and len(self._given) < AHEAD * self._count():
                self._give(waiting.popleft())
            for job, done in self._news():
                if done is None:
                    waiting.append(job)
                    continue
                self.watch.end(job, done)
                if done.how == "failed":
                    failed.append((job, done.error))
        return failed

    @property
    def _topic(self) -> str:
        return f"airmeta-{self.sweep}"

    def _count(self) -> int:
        """Return how many workers there are: on a cluster they come and go."""
        if time.monotonic() - self._counted > COUNT_EVERY:
            self._workers, self._counted = max(1, len(self.client.nthreads())), time.monotonic()
        return self._workers

    def _give(self, job: Job) -> None:
        order = Order(job, self.folder.path, self.cache, self.sweep, source(), self._topic)
        self._submitted += 1
        future = self.client.submit(work, order, key=("airmeta-run", job.key, self._submitted), pure=False)
        self._given[future] = job
        future.add_done_callback(self._heard.put)

    def _news(self) -> Iterator[tuple[Job, Done | None]]:
        """Yield runs that are over, or, with None, that are to be given again."""
        try:
            heard = self._heard.get(timeout=POLL)
        except queue.Empty:
            return
        if isinstance(heard, dict):
            self.watch.round(heard)
            return
        job = self._given.pop(heard)
        try:
            done: Done = heard.result()
        except KilledWorker:  # perhaps not by this run, but by the one that its worker did: work() counts that
            yield job, None
            return
        except SweepError:
            raise
        except Exception as error:  # noqa: BLE001 - what a worker could not even write down, such as a full disk
            done = Done(job.key, "failed", f"{type(error).__name__}: {error}")
        yield job, None if done.how == "busy" else done

    def _stop(self) -> None:
        """Let every run that has begun end after its round, with a checkpoint."""
        self.client.cancel(list(self._given))
        for job in self._given.values():
            while self.folder.is_held(job.key):
                time.sleep(POLL)
