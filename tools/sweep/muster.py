"""Whether all workers may take part: the same airmeta, one run at a time, the same files and the same locks."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distributed import Client
from distributed.comm.core import CommClosedError

from tools.sweep.crew import Source, source
from tools.sweep.folder import SweepError, SweepFolder

SHOWN = 5  # workers named in a message
REMIND = 60.0  # seconds between two reminders that there is no worker
LOOK = 0.5  # seconds between two looks
PATIENCE = 15.0  # seconds after which a worker that is there and does not answer is named
SILENCE = 120.0  # seconds to wait for an answer; a worker imports torch before its first, over a network perhaps
LISTEN = 0.1  # seconds between two looks at whether there is one
PROBE = "probe-"  # names of locks that clients hold, and no worker may get
STALE = 3600.0  # seconds after which such a lock that nobody holds is one of a client that was killed
CHANGED = "the source tree has changed since the sweep began: call the same command again"
ELSEWHERE = "install the same on both, then start the worker again"
UNANSWERED = CommClosedError, ConnectionError, TimeoutError


@contextmanager
def held_probe(folder: SweepFolder) -> Iterator[str]:
    """Yield the name of a lock that this client holds meanwhile, and no other one has; workers look at it.

    What clients that were killed have left of theirs is removed.
    """
    for path in (folder.path / "locks").glob(f"{PROBE}*.lock"):
        with suppress(FileNotFoundError):  # another client does the same
            if time.time() - path.stat().st_mtime > STALE and not folder.is_held(path.stem):
                path.unlink()
    name = f"{PROBE}{uuid.uuid4().hex}"
    try:
        with folder.lock(name):
            yield name
    finally:
        (folder.path / "locks" / f"{name}.lock").unlink(missing_ok=True)


def muster(
    client: Client,
    folder: SweepFolder,
    sweep: str,
    probe: str,
    say: Callable[[str], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Wait for a worker, check all that are there, and return how many they are; they have imported torch then.

    A worker that is lost meanwhile is none of them, and not to blame.

    Args:
        client: of the workers.
        folder: of the sweep.
        sweep: its id.
        probe: the lock that this client holds.
        say: is told that there are no workers.
        is_stopped: whether to stop waiting for some; 0 is returned then.

    Raises:
        SweepError: some may not take part; says which, why, and what to do.
    """
    reminded, began = -REMIND, time.monotonic()
    while not is_stopped():
        threads = client.nthreads()
        if not threads and time.monotonic() - reminded > REMIND:
            reminded = time.monotonic()
            say(f"waiting for workers: start some with `dask worker {client.scheduler.address} --nthreads 1`")
        answers = _ask(client, threads, folder.path, probe, is_stopped)
        if is_stopped():
            break
        there = client.nthreads()
        answers = {worker: said for worker, said in answers.items() if worker in there}
        silent = [worker for worker, said in answers.items() if isinstance(said, UNANSWERED)]
        if answers and (not silent or time.monotonic() - began > PATIENCE):
            _refuse(answers, sweep, there, client.cluster is not None)
            return len(answers)
        time.sleep(LOOK)
    return 0


def _ask(
    client: Client, workers: Iterable[str], folder: Path, probe: str, is_stopped: Callable[[], bool]
) -> dict[str, Any]:
    """Return what workers answer, or why they do not; nothing of those that have gone.

    Each is asked in a thread of its own, that waits: a process that is halted, or whose machine is, keeps its
    connection and answers nobody.

    Raises:
        Exception: the scheduler is gone.
    """
    asked = {worker: _answer_of(client, worker, folder, probe) for worker in workers}
    began, waiting = time.monotonic(), set(asked.values())
    while waiting and not is_stopped() and time.monotonic() - began < SILENCE:
        waiting = wait(waiting, timeout=LISTEN).not_done
    found: dict[str, Any] = {}
    for worker, future in asked.items():
        found |= future.result() if future.done() else {worker: TimeoutError(f"nothing within {SILENCE:.0f} s")}
    return found


def _answer_of(client: Client, worker: str, folder: Path, probe: str) -> "Future[dict[str, Any]]":
    future: Future[dict[str, Any]] = Future()

    def ask() -> None:
        try:
            future.set_result(client.run(answer, folder, probe, workers=[worker], on_error="return"))
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for this one
            future.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return future


def _refuse(answers: Mapping[str, Any], sweep: str, threads: Mapping[str, int], is_local: bool) -> None:
    problems = [
        f"{worker}: {problem}"
        for worker, said in answers.items()
        if (problem := problem_of(said, sweep, source(), threads[worker], is_local))
    ]
    if problems:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        lines = [f"  {problem}" for problem in [*problems[:SHOWN], *more]]
        raise SweepError("\n".join([f"{len(problems)} of {len(answers)} workers cannot take part:", *lines]))


def answer(folder: Path, probe: str) -> dict[str, Any]:
    """Return what a worker has and sees; what its runs need is imported then.

    Args:
        folder: of the sweep.
        probe: a lock that the client holds.
    """
    import fl.experiment  # noqa: F401 - the first run would wait for it

    files = SweepFolder(folder)
    said: dict[str, Any] = {"source": source(), "sweep": None, "locked": True}
    try:
        said["sweep"] = files.read().get("id")
        if said["sweep"] is not None:  # else a lock would make the folder
            said["locked"] = files.is_held(probe)
    except SweepError as error:
        said["sweep"] = str(error)
    return said


def problem_of(said: Any, sweep: str, mine: Source, threads: int, is_local: bool = False) -> str:
    """Return why a worker cannot take part, and what helps; empty: it can.

    Args:
        said: its answer, or why there is none.
        sweep: id of the sweep.
        mine: what the client has.
        threads: of the worker.
        is_local: whether the client has started it, from the same files, and Dask again if it was killed.
    """
    if not isinstance(said, Mapping):
        return _no_answer(said, mine)
    if said["source"] != mine:
        return f"has {said['source']}, here is {mine}; {CHANGED if is_local else ELSEWHERE}"
    if threads > 1:
        return (
            f"has {threads} threads and would do {threads} runs in one process, which share the threads of torch; "
            "start it with --nthreads 1, and more processes with --nworkers"
        )
    if said["sweep"] != sweep:
        return (
            "does not see the folder of the sweep; all workers need one file system: put --out on a folder that is "
            "mounted at the same place everywhere"
        )
    if not said["locked"]:
        return (
            "does not see the locks of other machines, so two could write one run; mount the file system of --out with "
            "locks (NFS: without nolock)"
        )
    return ""


def _no_answer(error: Any, mine: Source) -> str:
    if isinstance(error, UNANSWERED):
        return f"does not answer ({error!r}); see its log, and start it again"
    if isinstance(error, ImportError | AttributeError):
        return f"has no airmeta that knows sweeps ({error!r}); start it where this airmeta is installed: {mine}"
    return f"cannot look at the folder of the sweep ({error!r}); see its log; this airmeta is {mine}"
