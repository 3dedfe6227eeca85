"""Where the time of a round goes: learning, the server's tasks, the disk; what is left is the control plane's.

    control = total − local − (call + sound + decide + receive + decode) − evaluation − commit

They come one after the other. `local` is the learning of the slowest agent; waiting for its messages, and for its disk,
is the control plane's; so is what its side of the uplink computes, but where the server waits for that on the air.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """The clock of a round; it starts when it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage; the times of stages of one name add up."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - started

    def learnt(self, seconds: float) -> None:
        """Take note of how long an agent says that it has learned; it cannot have been longer than the round."""
        believed = min(seconds, time.perf_counter() - self._started)
        self._seconds["local"] = max(self._seconds.get("local", 0.0), believed)

    def seconds(self) -> dict[str, float]:
        """Return the seconds since the begin (`total`), of each stage, and of `control`."""
        total = time.perf_counter() - self._started
        return {"total": total, **self._seconds, "control": total - sum(self._seconds.values())}
