"""Streams step by step, where sample time stands until everybody has delivered: one thread serves all radios in turn.

The one whose next block ends first is served next, and only as far as somebody wants to hear: that is deterministic.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from weakref import WeakKeyDictionary

from radio.base import RadioError
from radio.streaming.pace import QUEUE
from radio.streaming.pump import Pump

AHEAD = 2  # blocks that are queued to be sent
LOCK_STEP_BLOCKS = AHEAD + 1  # what is queued, and the block being filled


@dataclass
class LockStep:
    """All pumps in turn.

    Args:
        due: returns the air time, in samples, at which the next block ends that a radio of a label will fetch.
        rate: in Hz, of the air.
        waiting: returns how many whole blocks wait for a radio of a label to fetch them.
        queue: kernel buffers of a transmitter.
    """

    due: Callable[[str], float]
    rate: float
    waiting: Callable[[str], int]
    queue: int = QUEUE
    stands: ClassVar[bool] = False
    pumps: list[Pump] = field(default_factory=list)
    _due: WeakKeyDictionary[Pump, float] = field(default_factory=WeakKeyDictionary)

    def start(self, pump: Pump, rate: float) -> None:
        """Queue the first blocks and serve this pump from now on."""
        self._guarded(pump, fill)
        if pump.failure is None:
            self.pumps.append(pump)

    def wait(self, pump: Pump, heard: int) -> None:
        """Serve all pumps until this one has heard so much."""
        if pump.stream.heard >= heard or pump.failure is not None:
            return
        due = {other: self.due(other.stream.label) for other in self.pumps}
        while pump.stream.heard < heard and pump.failure is None:
            nearest = min((other for other in due if other.failure is None), key=due.__getitem__)
            self._guarded(nearest, self._step)
            if nearest.failure is None:
                due[nearest] += nearest.stream.block
                self._due[nearest] = due[nearest]

    def stop(self, pump: Pump) -> bool:
        """Serve it no more."""
        if pump in self.pumps:
            self.pumps.remove(pump)
        return True

    def backlog(self, pump: Pump) -> int:
        """Return the blocks that wait, and the one being heard."""
        return self.waiting(pump.stream.label) + 1

    def lead(self, block: int) -> int:
        """Return what one thread needs."""
        return LOCK_STEP_BLOCKS * block

    def seconds(self, pump: Pump) -> float:
        """Return the air's time at which the next block ends; of a pump that has failed: would have ended."""
        label = pump.stream.label
        return (self._due[pump] if pump in self._due else self.due(label)) / self.rate

    def _step(self, pump: Pump) -> None:
        pump.pull()
        fill(pump)

    def _guarded(self, pump: Pump, action: Callable[[Pump], None]) -> None:
        """Do something for a pump; if it fails, the others go on without it."""
        try:
            action(pump)
        except RadioError as error:
            pump.fail(error)
            self.stop(pump)


def fill(pump: Pump) -> None:
    """Hand over what is to be ahead of what was heard."""
    while pump.lead < AHEAD * pump.stream.block:
        pump.push()
