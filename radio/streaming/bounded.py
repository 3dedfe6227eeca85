"""Streams of an emulation that lets time run as far as somebody may hear: one thread a radio, which goes as far.

Radios of several processes share one sample time in this way. Each keeps its stream fed, whoever wants to hear; what is
heard by whom does not depend on which process is faster.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from weakref import WeakKeyDictionary

from radio.base import RadioError
from radio.streaming.lock_step import LOCK_STEP_BLOCKS, fill
from radio.streaming.pace import QUEUE
from radio.streaming.pump import Pump
from radio.streaming.threads import Threads, await_count


class Time(Protocol):
    """The sample time of one radio, as the emulation keeps it."""

    def hear(self, count: int) -> None:
        """Return once the emulation lets time run until so many samples of the running stream are there."""
        ...

    def opened(self) -> int:
        """Return the count of the radio's clock at which its running stream was opened."""
        ...

    def captured(self) -> int:
        """Return how many samples of the running stream there are at the end of the block being heard now."""
        ...


@dataclass
class Bounded:
    """The pace of one radio.

    Args:
        time: of the radio.
        queue: kernel buffers of a transmitter.
    """

    time: Time
    queue: int = QUEUE
    stands: ClassVar[bool] = True
    _threads: Threads = field(default_factory=Threads)
    _rates: WeakKeyDictionary[Pump, float] = field(default_factory=WeakKeyDictionary)
    _opened: WeakKeyDictionary[Pump, int] = field(default_factory=WeakKeyDictionary)

    def start(self, pump: Pump, rate: float) -> None:
        """Queue the first blocks and keep this pump running from now on."""
        try:
            fill(pump)
        except RadioError as error:
            pump.fail(error)
            return
        self._threads.start(pump, pump.stream.label, {"stream": lambda: _step(pump)})
        self._rates[pump], self._opened[pump] = rate, self.time.opened()

    def wait(self, pump: Pump, heard: int) -> None:
        """Ask for so many samples, and wait for them."""
        if pump.stream.heard >= heard or pump.failure is not None:
            return
        self.time.hear(heard)
        await_count(pump, pump.stream.label, lambda: pump.stream.heard, heard, self._rates[pump])

    def stop(self, pump: Pump) -> bool:
        """End its thread, and return whether it has ended."""
        return self._threads.stop(pump, pump.stream.label, pump.stream.cancel)

    def backlog(self, pump: Pump) -> int:
        """Return the blocks that wait, and the one being heard."""
        return (self.time.captured() - pump.stream.heard) // pump.stream.block

    def lead(self, block: int) -> int:
        """Return what one thread needs."""
        return LOCK_STEP_BLOCKS * block

    def seconds(self, pump: Pump) -> float:
        """Return when the last sample was heard, on the radio's own clock."""
        return (self._opened[pump] + pump.stream.heard) / self._rates[pump]


def _step(pump: Pump) -> None:
    pump.pull()
    fill(pump)
