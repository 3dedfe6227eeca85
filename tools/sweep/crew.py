"""The workers of a sweep: how many, what they must have, and those of a Dask scheduler that is there already."""

import logging
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from typing import Any

import dask
from distributed import Client
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError

from fl.manifest import git_hash, version
from tools.sweep.folder import SweepError
from tools.sweep.plan import Job

QUIET: Mapping[str, Any] = {
    "distributed.worker.profile.enabled": False,  # looks at every thread a hundred times a second
    "distributed.diagnostics.nvml": False,
}
ADDRESS = re.compile(r"\w+://.+:\d+")
CONNECT = 5  # seconds
GONE = FutureCancelledError, CommClosedError
"""What says that a scheduler is lost while the client still, or again, counts as running."""


@dataclass(frozen=True)
class Source:
    """What decides which bytes a configuration gives, apart from the processor.

    Args:
        airmeta: version.
        git: commit of the source tree, marked if it was changed; None outside a checkout.
        python: major and minor version.
        numpy: version.
        torch: version.
    """

    airmeta: str
    git: str | None
    python: str
    numpy: str
    torch: str

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in asdict(self).items() if value is not None)


@cache
def source() -> Source:
    """Return what this process has."""
    python = ".".join(platform.python_version_tuple()[:2])
    return Source(version(), git_hash(), python, metadata.version("numpy"), metadata.version("torch"))


def threads_of(jobs: Sequence[Job]) -> int:
    """Return the most threads that a run of these wants."""
    return max((job.config.run.threads for job in jobs), default=1)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def default_workers(jobs: Sequence[Job]) -> int:
    """Return how many processes keep the cores of this machine busy without fighting over them."""
    return max(1, min(cores() // threads_of(jobs), len({job.key for job in jobs})))


def on_radios(jobs: Sequence[Job]) -> bool:
    """Return whether any of these runs goes through radios that are there once, and not simulated for each."""
    return any(job.config.uplink.kind == "waveform" and not job.config.radio.is_simulated for job in jobs)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of a scheduler that is there already.

    Raises:
        SweepError: nothing answers there, or something else does, or no longer.
    """
    if not ADDRESS.fullmatch(address):
        raise SweepError(f"--scheduler {address}: expected its address, for example tcp://lab-server:8786")
    with dask.config.set(QUIET):
        try:
            client = Client(address, timeout=CONNECT, set_as_default=False)
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise SweepError(
                f"--scheduler {address}: no Dask scheduler answers there within {CONNECT} s ({error}); start one with "
                f"`dask scheduler` and workers with `dask worker {address} --nthreads 1`, or leave --scheduler out to "
                "use this machine"
            ) from error
    with client, _without_words("distributed.client"):
        try:
            yield client
        except (Exception, FutureCancelledError) as error:
            if client.status == "running" and not isinstance(error, GONE):
                raise
            raise SweepError(
                f"--scheduler {address}: it is gone; finished runs are kept, others go on from their checkpoints: "
                "start it again, then call the same command"
            ) from error


@contextmanager
def _without_words(name: str) -> Iterator[None]:
    """Let a logger say nothing: what it would say is raised as an error, too."""
    log = logging.getLogger(name)
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)
