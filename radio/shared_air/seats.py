"""Which connection is which unit of the air."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Taken = TypeVar("Taken")


@dataclass(frozen=True)
class Seat(Generic[Taken]):
    """A unit that a process has opened.

    Args:
        unit: its id.
        route: of its connection.
        descriptor: of that, as the operating system counts.
        process: that opened it, as it says itself.
        radio: what it opened.
    """

    unit: int
    route: bytes
    descriptor: int
    process: int
    radio: Taken


@dataclass
class Seats(Generic[Taken]):
    """The units of an air that are open.

    Args:
        units: how many there are.
        radio_of: a new radio for a unit.
    """

    units: int
    radio_of: Callable[[int], Taken]
    _by_route: dict[bytes, Seat[Taken]] = field(default_factory=dict)
    _by_unit: dict[int, Seat[Taken]] = field(default_factory=dict)

    def take(self, unit: int, route: bytes, descriptor: int, process: int) -> Seat[Taken]:
        """Return the seat of a unit that is open from now on, set as at first; its counter runs on."""
        seat = Seat(unit, route, descriptor, process, self.radio_of(unit))
        self._by_route[route] = self._by_unit[unit] = seat
        return seat

    def leave(self, seat: Seat[Taken]) -> None:
        """Free a seat."""
        self._by_route.pop(seat.route, None)
        if self._by_unit.get(seat.unit) is seat:
            del self._by_unit[seat.unit]

    def at(self, route: bytes) -> Seat[Taken] | None:
        """Return the seat of a connection."""
        return self._by_route.get(route)

    def of(self, unit: int) -> Seat[Taken] | None:
        """Return the seat of a unit."""
        return self._by_unit.get(unit)

    def behind(self, descriptor: int) -> Seat[Taken] | None:
        """Return the seat of the connection that had a descriptor."""
        return next((seat for seat in self._by_route.values() if seat.descriptor == descriptor), None)

    @property
    def open(self) -> tuple[int, ...]:
        """Ids of the units that are open."""
        return tuple(sorted(self._by_unit))
