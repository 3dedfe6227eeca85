"""What a worker does with one run of a sweep."""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from distributed import get_worker
from distributed.core import Status
from filelock import Timeout

from fl import checkpoint
from tools.sweep.crew import Source
from tools.sweep.folder import SweepError, SweepFolder
from tools.sweep.muster import answer, problem_of
from tools.sweep.plan import Job
from tools.sweep.results import is_finished

ATTEMPTS = 3  # processes that may end during a run, one after the other, none of which has come to a checkpoint
BUSY = 2.0  # seconds to wait for a process that works on the same run
REPORT_EVERY = 0.5  # seconds between two words of a run
STAYS = Status.running, Status.paused  # a worker that goes on
Post = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Order:
    """One run, for a worker.

    Args:
        job: what to run.
        folder: of the sweep, absolute.
        cache: folder of the data caches.
        sweep: the id of the sweep, which is in its folder.
        source: who has checked the configuration.
        topic: under which the run's progress is told.
        probe: a lock that the client holds as long as it wants runs.
        is_local: whether the worker is one that the client has started.
    """

    job: Job
    folder: Path
    cache: Path
    sweep: str
    source: Source
    topic: str
    probe: str
    is_local: bool = False


@dataclass(frozen=True)
class Done:
    """What became of an order.

    Args:
        key: of the run.
        how: `finished`; `failed`; `stopped` before its end, with a checkpoint: the client has asked for that, or the
            worker ends; `busy`: another process works on it.
        error: why it failed.
        seconds: wall clock that it took here.
    """

    key: str
    how: Literal["finished", "failed", "stopped", "busy"]
    error: str = ""
    seconds: float = 0.0


def work(order: Order) -> Done:
    """Do one run, on a worker of Dask, from its last checkpoint on.

    Raises:
        SweepError: this worker cannot take part.
    """
    worker = get_worker()
    task = worker.get_current_task()
    check_here(order, worker.address, worker.state.nthreads)

    def is_unwanted() -> bool:  # the client has cancelled it, or is gone; or the worker ends: its time is over
        known = worker.state.tasks.get(task)
        return known is None or known.state == "cancelled" or worker.status not in STAYS

    def post(said: dict[str, Any]) -> None:
        worker.log_event(order.topic, said | {"worker": worker.address})

    return carry_out(order, post, is_unwanted)


def check_here(order: Order, name: str, threads: int) -> None:
    """Check that this worker may take part, as `muster` does: one that joins later was not asked before.

    Args:
        order: a run.
        name: of the worker.
        threads: of it.

    Raises:
        SweepError: it may not.
    """
    said = answer(order.folder, order.probe)
    if problem := problem_of(said, order.sweep, order.source, threads, order.is_local):
        raise SweepError(f"a worker cannot take part: {name} {problem}")


def carry_out(order: Order, post: Post, is_unwanted: Callable[[], bool]) -> Done:
    """Do one run, if nobody else does.

    Args:
        order: the run.
        post: tells of its rounds.
        is_unwanted: whether it is to stop after this round.
    """
    folder, started = SweepFolder(order.folder), time.perf_counter()
    try:
        with folder.lock(order.job.key).acquire(timeout=BUSY):
            folder.hold(order.job.key, order.probe)
            how, error = _run(order, folder, post, is_unwanted)
    except Timeout:
        return Done(order.job.key, "busy")
    return Done(order.job.key, how, error, time.perf_counter() - started)


def _run(
    order: Order, folder: SweepFolder, post: Post, is_unwanted: Callable[[], bool]
) -> tuple[Literal["finished", "failed", "stopped"], str]:
    key = order.job.key
    try:
        if is_finished(order.folder, order.job):  # by another sweep, meanwhile
            return "finished", ""
        lost = folder.attempts(key).begin()
        if lost >= ATTEMPTS:
            raise SweepError(
                f"{lost} processes that ran it have ended without a word, and without a new checkpoint: killed, or out "
                "of memory; see the kernel's log, try fewer workers, or a lower run.checkpoint_every if their time was "
                "over, then call the sweep again: it goes on from the last checkpoint"
            )
        went_through = _train(order, folder, post, is_unwanted)
    except Exception as failure:  # noqa: BLE001 - a failed run must not keep others from being done
        error = f"{type(failure).__name__}: {failure}"
        folder.note_failure(key, error, traceback.format_exc())
        return "failed", error
    else:
        folder.forget_failure(key)
        return ("finished" if went_through else "stopped"), ""
    finally:
        folder.attempts(key).end()


def _train(order: Order, folder: SweepFolder, post: Post, is_unwanted: Callable[[], bool]) -> bool:
    from fl.experiment import run

    key, last = order.job.key, 0.0
    where = folder.run(key)
    folder.remove_unbegun(key)
    if checkpoint.exists(where.path):
        checkpoint.recover(where.path)

    def observe(record: dict[str, Any], seconds: dict[str, float]) -> bool:
        nonlocal last
        if time.monotonic() - last > REPORT_EVERY or "new_agent_accuracy" in record:
            last = time.monotonic()
            post({"run": key, "round": record["round"] + 1, "accuracy": record.get("new_agent_accuracy")})
        return is_unwanted()

    return run(order.job.config, where, order.cache, resume=where.config.exists(), observe=observe)
