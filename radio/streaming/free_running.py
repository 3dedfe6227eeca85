"""Streams that run by themselves: two threads a radio, and the time of day at which its samples came."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from weakref import WeakKeyDictionary

from radio.streaming.pace import HEAR_DEPTH, QUEUE, thread_blocks
from radio.streaming.pump import Pump
from radio.streaming.threads import Threads, await_count

MOST_DRIFT = 1e-4  # of a radio's clock beside the time of day


@dataclass
class FreeRunning:
    """Two threads for each pump.

    Args:
        queue: blocks that the driver of a transmitter keeps: more survive more load, and a burst must be further ahead.
        began: returns when the stream of a radio of a label began, in seconds of its own clock, where somebody knows.
    """

    queue: int = QUEUE
    stands: ClassVar[bool] = False
    began: Callable[[str], float] | None = None
    _threads: Threads = field(default_factory=Threads)
    _rates: WeakKeyDictionary[Pump, float] = field(default_factory=WeakKeyDictionary)
    _began: WeakKeyDictionary[Pump, float] = field(default_factory=WeakKeyDictionary)

    def start(self, pump: Pump, rate: float) -> None:
        """Start both threads."""
        self._rates[pump], label = rate, pump.stream.label
        if self.began is not None:
            self._began[pump] = self.began(label)
        self._threads.start(pump, label, {"stream-send": pump.push, "stream-hear": lambda: self._pull(pump)})

    def wait(self, pump: Pump, heard: int) -> None:
        """Wait until so many samples are there, or are overdue."""
        await_count(pump, pump.stream.label, lambda: pump.stream.heard, heard, self._rates[pump])

    def stop(self, pump: Pump) -> bool:
        """End both threads, and return whether they have ended."""
        return self._threads.stop(pump, pump.stream.label, pump.stream.cancel)

    def backlog(self, pump: Pump) -> int:
        """Return the blocks that are due by the time of day, if their beginning is known, and one for what is not."""
        if self.began is not None or pump not in self._began:
            return HEAR_DEPTH + 1
        missing = (time.monotonic() - self._began[pump]) * self._rates[pump] - pump.stream.heard
        return min(max(math.ceil(missing / pump.stream.block), 0), HEAR_DEPTH) + 1

    def lead(self, block: int) -> int:
        """Return what threads need."""
        return thread_blocks(self.queue) * block

    def seconds(self, pump: Pump) -> float:
        """Return the time of day of the last sample, by the blocks that came with the least delay, if nobody knows."""
        if pump not in self._began:
            return time.monotonic()
        return self._began[pump] + pump.stream.heard / self._rates[pump]

    def _pull(self, pump: Pump) -> None:
        pump.pull()
        if self.began is not None:
            return
        rate = self._rates[pump]
        began = time.monotonic() - pump.stream.heard / rate
        self._began[pump] = min(began, self._began.get(pump, began) + MOST_DRIFT * pump.stream.block / rate)
