"""A flowgraph with all its units, opened as often as it takes; its counts go on at a common index.

All units share one process, so what stops one stops all: the call that finds out raises, the next one starts the
flowgraph again.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from radio import exits
from radio.base import RadioError, Samples
from radio.gnuradio.controls import Controls
from radio.gnuradio.plan import Plan
from radio.gnuradio.running import CREDIT_BLOCKS, Running
from radio.streaming.offset import learn
from radio.streaming.pump import Pump

SEARCHED = 64  # blocks in which the marker must come
FLUSHED = 8


@dataclass(eq=False)
class Flowgraph:
    """A flowgraph and its units.

    Args:
        plan: what is to be run.
        controls: of each unit.
        sessions: how often it was started.
        is_open: whether it runs, as far as is known.

    Raises:
        RadioError: it does not start.
    """

    plan: Plan
    controls: Sequence[Controls]
    sessions: int = 0
    is_open: bool = False
    lead_time: int = field(init=False)
    _running: Running = field(init=False)
    _origins: list[int] = field(default_factory=list)
    _next: int = 0
    _left: float | None = None

    def __post_init__(self) -> None:
        self.open()

    def pump(self, unit: int) -> Pump:
        """Return the running streams of a unit."""
        return self._running.pumps[unit]

    @property
    def process_id(self) -> int | None:
        """Id of its process; None: it has none of ours."""
        return self._running.process_id if self.is_open else None

    @property
    def is_timed(self) -> bool:
        """Whether it has a clock of its own, which nobody can stop."""
        return self._running.is_timed

    @property
    def failure(self) -> RadioError | None:
        """Why it stopped."""
        return self._running.failure if self.is_open else None

    def origin(self, unit: int) -> int:
        """Return the index of the first sample since the start that a unit heard."""
        return self._origins[unit]

    def end(self, unit: int) -> int:
        """Return the index of the sample that a unit hears next, or would."""
        return self.pump(unit).ring.end if self.is_open else self._next

    def open(self) -> None:
        """Start it, and return when samples of all units come, with the offset between both directions known.

        Raises:
            RadioError: something of this failed; everything is closed again.
        """
        self._running, self.is_open = Running(self.plan), True
        try:
            for one in self.controls:
                one.open()
            self._running.start()
            self.lead_time = self._running.lead_time
            self._origins = [0] * self.plan.units
            self._running.check_samples()
            self._learn()
            for one in self.controls:
                one.ready()
            self._align()
        except BaseException:
            self.close()
            raise
        self.sessions += 1
        exits.register(self)

    def wait(self, unit: int, heard: int) -> None:
        """Return when a unit has heard so many samples since the start.

        Raises:
            RadioError: why it has not.
        """
        self._running.wait(unit, heard)

    def catch_up(self, unit: int) -> None:
        """Return when a unit has heard all that it received before this call.

        No more than the credit is on its way: as many samples have left the radio, of those that were handed over.

        Raises:
            RadioError: why it has not.
        """
        if self.is_timed:
            self.wait(unit, self.pump(unit).stream.heard + CREDIT_BLOCKS * self.plan.block)

    def read(self, unit: int, count: int, at: int) -> Samples:
        """Return samples that a unit has heard."""
        pump = self.pump(unit)
        with pump.changed:
            return pump.ring.read(count, at)

    def close(self) -> None:
        """Silence and end everything; the counts go on from the latest one."""
        exits.forget(self)
        if not self.is_open:
            return
        self.is_open = False
        if self.sessions:
            self._next = max([self._next, *(pump.ring.end for pump in self._running.pumps)])
            self._left = time.monotonic()
        self._running.close()
        for one in self.controls:
            with suppress(RadioError):  # whoever closes has silenced before, or says so
                one.close()

    def _learn(self) -> None:
        """Find by how many samples what is heard is behind what is sent, unit by unit, with nothing on the air."""
        if self._running.is_learned:
            return
        for unit, (pump, one) in enumerate(zip(self._running.pumps, self.controls, strict=True)):
            one.loop_back(True)
            try:
                found = learn(pump, partial(self.wait, unit), 0, SEARCHED)
            finally:
                one.loop_back(False)
            pump.offset = found + one.antenna_delay
            pump.stream.offset = pump.offset
            self.wait(unit, pump.stream.heard + FLUSHED * self.plan.block)

    def _align(self) -> None:
        """Forget what was heard; all units go on at one index, by as much later as has gone by since they stopped."""
        if self._left is not None and self.is_timed:
            self._next += round((time.monotonic() - self._left) * self.plan.sample_rate)
        for unit, pump in enumerate(self._running.pumps):
            with pump.changed:
                self._origins[unit] = self._next - pump.stream.heard
                pump.ring.restart(self._next)
