"""One air at one sample rate, its time, and everybody who streams on it.

Units hear each other only at the same sample rate: each rate has an air of its own, and a time that begins at 0.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from radio.air import Air
from radio.emulation.delivery import Delivery
from radio.emulation.receiving import Reception
from radio.emulation.sending import Sending
from radio.propagation import ROUNDING

SHORTEST_MEMORY = 1e-3  # seconds
LONGEST_STEP = 1 << 18  # samples that are put on the air at a time


class Clock(Protocol):
    """What decides how far the time of a medium has come."""

    def settle(self, medium: "Medium") -> None:
        """Let time run as far as it may; called after everything that may allow it."""
        ...

    def sync(self, medium: "Medium") -> None:
        """Bring a medium up to the present; called ahead of everything that takes effect now."""
        ...

    async def stop(self) -> None:
        """Let time stand, for good."""
        ...


@dataclass(eq=False)
class Medium:
    """An air and its streams.

    Args:
        air: the physics.
        clock: how time passes.
        time: air time, in nominal samples, up to which everything is settled.
        receptions: open receive buffers.
        sendings: the converter of every unit at this rate.
        ran_dry: called with the number of a unit whose stream ran dry.
    """

    air: Air
    clock: Clock
    ran_dry: Callable[[int], None]
    time: float = 0.0
    receptions: list[Reception] = field(default_factory=list)
    sendings: list[Sending] = field(default_factory=list)

    def count(self, unit: int) -> int:
        """Return the count of a unit's clock that is next."""
        return int(np.ceil(float(self.air.unit(unit).index(self.time)) - ROUNDING))

    def time_of(self, unit: int, count: int) -> float:
        """Return the air time at which a unit's clock shows a count."""
        return float(self.air.unit(unit).time(count))

    def deliveries(self) -> list[tuple[int, Delivery]]:
        """Return the open transmit buffers, with their units."""
        return [(sending.unit, sending.delivery) for sending in self.sendings if sending.delivery is not None]

    @property
    def is_busy(self) -> bool:
        """Whether anybody streams."""
        return bool(self.receptions or self.deliveries())

    def play(self, time: float) -> None:
        """Let time run up to an air time: put on the air what is sent, and fill what is received.

        Nothing is put on the air while nobody has a buffer for it, so an idle air costs nothing.
        """
        while self.time < time:
            if any(reception.has_room for reception in self.receptions):
                self._work(min(time, self.time + LONGEST_STEP))
            else:
                self._skip(time)
            self._retire()

    def _work(self, time: float) -> None:
        self.air.memory = max(SHORTEST_MEMORY, (time - self._oldest()) / self.air.sample_rate + SHORTEST_MEMORY)
        for sending in self.sendings:
            sending.emit(self.air, time)
        for reception in self.receptions:
            reception.fill(self.air, time)
        self.air.pass_time(time)
        self.time = time

    def _skip(self, time: float) -> None:
        for reception in self.receptions:
            reception.fill(self.air, time)
        self.air.pass_time(time)
        self.time = time
        for sending in self.sendings:
            self.cut(sending)

    def cut(self, sending: Sending) -> None:
        """Take back what a unit has on the air beyond now: it sends something else from now on."""
        self.air.cut(sending.unit)
        sending.rewind(self.air)

    def _retire(self) -> None:
        for sending in self.sendings:
            delivery = sending.delivery
            if delivery is None:
                continue
            now = self.count(sending.unit)
            if delivery.retire(now, sending.offset):
                delivery.dry = True
                self.ran_dry(sending.unit)
            if delivery.waiting is not None and delivery.queued(now) < delivery.depth:
                wake(delivery.waiting)

    def _oldest(self) -> float:
        """Return the air time from which on somebody may still want to hear."""
        return min((self.time_of(reception.unit, reception.filled) for reception in self.receptions), default=self.time)


def wake(waiting: "asyncio.Future[None] | None") -> None:
    """Let whoever waits go on."""
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
