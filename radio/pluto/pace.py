"""How the streams of radios keep running: by threads of their own, or step by step where samples wait for everybody.

On hardware, and on an emulation in real time, two threads a radio fetch and hand over blocks without a pause. On an
emulation in lock-step, sample time stands until everybody has delivered, so one thread can serve all radios in turn,
the one whose next block ends first, and only as far as somebody wants to hear: that is deterministic.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakKeyDictionary

from radio.base import RadioError
from radio.pluto.pump import Pump
from radio.pluto.stream import HEAR_DEPTH, QUEUE
from radio.precedence import take_precedence

AHEAD = 2  # blocks that are queued to be sent in lock-step
PATIENCE = 5.0  # seconds that a block may be late
RESERVE = 3  # blocks that threads may be late
LOCK_STEP_BLOCKS = AHEAD + 1  # what is queued, and the block being filled
MOST_DRIFT = 1e-4  # of a radio's clock beside the time of day

_log = logging.getLogger(__name__)


def thread_blocks(queue: int) -> int:
    """Return by how many blocks a burst must be ahead: the kernel's queue, one being heard, threads that come late."""
    return queue + 1 + RESERVE


class Pace(Protocol):
    """What keeps pumps running.

    Attributes:
        queue: kernel buffers of a transmitter.
    """

    queue: int

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


@dataclass
class FreeRunning:
    """Two threads for each pump.

    Args:
        queue: kernel buffers of a transmitter: more survive more load, and a burst must be further ahead.
        began: returns when the stream of a radio of a label began, in seconds of its own clock, where somebody knows.
    """

    queue: int = QUEUE
    began: Callable[[str], float] | None = None
    _threads: dict[Pump, tuple[threading.Event, list[threading.Thread]]] = field(default_factory=dict)
    _rates: WeakKeyDictionary[Pump, float] = field(default_factory=WeakKeyDictionary)
    _began: WeakKeyDictionary[Pump, float] = field(default_factory=WeakKeyDictionary)
    _stuck: list[Pump] = field(default_factory=list)

    def start(self, pump: Pump, rate: float) -> None:
        """Start both threads."""
        ended = threading.Event()
        threads = [
            threading.Thread(target=_repeat, args=(pump, action, ended), name=name, daemon=True)
            for name, action in (("pluto-send", pump.push), ("pluto-hear", lambda: self._pull(pump)))
        ]
        self._threads[pump], self._rates[pump] = (ended, threads), rate
        if self.began is not None:
            self._began[pump] = self.began(pump.stream.attributes.label)
        for thread in threads:
            thread.start()

    def wait(self, pump: Pump, heard: int) -> None:
        """Wait until so many samples are there, or are overdue."""
        with pump.changed:
            missing = heard - pump.stream.heard
            patience = missing / self._rates[pump] + PATIENCE
            if not pump.changed.wait_for(lambda: pump.stream.heard >= heard or pump.failure is not None, patience):
                pump.failure = RadioError(
                    f"radio {pump.stream.attributes.label}: {missing} samples must come within {patience:.1f} s, got "
                    "fewer; check its cable; the next call opens it again"
                )

    def stop(self, pump: Pump) -> bool:
        """End both threads, and return whether they have ended."""
        ended, threads = self._threads.pop(pump, (threading.Event(), []))
        ended.set()
        pump.stream.cancel()
        for thread in threads:
            thread.join(2 * PATIENCE)
        if stuck := [thread.name for thread in threads if thread.is_alive()]:
            self._stuck.append(pump)  # for ever: a buffer that is destroyed while it is in use crashes in C
            _log.warning(
                "radio %s: %s must end within %g s, got nothing; its buffers are kept, and may be in use to the next "
                "call; end the program if they are",
                pump.stream.attributes.label,
                " and ".join(stuck),
                2 * PATIENCE,
            )
        return not stuck

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
    pumps: list[Pump] = field(default_factory=list)
    _due: WeakKeyDictionary[Pump, float] = field(default_factory=WeakKeyDictionary)

    def start(self, pump: Pump, rate: float) -> None:
        """Queue the first blocks and serve this pump from now on."""
        self._guarded(pump, self._fill)
        if pump.failure is None:
            self.pumps.append(pump)

    def wait(self, pump: Pump, heard: int) -> None:
        """Serve all pumps until this one has heard so much."""
        if pump.stream.heard >= heard or pump.failure is not None:
            return
        due = {other: self.due(other.stream.attributes.label) for other in self.pumps}
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
        return self.waiting(pump.stream.attributes.label) + 1

    def lead(self, block: int) -> int:
        """Return what one thread needs."""
        return LOCK_STEP_BLOCKS * block

    def seconds(self, pump: Pump) -> float:
        """Return the air's time at which the next block ends; of a pump that has failed: would have ended."""
        label = pump.stream.attributes.label
        return (self._due[pump] if pump in self._due else self.due(label)) / self.rate

    def _step(self, pump: Pump) -> None:
        pump.pull()
        self._fill(pump)

    def _fill(self, pump: Pump) -> None:
        while pump.lead < AHEAD * pump.stream.block:
            pump.push()

    def _guarded(self, pump: Pump, action: Callable[[Pump], None]) -> None:
        """Do something for a pump; if it fails, the others go on without it."""
        try:
            action(pump)
        except RadioError as error:
            pump.fail(error)
            self.stop(pump)


def _repeat(pump: Pump, action: Callable[[], None], ended: threading.Event) -> None:
    take_precedence()  # where the system allows it: learning has the time that is left
    try:
        while not ended.is_set():
            action()
    except RadioError as error:
        if not ended.is_set():
            pump.fail(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits for samples has to know
        label, name = pump.stream.attributes.label, threading.current_thread().name
        failure = RadioError(f"radio {label}: {name} broke off ({error!r}); the next call opens it again")
        failure.__cause__ = error
        pump.fail(failure)
