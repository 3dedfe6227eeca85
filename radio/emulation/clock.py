"""The two clocks of a bench: lock-step, where samples wait for the clients, and real time, where they do not."""

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from radio.emulation.medium import Medium
from radio.emulation.receiving import Reception
from radio.emulation.sending import Delivery

SLACK = 1e-3  # samples that two clocks may differ in what they call the same instant

SLEEP = 0.005  # seconds between two looks at the time, at most
SHORTEST_SLEEP = 0.0005


@dataclass(eq=False)
class LockStep:
    """Sample time advances when somebody waits for samples, and everybody who streams has delivered.

    A transmit buffer holds time from its opening until its first block, and then where its last block ends. A receive
    buffer holds it while nobody reads it and one kernel buffer or none is free: with one kernel buffer, at once. So
    what is heard depends on what clients do and in which order each does it, not on how fast. A client that holds time
    longer than `timeout` is given up until it comes back: its samples are lost, or its stream has run dry, and the
    flags say so.

    Args:
        timeout: seconds.
    """

    timeout: float = 2.0
    _timers: dict[Medium, asyncio.TimerHandle] = field(default_factory=dict)

    def sync(self, medium: Medium) -> None:
        """Do nothing: the present is where time stands."""

    def settle(self, medium: Medium) -> None:
        """Advance to the next block that somebody waits for, as often as nobody holds time."""
        while demands := list(_demands(medium)):
            target = min(demands)
            if any(limit < target - SLACK for limit, _ in _limits(medium)):
                if medium not in self._timers:
                    loop = asyncio.get_running_loop()
                    self._timers[medium] = loop.call_later(self.timeout, self._give_up, medium)
                return
            medium.play(max(target, math.nextafter(medium.time, math.inf)))
            self._disarm(medium)
        self._disarm(medium)

    async def stop(self) -> None:
        """Give nobody up any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _disarm(self, medium: Medium) -> None:
        if timer := self._timers.pop(medium, None):
            timer.cancel()

    def _give_up(self, medium: Medium) -> None:
        del self._timers[medium]
        target = min(_demands(medium), default=medium.time)
        for limit, holder in list(_limits(medium)):
            if limit < target - SLACK:
                _dismiss(holder, medium)
        self.settle(medium)


@dataclass(eq=False)
class RealTime:
    """Sample time is the time of day: whoever comes late loses samples, or has run dry."""

    _tickers: WeakKeyDictionary[Medium, tuple[float, asyncio.Task[None] | None]] = field(
        default_factory=WeakKeyDictionary
    )

    def sync(self, medium: Medium) -> None:
        """Bring the medium up to now."""
        now = time.monotonic()
        epoch, _ = self._tickers.setdefault(medium, (now, None))
        medium.play((now - epoch) * medium.air.sample_rate)

    def settle(self, medium: Medium) -> None:
        """Bring the medium up to now, and keep doing so while somebody streams."""
        self.sync(medium)
        epoch, ticker = self._tickers[medium]
        if medium.is_busy and (ticker is None or ticker.done()):
            self._tickers[medium] = epoch, asyncio.get_running_loop().create_task(self._tick(medium))

    async def stop(self) -> None:
        """Let time stand."""
        tasks = [task for _, task in self._tickers.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tick(self, medium: Medium) -> None:
        while medium.is_busy:
            self.sync(medium)
            due = min(_demands(medium), default=medium.time + SLEEP * medium.air.sample_rate)
            wait = (due - medium.time) / medium.air.sample_rate
            await asyncio.sleep(min(max(wait, SHORTEST_SLEEP), SLEEP))


def _demands(medium: Medium) -> Iterator[float]:
    """Yield the air times at which somebody who waits would have what it waits for."""
    for reception in medium.receptions:
        if reception.waiting is not None and not reception.ready:
            yield medium.time_of(reception.unit, reception.end)
    for unit, delivery in medium.deliveries():
        if delivery.waiting is not None and delivery.queued(medium.count(unit)) >= delivery.depth:
            yield medium.time_of(unit, next(block.end for block in delivery.blocks if block.end > medium.count(unit)))


def _limits(medium: Medium) -> Iterator[tuple[float, Reception | tuple[int, Delivery]]]:
    """Yield the air times beyond which somebody would lose samples, or run dry, and who that is."""
    for reception in medium.receptions:
        if (limit := reception.limit()) is not None:
            yield medium.time_of(reception.unit, limit), reception
    for unit, delivery in medium.deliveries():
        if (limit := delivery.limit()) is not None:
            yield medium.time_of(unit, limit), (unit, delivery)


def _dismiss(holder: Reception | tuple[int, Delivery], medium: Medium) -> None:
    """Go on without somebody who holds time."""
    if isinstance(holder, Reception):
        holder.absent = True
        holder.lost()
    else:
        unit, delivery = holder
        delivery.dry = True
        medium.ran_dry(unit)
