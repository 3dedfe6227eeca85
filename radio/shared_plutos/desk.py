"""What the process of virtual Plutos does with the questions of processes that have one each.

Samples go through libiio. Here is what libiio has no words for: who owes a burst, who wants to hear how far, and which
unit is whose. In lock-step time is let run so far, one wish after the other, and each is answered when time stands
again and all clients have fetched and queued what there is: whatever they do then happens at one and the same instant.
"""

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from radio.base import RadioError
from radio.emulation.clock import LockStep
from radio.emulation.host import Host
from radio.emulation.unit import VirtualPluto
from radio.shared_air import messages as say
from radio.shared_air.attendance import Attendance, failed
from radio.shared_air.barrier import Barrier
from radio.shared_air.seats import Seat, Seats

FIRST_OPENINGS = 60.0
"""Seconds for which a unit waits for those before it to be opened for the first time: started anew, all are alike."""
Reply = tuple[say.Answer, None]


@dataclass(frozen=True)
class SharedPlutos:
    """Virtual Plutos to be shared.

    Args:
        host: serves them.
        about: keys and values of the experiment that shape their air: those of a process must be the same.
        step_timeout: seconds of silence after which a unit that owes a delivery is given up.
    """

    host: Host
    about: Mapping[str, say.Scalar]
    step_timeout: float


@dataclass(frozen=True)
class Arrival:
    """A process that waits for its unit.

    Args:
        question: in which it asked for it.
        route: of its connection.
        descriptor: of that.
        since: seconds of a clock.
    """

    question: say.Open
    route: bytes
    descriptor: int
    since: float


@dataclass
class PlutoDesk:
    """Where processes ask.

    Args:
        shared: the units.
    """

    shared: SharedPlutos
    attendance: Attendance[int] = field(init=False)
    _openings: Counter[int] = field(default_factory=Counter)
    _arrivals: dict[int, Arrival] = field(default_factory=dict)
    _opening: int | None = None
    _wishes: dict[int, tuple[Seat[int], int]] = field(default_factory=dict)
    _frontier: float = 0.0

    def __post_init__(self) -> None:
        shared = self.shared
        self.attendance = Attendance(len(shared.host.units), self._count_opening, shared.about, shared.step_timeout)

    @property
    def barrier(self) -> Barrier:
        """Who owes, and who waits."""
        return self.attendance.barrier

    @property
    def seats(self) -> Seats[int]:
        """Who has which unit."""
        return self.attendance.seats

    def open(self, question: say.Open, route: bytes, descriptor: int) -> None:
        """Let a connection wait for its unit: they are opened one after the other.

        Raises:
            RadioError: it cannot be had: out of range, another experiment, or somebody has it.
        """
        self.attendance.check(question, route)
        self._arrivals[question.unit] = Arrival(question, route, descriptor, time.monotonic())

    def lose(self, seat: Seat[int], reason: str) -> None:
        """Free what a unit held that is gone; its radio is silenced by a watchdog of its own."""
        self._wishes.pop(seat.unit, None)
        if self._opening == seat.unit:
            self._opening = None
        self.attendance.lose(seat, reason)

    def answer(self, seat: Seat[int], question: say.Question, samples: np.ndarray, now: float) -> say.Answer | None:
        """Return the answer to a question; None: it comes later, from `carry_out`.

        Raises:
            RadioError, ValueError: it cannot be done.
        """
        self.barrier.alive(seat.unit, now)
        number = question.number
        match question:
            case say.Hear():
                self._wish(seat, question)
                return None
            case say.Place():
                return say.Placed(number, *self.shared.host.call(lambda: _place(self._unit(seat))))
            case say.Settled():
                self._opening = None
            case say.Expect():
                return self.attendance.done(number, units=self.attendance.expect(seat, question.units, now))
            case say.Deliver():
                self.barrier.deliver(seat.unit)
            case say.Close():
                self.lose(seat, "closed")
            case _:
                raise RadioError(f"virtual Plutos do not know {type(question).__name__}; that goes through libiio")
        return self.attendance.done(number)

    def carry_out(self) -> tuple[Seat[int], Reply] | None:
        """Return what one unit waited for, and its seat; None: nobody's turn has come."""
        arrived = self._let_in(time.monotonic())
        if arrived is not None:
            return arrived
        unit = self.barrier.ready(self._frontier)
        if unit is None:
            return None
        (seat, number), end = self._wishes.pop(unit), self.barrier.waiting[unit]
        self.barrier.served(unit)
        try:
            self._run(self._unit(seat), end)
        except RadioError as error:
            return seat, (failed(number, error), None)
        return seat, (self.attendance.done(number), None)

    def give_up(self, now: float) -> None:
        """Free units that owe a delivery and have been silent for too long."""
        self.attendance.give_up(now)

    def state(self, number: int, refused: int) -> say.State:
        """Return how things stand."""
        return self.attendance.state(number, self._frontier, 0.0, 0, refused)

    def _let_in(self, now: float) -> tuple[Seat[int], Reply] | None:
        if self._opening is not None or not self._arrivals:
            return None
        unit = min(self._arrivals)
        arrival = self._arrivals[unit]
        if any(not self._openings[other] for other in range(unit)) and now - arrival.since < FIRST_OPENINGS:
            return None
        del self._arrivals[unit]
        seat = self.attendance.take(arrival.question, arrival.route, arrival.descriptor)
        self._opening = unit
        return seat, (say.Assigned(arrival.question.number, self.shared.host.uris[unit], seat.radio), None)

    def _wish(self, seat: Seat[int], question: say.Hear) -> None:
        unit, count = self._unit(seat), question.count
        self.barrier.wait(seat.unit, self.shared.host.call(lambda: _end(unit, count)))
        self._wishes[seat.unit] = seat, question.number

    def _run(self, unit: VirtualPluto, end: float) -> None:
        clock = unit.medium.clock
        if not isinstance(clock, LockStep):
            raise RadioError("time of virtual Plutos in real time runs by itself; give all processes the same clock")
        self._frontier = max(self._frontier, end)
        self.shared.host.wait(clock.run(unit.medium, self._frontier))

    def _unit(self, seat: Seat[int]) -> VirtualPluto:
        return self.shared.host.units[seat.unit]

    def _count_opening(self, unit: int) -> int:
        """Return how often a unit was opened before."""
        self._openings[unit] += 1
        return self._openings[unit] - 1


def _end(unit: VirtualPluto, count: int) -> float:
    """Return the air time at which a unit has so many samples of its running stream, in whole blocks."""
    reception = unit.reception
    if reception is None:
        raise RadioError(f"unit {unit.number} has no running stream; open one first")
    blocks = math.ceil(count / reception.size)
    return unit.medium.time_of(unit.number, reception.opened + blocks * reception.size)


def _place(unit: VirtualPluto) -> tuple[int, int]:
    """Return the count at which a unit's stream was opened, and its samples up to the end of the present block."""
    reception = unit.reception
    if reception is None:
        raise RadioError(f"unit {unit.number} has no running stream; open one first")
    return reception.opened, reception.end - reception.opened
