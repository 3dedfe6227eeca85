"""Whether all workers may take part: the same airmeta, one run at a time, the same files and the same locks."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distributed import Client

from tools.sweep.crew import Source, source
from tools.sweep.folder import SweepError, SweepFolder

PROBE = "probe"  # a lock that the client holds, and no worker may get
SHOWN = 5  # workers named in a message
REMIND = 60.0  # seconds between two reminders that there is no worker
LOOK = 0.5  # seconds between two looks


def muster(
    client: Client,
    folder: SweepFolder,
    sweep: str,
    say: Callable[[str], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Wait for a worker, check all that are there, and return how many they are; they have imported torch then.

    Raises:
        SweepError: some may not take part; says which, why, and what to do.
    """
    reminded = -REMIND
    while not (threads := client.nthreads()) and not is_stopped():
        if time.monotonic() - reminded > REMIND:
            reminded = time.monotonic()
            say(f"waiting for workers: start some with `dask worker {client.scheduler.address} --nthreads 1`")
        time.sleep(LOOK)
    with folder.lock(PROBE):
        answers = client.run(answer, folder.path, on_error="return")
    problems = [
        f"{worker}: {problem}"
        for worker, said in answers.items()
        if (problem := _problem(said, sweep, source(), threads.get(worker, 1)))
    ]
    if problems:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        lines = [f"  {problem}" for problem in [*problems[:SHOWN], *more]]
        raise SweepError("\n".join([f"{len(problems)} of {len(answers)} workers cannot take part:", *lines]))
    return len(answers)


def answer(folder: Path) -> dict[str, Any]:
    """Return what a worker has and sees; what its runs need is imported then."""
    import fl.experiment  # noqa: F401 - the first run would wait for it

    files = SweepFolder(folder)
    said: dict[str, Any] = {"source": source(), "sweep": None, "locked": True}
    try:
        said["sweep"] = files.read().get("id")
        if said["sweep"] is not None:  # else a lock would make the folder
            said["locked"] = files.is_held(PROBE)
    except SweepError as error:
        said["sweep"] = str(error)
    return said


def _problem(said: Any, sweep: str, mine: Source, threads: int) -> str:
    """Return why a worker cannot take part, and what helps; empty: it can."""
    if not isinstance(said, Mapping):
        return f"has no airmeta that knows sweeps ({said!r}); start it where this airmeta is installed: {mine}"
    if said["source"] != mine:
        return f"has {said['source']}, here is {mine}; install the same on both, then start the worker again"
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
