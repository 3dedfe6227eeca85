"""Who takes part in what several processes share, who owes a delivery, and who is given up: no sockets, no clock."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from radio.base import RadioError
from radio.shared_air import messages as say
from radio.shared_air.barrier import Barrier
from radio.shared_air.seats import Seat, Seats

LOG = logging.getLogger("airmeta.air")
KEEPER = 0
"""The unit that may expect others."""
Taken = TypeVar("Taken")


@dataclass
class Attendance(Generic[Taken]):
    """The units that are open.

    Args:
        units: how many there may be.
        radio_of: what a process gets that opens a unit.
        about: keys and values of the experiment that shape what is shared: those of a unit must be the same.
        step_timeout: seconds of silence after which a unit that owes a delivery is given up.
        barrier: who owes, and who waits.
        seats: who has which unit.
    """

    units: int
    radio_of: Callable[[int], Taken]
    about: Mapping[str, say.Scalar]
    step_timeout: float
    barrier: Barrier = field(default_factory=Barrier)
    seats: Seats[Taken] = field(init=False)

    def __post_init__(self) -> None:
        self.seats = Seats(self.units, self.radio_of)

    def check(self, question: say.Open, route: bytes) -> None:
        """Return if a connection may open a unit.

        Raises:
            RadioError: not: out of range, another experiment, or somebody has it.
        """
        self._check_experiment(question)
        taken = self.seats.of(question.unit)
        if taken is not None:
            raise RadioError(
                f"unit {question.unit} is open in process {taken.process}; end that process first, or give this one "
                "another unit (--id)"
            )
        if self.seats.at(route) is not None:
            raise RadioError("this connection has opened a unit already; open another connection")

    def take(self, question: say.Open, route: bytes, descriptor: int) -> Seat[Taken]:
        """Return the seat of a connection that may open a unit."""
        seat = self.seats.take(question.unit, route, descriptor, question.process)
        LOG.info("unit %d: opened by process %d", question.unit, question.process)
        return seat

    def lose(self, seat: Seat[Taken], reason: str) -> None:
        """Free what a unit held that is gone."""
        owed = seat.unit in self.barrier.owing
        self.seats.leave(seat)
        self.barrier.leave(seat.unit)
        LOG.log(
            logging.WARNING if owed else logging.INFO,
            "unit %d: %s%s", seat.unit, reason, "; it owed a delivery, nobody waits for it any more" if owed else "",
        )  # fmt: skip

    def expect(self, seat: Seat[Taken], units: tuple[int, ...], now: float) -> tuple[int, ...]:
        """Let units owe a delivery; return those that are not open, and owe nothing.

        Raises:
            ValueError: the unit may not.
            RadioError: there are no such units.
        """
        if seat.unit != KEEPER:
            raise ValueError(f"only unit {KEEPER} may expect others, this is unit {seat.unit}; leave it to the server")
        self._check_range(units)
        present = [unit for unit in units if self.seats.of(unit) is not None]
        self.barrier.expect(present, now)
        return tuple(sorted(set(units).difference(present)))

    def give_up(self, now: float) -> None:
        """Free units that owe a delivery and have been silent for too long."""
        for unit in self.barrier.give_up(now, self.step_timeout):
            seat = self.seats.of(unit)
            LOG.warning(
                "unit %d (process %s) hangs: it owes a delivery and has said nothing for %g s "
                "(radio.loopback.step_timeout_s); nobody waits for it any more",
                unit, "?" if seat is None else seat.process, self.step_timeout,
            )  # fmt: skip

    def state(self, number: int, frontier: float, seconds: float, samples: int, refused: int) -> say.State:
        """Return how things stand."""
        barrier = self.barrier
        return say.State(
            number, frontier, seconds, samples, self.units, self.seats.open,
            tuple(sorted(barrier.owing)), tuple(sorted(barrier.waiting)), tuple(sorted(barrier.hung)), refused,
        )  # fmt: skip

    def done(self, number: int, index: int = 0, units: tuple[int, ...] = ()) -> say.Done:
        """Return the answer to what was done."""
        return say.Done(number, index, units, tuple(sorted(self.barrier.hung)))

    def _check_range(self, units: tuple[int, ...]) -> None:
        for unit in units:
            if unit >= self.units:
                raise RadioError(
                    f"units of this air are 0, the server's, to {self.units - 1}, agent i being i + 1, got "
                    f"{unit}; raise agents.count, or give a smaller --id"
                )

    def _check_experiment(self, question: say.Open) -> None:
        here, there = self.about, question.about
        keys = sorted(here.keys() | there.keys())
        differing = [
            f"{key}: {here.get(key)} at the air, {there.get(key)} at unit {question.unit}"
            for key in keys
            if here.get(key) != there.get(key) or (key in here) != (key in there)
        ]
        if differing:
            raise RadioError(
                "this air is that of another experiment; start both from the same file and --set. They differ in\n  "
                + "\n  ".join(differing)
            )
        self._check_range((question.unit,))


def failed(number: int, error: Exception) -> say.Failed:
    """Return what is said of an error."""
    return say.Failed(number, type(error).__name__, str(error))
