"""The two clocks of a bench: lock-step, where samples wait for the clients, and real time, where they do not."""

import asyncio
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from radio.emulation.delivery import Delivery
from radio.emulation.medium import Medium
from radio.emulation.receiving import Reception

_log = logging.getLogger(__name__)

SLACK = 1e-3  # samples that two clocks may differ in what they call the same instant

TICK = 0.008  # seconds of sample time that are worked on together in real time
CATCH_UP = 2  # times the speed of time
SHORTEST_SLEEP = 0.0005  # seconds, in which clients are served


@dataclass(eq=False)
class LockStep:
    """Sample time advances when somebody waits for samples, and everybody who streams has delivered.

    A transmit buffer holds time from its opening until its first block, and then where its last block ends. A receive
    buffer holds it while nobody reads it and one kernel buffer or none is free: with one kernel buffer, at once. So
    what is heard depends on what clients do and in which order each does it, not on how fast. A client that holds time
    longer than `timeout` is given up until it comes back: its samples are lost, or its stream has run dry, and the
    flags say so.

    Time goes from the end of one block to that of the next, whoever asks for which of them: what is on the air does not
    depend on which of several clients asks first.

    Args:
        timeout: seconds.
        bound: air time beyond which nobody's wish counts; `run` raises it, for clients that are processes of their own.
    """

    timeout: float = 2.0
    bound: float = math.inf
    _timers: dict[Medium, asyncio.TimerHandle] = field(default_factory=dict)
    _settled: asyncio.Event = field(default_factory=asyncio.Event)

    def sync(self, medium: Medium) -> None:
        """Do nothing: the present is where time stands."""

    def settle(self, medium: Medium) -> None:
        """Advance to the next block that somebody waits for, as often as nobody holds time."""
        self._settled.set()
        while demands := list(self._demands(medium)):
            target = min(demands)
            if any(limit < target - SLACK for limit, _ in _limits(medium)):
                if medium not in self._timers:
                    loop = asyncio.get_running_loop()
                    self._timers[medium] = loop.call_later(self.timeout, self._give_up, medium)
                return
            ends = (medium.time_of(reception.unit, reception.end) for reception in medium.receptions)
            medium.play(max(min([target, *ends]), math.nextafter(medium.time, math.inf)))
            self._disarm(medium)
        self._disarm(medium)

    async def run(self, medium: Medium, time: float) -> None:
        """Let time run up to an air time; return when it stands there, and everybody has fetched and sent so far.

        Who does not do so within `timeout` is not waited for.
        """
        self.bound = max(self.bound, time) if math.isfinite(self.bound) else time
        self.settle(medium)
        try:
            async with asyncio.timeout(self.timeout):
                while not self._stands(medium):
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            for reception in medium.receptions:
                reception.absent = reception.absent or reception.waiting is None

    async def stop(self) -> None:
        """Give nobody up any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _demands(self, medium: Medium) -> Iterator[float]:
        """Yield the air times that somebody waits for, as far as the bound; the bound is one of them."""
        yield from (time for time in _demands(medium) if time <= self.bound + SLACK)
        if medium.receptions and medium.time < self.bound - SLACK and math.isfinite(self.bound):
            yield self.bound

    def _stands(self, medium: Medium) -> bool:
        """Return whether time has come to the bound, and everybody waits for samples beyond it."""
        return next(self._demands(medium), None) is None and all(
            reception.absent or (reception.waiting is not None and not reception.ready)
            for reception in medium.receptions
        )

    def _disarm(self, medium: Medium) -> None:
        if timer := self._timers.pop(medium, None):
            timer.cancel()

    def _give_up(self, medium: Medium) -> None:
        del self._timers[medium]
        target = min(self._demands(medium), default=medium.time)
        for limit, holder in list(_limits(medium)):
            if limit < target - SLACK:
                _dismiss(holder, medium)
        self.settle(medium)


@dataclass(eq=False)
class RealTime:
    """Sample time is the time of day: whoever comes late loses samples, or has run dry.

    Time advances step by step, `TICK` or half of the shortest queue: many small steps would cost many times the work.
    An emulator that is kept from its work falls behind the time of day, and makes up for it at no more than `CATCH_UP`
    times the speed: what it could not take from clients meanwhile is no fault of theirs. It is never more than `slack`
    behind; what does not fit into that is lost to everybody.

    Args:
        slack: seconds.
    """

    slack: float = 0.5
    _tickers: WeakKeyDictionary[Medium, tuple[float, asyncio.Task[None] | None]] = field(
        default_factory=WeakKeyDictionary
    )

    def sync(self, medium: Medium) -> None:
        """Bring a medium that nobody uses up to now; in one that runs, the present is the end of its last step."""
        if not medium.is_busy:
            medium.play(self._now(medium))

    def settle(self, medium: Medium) -> None:
        """Let time run while somebody streams."""
        self._now(medium)
        epoch, ticker = self._tickers[medium]
        if medium.is_busy and (ticker is None or ticker.done()):
            self._tickers[medium] = epoch, asyncio.get_running_loop().create_task(self._run(medium))

    async def stop(self) -> None:
        """Let time stand."""
        tasks = [task for _, task in self._tickers.values() if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _now(self, medium: Medium) -> float:
        """Return the air time that it is."""
        epoch, _ = self._tickers.setdefault(medium, (time.monotonic(), None))
        return (time.monotonic() - epoch) * medium.air.sample_rate

    async def _run(self, medium: Medium) -> None:
        rate, most, is_warned = medium.air.sample_rate, self.slack * medium.air.sample_rate, False
        while medium.is_busy:
            started, step = self._now(medium), min(TICK * rate, *_halves(medium))
            late = started - medium.time
            if late > most and not is_warned:
                _log.warning(
                    "virtual Plutos are %.0f ms behind the time of day, more than the %.0f ms that they make up for: "
                    "samples are lost; lower the sample rate, or take load off the machine",
                    1e3 * late / rate,
                    1e3 * self.slack,
                )
            is_warned = late > most or (is_warned and late > step)
            medium.play(started - most)
            medium.play(min(started, medium.time + step))
            due = max(medium.time + step, started + step / CATCH_UP)
            await asyncio.sleep(max((due - self._now(medium)) / rate, SHORTEST_SLEEP))


def _halves(medium: Medium) -> Iterator[float]:
    """Yield half of the length of every queue, in samples: a step beyond that would leave nobody time to refill it."""
    for reception in medium.receptions:
        yield reception.depth * reception.size / 2
    for _, delivery in medium.deliveries():
        if not delivery.cyclic:
            yield delivery.depth * delivery.size / 2


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
