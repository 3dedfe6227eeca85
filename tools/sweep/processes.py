"""Workers that are processes of this machine."""

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from multiprocessing import resource_tracker

import dask
from distributed import Client, LocalCluster

from tools.sweep.crew import QUIET
from tools.sweep.folder import StoppedSweepError, SweepError

POOLS = "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"
LOOK = 0.1  # seconds between two looks at whether they have started
SLOW_SCRATCH = "Creating scratch directories"  # of a busy machine's temporary folder, of which a run has no need
LEAKED = "resource_tracker"  # queues of Dask whose process was killed: it removes them, and says so
NOT_BEGUN = "Stopped before any run began"


@contextmanager
def local(workers: int, threads: int, is_stopped: Callable[[], bool] = lambda: False) -> Iterator[Client]:
    """Yield a client of worker processes on this machine, which end with it, however it ends.

    Args:
        workers: how many.
        threads: of each one's linear algebra.
        is_stopped: whether they are still wanted, asked while they start.

    Raises:
        SweepError: they cannot be started, or one was killed while it did.
        StoppedSweepError: they are not wanted any more.
    """
    pools = {name: str(threads) for name in POOLS}
    warnings.filterwarnings("ignore", message=SLOW_SCRATCH)
    with _environment("PYTHONWARNINGS", f"ignore:{LEAKED}:UserWarning"):
        resource_tracker.ensure_running()
    spawned = pools | {"PYTHONWARNINGS": _with("PYTHONWARNINGS", f"ignore:{SLOW_SCRATCH}:UserWarning")}
    with dask.config.set({**QUIET, "distributed.nanny.pre-spawn-environ": spawned}):
        cluster = _started(workers, pools, is_stopped)
    with cluster, Client(cluster) as client:
        if is_stopped():
            raise StoppedSweepError(f"{NOT_BEGUN}.")
        yield client


def _started(workers: int, pools: dict[str, str], is_stopped: Callable[[], bool]) -> LocalCluster:
    """Return the workers, once they have started or are not wanted any more.

    They are started by a thread that Ctrl-C in the terminal does not reach, nor what is started by it: threads and
    processes inherit the mask of signals, and the client asks the workers to stop. It reaches this thread, which waits.
    So does SIGTERM, which systemd and scancel send to all processes: a worker would end at once, with rounds unsaved.
    """
    started: Future[LocalCluster] = Future()

    def start() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            started.set_result(_cluster(workers, pools))
        except Exception as error:  # noqa: BLE001 - raised by the thread that waits for this one
            started.set_exception(error)

    threading.Thread(target=start, daemon=True).start()
    while not wait([started], timeout=LOOK).done:
        pass
    try:
        return started.result()
    except (OSError, RuntimeError) as error:
        if is_stopped():
            raise StoppedSweepError(f"{NOT_BEGUN}.") from error
        raise SweepError(
            f"a worker process ended while it was starting, or could not be started ({_cause(error)}): killed, or out "
            "of memory; the kernel's log says which. No run had begun, and what is finished is kept: call the same "
            "command again, with fewer --workers if that happens again"
        ) from error


def _cluster(workers: int, pools: dict[str, str]) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,  # Dask would pause and kill by its own guess; the kernel knows better
        dashboard_address="127.0.0.1:0",  # a fixed port would be taken by the next sweep
        scheduler_kwargs={"dashboard": False},
        silence_logs=logging.CRITICAL,
        env=pools,
    )


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


def _with(name: str, value: str) -> str:
    """Return a list of the environment with one more entry."""
    before = os.environ.get(name)
    return value if not before else before if value in before.split(",") else f"{before},{value}"


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Add to a list of the environment, for processes that are started meanwhile."""
    before = os.environ.get(name)
    os.environ[name] = _with(name, value)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
