"""Runs handed to the workers of a Dask cluster, a few at a time, and what came back."""

import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from fl import checkpoint
from tools.sweep.crew import source
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.muster import muster
from tools.sweep.plan import Job
from tools.sweep.presence import Presence
from tools.sweep.watch import Watch
from tools.sweep.work import ATTEMPTS, Done, Order, work

AHEAD = 2  # runs in the hands of each worker, so that none waits for the client
POLL = 0.25  # seconds
FETCH = 10.0  # seconds to wait for what a worker has found: if it is lost before it is asked, the run is done again
AGAIN = 3.0  # seconds before a run that another process works on, or whose worker ends, is given again


@dataclass
class Dispatch:
    """The client's side of a sweep.

    Args:
        client: of the cluster.
        folder: of the sweep.
        cache: folder of the data caches.
        sweep: its id.
        probe: the lock that this client holds, at which workers look before each run.
        watch: is told of progress.
    """

    client: Client
    folder: SweepFolder
    cache: Path
    sweep: str
    probe: str
    watch: Watch
    _id: str = field(default_factory=lambda: uuid.uuid4().hex)  # two clients may give one run at the same time
    _heard: "queue.SimpleQueue[Future | dict[str, Any]]" = field(default_factory=queue.SimpleQueue)
    _given: dict[Future, Job] = field(default_factory=dict)
    _later: list[tuple[float, Job]] = field(default_factory=list)
    _killed: dict[str, tuple[int, str]] = field(default_factory=dict)  # KilledWorkers, attempts at the last
    _submitted: int = 0
    _workers: Presence = field(init=False)

    def __post_init__(self) -> None:
        self._workers = Presence(self.client, self.watch)

    def run(self, jobs: Sequence[Job], is_stopped: Callable[[], bool]) -> list[tuple[Job, str]] | None:
        """Do these runs and return which failed, and why; None: it was stopped, and all that had begun are saved.

        Args:
            jobs: different ones.
            is_stopped: whether to stop.

        Raises:
            SweepError: a worker has come that cannot take part; or those of this machine have ended, and none comes.
            FutureCancelledError, OSError: the scheduler is gone.
        """
        self.client.subscribe_topic(self._topic, lambda event: self._heard.put(event[1]))
        waiting, failed = deque(jobs), []
        while waiting or self._later or self._given:
            if is_stopped():
                self._stop()
                return None
            self._look()
            waiting.extend(self._due())
            while waiting and len(self._given) < AHEAD * max(1, self._workers.count):
                self._give(waiting.popleft())
            for job, done in self._news():
                self.watch.end(job, done)
                if done.how == "failed":
                    failed.append((job, done.error))
        return failed

    @property
    def _topic(self) -> str:
        return f"airmeta-{self.sweep}"

    def _look(self) -> None:
        """Say which runs have lost their worker since the last look.

        Raises:
            SweepError: there is none of this machine any more, and none comes.
        """
        for key in self._workers.look():
            self._lose(key)
        self._workers.check()

    def _lose(self, key: str) -> None:
        """Say that a run has lost its worker; the scheduler gives it to another one by itself."""
        for job in self._given.values():
            if job.key == key:
                self.watch.lost(job, checkpoint.rounds_done(self.folder.run(key).path))

    def _due(self) -> Iterator[Job]:
        """Yield the runs that are to be given again by now."""
        now = time.monotonic()
        due = [job for when, job in self._later if when <= now]
        self._later = [(when, job) for when, job in self._later if when > now]
        yield from due

    def _give(self, job: Job) -> None:
        is_local = self.client.cluster is not None
        order = Order(job, self.folder.path, self.cache, self.sweep, source(), self._topic, self.probe, is_local)
        self._submitted += 1
        key = "airmeta-run", job.key, self._id, self._submitted
        future = self.client.submit(work, order, key=key, pure=False)
        self._given[future] = job
        future.add_done_callback(self._heard.put)

    def _news(self) -> Iterator[tuple[Job, Done]]:
        """Yield runs that are over; what is to be given again is put off."""
        try:
            heard = self._heard.get(timeout=POLL)
        except queue.Empty:
            return
        if isinstance(heard, dict):
            self._hear(heard)
            return
        job = self._given.pop(heard)
        self._workers.over(job.key)
        done = self._done(heard, job)
        if done.how in ("busy", "stopped"):  # not by this client, which asks for nothing after it has stopped
            self._later.append((time.monotonic() + AGAIN, job))
            return
        yield job, done

    def _done(self, heard: Future, job: Job) -> Done:
        """Return what became of a run; `stopped` also if its workers are gone, with it or with what it found."""
        try:
            done: Done = heard.result(timeout=FETCH)
        except KilledWorker:  # perhaps not by this run, but by the one that its worker did: work() counts that
            return self._killed_with(job)
        except SweepError:
            raise
        except Exception as error:  # noqa: BLE001 - what a worker could not even write down, such as a full disk
            if isinstance(error, TimeoutError) and heard.status != "error":  # nothing was fetched
                return Done(job.key, "stopped")
            self._check_workers(error)
            done = Done(job.key, "failed", f"{type(error).__name__}: {error}")
        self._killed.pop(job.key, None)
        return done

    def _killed_with(self, job: Job) -> Done:
        """Return that a run is to be done again, or has failed: too often its workers were killed before they began it.

        What has begun is counted in the folder, and given up there.
        """
        count, before = self._killed.get(job.key, (0, ""))
        now = self.folder.attempts(job.key).noted()
        count = count + 1 if count and now == before else 1
        self._killed[job.key] = count, now
        if count < ATTEMPTS:
            return Done(job.key, "stopped")
        error = (
            f"all workers that were to do it have ended before they began it, {count} times: killed, or out of memory; "
            "see the kernel's log, try fewer workers, then call the sweep again"
        )
        self.folder.note_failure(job.key, error, "")
        return Done(job.key, "failed", error)

    def _hear(self, said: dict[str, Any]) -> None:
        key = said["run"]
        mine = any(job.key == key for job in self._given.values())
        if mine and self._workers.taken_over(said["worker"], key):
            self._lose(key)
        self.watch.round(said)

    def _check_workers(self, error: Exception) -> None:
        """Tell a run that has failed from a worker, or scheduler, that cannot even read what a run is.

        Raises:
            SweepError: it is one of these.
        """
        if isinstance(error, RuntimeError) and "deserialization" in str(error):
            raise SweepError(
                f"the scheduler at {self.client.scheduler.address} cannot read runs; start it where this airmeta is "
                f"installed: {source()}"
            ) from error
        if isinstance(error, ImportError | AttributeError):
            muster(self.client, self.folder, self.sweep, self.probe, lambda said: None)

    def _stop(self) -> None:
        """Let every run that has begun here end after its round, with a checkpoint; others in the folder go on."""
        self.client.cancel(list(self._given))
        for job in self._given.values():
            while self.folder.is_held_for(job.key, self.probe):
                time.sleep(POLL)
