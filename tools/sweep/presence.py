"""Which workers a client has at the moment, and which of them does which run: on a cluster they come and go."""

import time
from dataclasses import dataclass, field

from distributed import Client

from tools.sweep.folder import SweepError
from tools.sweep.watch import Watch

ALONE = 120.0  # seconds without any worker: Dask starts one again in a few, if it does
LOOK_EVERY = 2.0  # seconds between two looks at which workers there are


@dataclass
class Presence:
    """What a client knows of its workers.

    Args:
        client: of the cluster.
        watch: is told when there has been no worker for a while.
    """

    client: Client
    watch: Watch
    _there: frozenset[str] = frozenset()
    _worker_of: dict[str, str] = field(default_factory=dict)
    _looked: float = 0.0
    _seen: float | None = None

    @property
    def count(self) -> int:
        """How many there were at the last look."""
        return len(self._there)

    def look(self) -> list[str]:
        """See which workers there are, if it is time to, and return which runs have lost theirs, by key."""
        if time.monotonic() - self._looked <= LOOK_EVERY:
            return []
        self._there, self._looked = frozenset(self.client.nthreads()), time.monotonic()
        lost = [key for key, worker in self._worker_of.items() if worker not in self._there]
        for key in lost:
            self.over(key)
        return lost

    def check(self) -> None:
        """Say that there has been no worker for a while; nobody starts those of this machine but Dask, which has not.

        Raises:
            SweepError: they are of this machine.
        """
        if self._there or self._seen is None:
            self._seen = self._looked
        if self._looked - self._seen <= ALONE:
            return
        self._seen = self._looked
        if self.client.cluster is not None:
            raise SweepError(
                f"all worker processes have ended, and for {ALONE:.0f} s none has started again: killed, or out of "
                "memory; the kernel's log says which. Finished runs are kept, others go on from their checkpoints: "
                "call the same command again, with fewer --workers if that happens again"
            )
        self.watch.alone(self.client.scheduler.address)

    def taken_over(self, worker: str, key: str) -> bool:
        """Note which worker does a run, and return whether it was another's, which is lost then."""
        before = self._worker_of.get(key, worker)
        self._worker_of[key] = worker
        return before != worker

    def over(self, key: str) -> None:
        """Note that nobody does a run any more."""
        self._worker_of.pop(key, None)
