"""What an air does with the questions of its units: no sockets here, no clock, nobody waits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from radio.air import Air
from radio.base import LateError, RadioError
from radio.loopback import LoopbackRadio
from radio.shared_air import messages as say
from radio.shared_air.attendance import Attendance, failed
from radio.shared_air.barrier import Barrier
from radio.shared_air.seats import Seat, Seats

Reply = tuple[say.Answer, np.ndarray | None]


@dataclass(frozen=True)
class Shared:
    """An air to be shared.

    Args:
        air: the simulated air.
        radio_of: a new radio for a unit of it.
        units: how many there may be.
        about: keys and values of the experiment that shape it: those of a unit must be the same.
        step_timeout: seconds of silence after which a unit that owes a delivery is given up.
    """

    air: Air
    radio_of: Callable[[int], LoopbackRadio]
    units: int
    about: Mapping[str, say.Scalar]
    step_timeout: float


@dataclass(frozen=True)
class Pending:
    """What a unit wants to hear."""

    seat: Seat[LoopbackRadio]
    question: say.Receive


@dataclass
class Desk:
    """Where units ask.

    Args:
        shared: the air.
    """

    shared: Shared
    seconds: float = 0.0
    samples: int = 0
    attendance: Attendance[LoopbackRadio] = field(init=False)
    _pending: dict[int, Pending] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shared = self.shared
        self.attendance = Attendance(shared.units, self._first_radio, shared.about, shared.step_timeout)

    @property
    def barrier(self) -> Barrier:
        """Who owes, and who waits."""
        return self.attendance.barrier

    @property
    def seats(self) -> Seats[LoopbackRadio]:
        """Who has which unit."""
        return self.attendance.seats

    def open(self, question: say.Open, route: bytes, descriptor: int) -> say.Welcome:
        """Open a unit for a connection.

        Raises:
            RadioError: it cannot be had: out of range, another experiment, or somebody has it.
        """
        self.attendance.check(question, route)
        radio = self.attendance.take(question, route, descriptor).radio
        return say.Welcome(
            question.number, radio.sample_rate, radio.timing_uncertainty, radio.timing_repeatability,
            radio.lead_time, radio.serial, radio.session, radio.limits, radio.settings,
        )  # fmt: skip

    def lose(self, seat: Seat[LoopbackRadio], reason: str) -> None:
        """Free what a unit held that is gone; what it has handed over stays on the air."""
        self._pending.pop(seat.unit, None)
        self.attendance.lose(seat, reason)

    def answer(
        self, seat: Seat[LoopbackRadio], question: say.Question, samples: np.ndarray, now: float
    ) -> say.Answer | None:
        """Return the answer to a question; None: it comes later, from `carry_out`.

        Raises:
            RadioError, ValueError: as the radio does.
        """
        self.barrier.alive(seat.unit, now)
        number = question.number
        match question:
            case say.Now():
                return self.attendance.done(number, index=seat.radio.now())
            case say.Receive():
                self._wait(seat, question)
                return None
            case say.Transmit():
                self._transmit(seat, samples, question.at)
            case say.Configure():
                return say.Set(number, seat.radio.configure(question.change))
            case say.Mute():
                seat.radio.unmute() if question.off else seat.radio.mute()
            case say.Expect():
                return self.attendance.done(number, units=self.attendance.expect(seat, question.units, now))
            case say.Deliver():
                self.barrier.deliver(seat.unit)
            case say.Close():
                index = seat.radio.now()
                seat.radio.close()
                self.lose(seat, "closed")
                return self.attendance.done(number, index)
            case _:
                raise RadioError(f"a unit that is open cannot say {type(question).__name__}; open another connection")
        return self.attendance.done(number)

    def carry_out(self) -> tuple[Seat[LoopbackRadio], Reply] | None:
        """Return what one unit wanted to hear, and its seat; None: nobody's turn has come."""
        unit = self.barrier.ready(self.shared.air.frontier)
        if unit is None:
            return None
        pending = self._pending.pop(unit)
        self.barrier.served(unit)
        number, begun = pending.question.number, time.perf_counter()
        try:
            heard = pending.seat.radio.receive(pending.question.count, pending.question.at)
        except (RadioError, ValueError) as error:
            return pending.seat, (failed(number, error), None)
        self.seconds += time.perf_counter() - begun
        self.samples += heard.data.size
        hung = tuple(sorted(self.barrier.hung))
        return pending.seat, (say.Heard(number, heard.start, heard.lost, heard.clipped, hung), heard.data)

    def give_up(self, now: float) -> None:
        """Free units that owe a delivery and have been silent for too long."""
        self.attendance.give_up(now)

    def state(self, number: int, refused: int) -> say.State:
        """Return how things stand."""
        return self.attendance.state(number, self.shared.air.frontier, self.seconds, self.samples, refused)

    def _wait(self, seat: Seat[LoopbackRadio], question: say.Receive) -> None:
        if seat.unit in self._pending:
            raise RadioError("one receive at a time: the one before has not been answered yet; open another connection")
        about = self.shared.air.unit(seat.unit)
        self._pending[seat.unit] = Pending(seat, question)
        self.barrier.wait(seat.unit, float(about.time(question.at + max(question.count, 0))))

    def _transmit(self, seat: Seat[LoopbackRadio], samples: np.ndarray, at: int) -> None:
        if seat.unit in self.barrier.hung:
            raise LateError(
                f"unit {seat.unit} was given up: it owed a delivery and said nothing for longer than "
                f"{self.shared.step_timeout:g} s (radio.loopback.step_timeout_s), and time went on without it; hand "
                "samples over earlier, or raise that key; it may send again once it is expected again"
            )
        seat.radio.transmit(samples, at)

    def _first_radio(self, unit: int) -> LoopbackRadio:
        """Return a new radio, set as at the beginning."""
        self.shared.air.restore(unit)
        return self.shared.radio_of(unit)
