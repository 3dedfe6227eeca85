"""How the streams of radios keep running: by threads of their own, or step by step where samples wait for everybody.

On hardware, and on an emulation in real time, two threads a radio fetch and hand over blocks without a pause
(`free_running`). On an emulation in lock-step, one thread serves all radios of a process in turn (`lock_step`); those
of several processes have a thread each, and go as far as the emulation lets time run (`bounded`).
"""

from typing import ClassVar, Protocol

from radio.streaming.pump import Pump

QUEUE, HEAR_DEPTH = 4, 16
"""Blocks that a driver keeps. What is queued to be sent is latency, what is heard and not fetched is none."""
RESERVE = 3  # blocks that threads may be late


def thread_blocks(queue: int) -> int:
    """Return by how many blocks a burst must be ahead: the driver's queue, one being heard, threads that come late."""
    return queue + 1 + RESERVE


class Pace(Protocol):
    """What keeps pumps running.

    Attributes:
        queue: blocks that the driver of a transmitter keeps.
        stands: whether sample time may stand: blocks take as long as they take.
    """

    queue: int
    stands: ClassVar[bool]

    def start(self, pump: Pump, rate: float) -> None:
        """Keep a pump running whose stream is open; `rate` in Hz."""
        ...

    def wait(self, pump: Pump, heard: int) -> None:
        """Return when the stream has heard so many samples, or has failed."""
        ...

    def stop(self, pump: Pump) -> bool:
        """Keep it running no more, and return whether its stream may be closed: whether nobody is inside of it."""
        ...

    def backlog(self, pump: Pump) -> int:
        """Return how many of the blocks that will be fetched may hold samples from before now."""
        ...

    def lead(self, block: int) -> int:
        """Return by how many samples a burst must be ahead of what was heard, with blocks of so many."""
        ...

    def seconds(self, pump: Pump) -> float:
        """Return when the last sample was heard, in seconds of a time that runs on whether or not the stream does."""
        ...
