"""A virtual Pluto of another process, beside what libiio says of it: which one it is, and the time that all share."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from radio.shared_air import messages as say
from radio.shared_air.addresses import PLUTOS, endpoint_of
from radio.shared_air.connection import Connection


class PlutoSeat:
    """One unit of the virtual Plutos of another process, for this one alone.

    Args:
        uri: `plutos:tcp://127.0.0.1:PORT`.
        unit: 0 for the server, i + 1 for agent i.
        about: keys and values of the experiment that shape the air; those of the other process must be the same.

    Raises:
        ValueError: the URI is none.
        LostRadioError: there is no such process.
        RadioError: the unit cannot be had; the message says why.
    """

    uri: str
    """Of the unit, for libiio."""
    openings: int
    """How often it was opened before."""

    def __init__(self, uri: str, unit: int, about: Mapping[str, say.Scalar]) -> None:
        self._connection = Connection(endpoint_of(uri, PLUTOS), f"radio {unit}")
        try:
            assigned = self._ask(say.Open(0, unit, os.getpid(), dict(about)))
        except BaseException:
            self._connection.close(say.Ask(0))
            raise
        self.uri, self.openings = assigned.uri, assigned.openings

    def hear(self, count: int) -> None:
        """Return once nobody who owes a delivery can send into so many samples of the running stream any more.

        Time stands then where they end, or beyond.
        """
        self._ask(say.Hear(0, count))

    def opened(self) -> int:
        """Return the count of the unit's clock at which its running stream was opened."""
        return int(self._ask(say.Place(0)).opened)

    def captured(self) -> int:
        """Return how many samples of the running stream there are at the end of the block being heard now."""
        return int(self._ask(say.Place(0)).captured)

    def settle(self) -> None:
        """Say that this unit is set, and its streams run: the next one may be opened."""
        self._ask(say.Settled(0))

    def expect(self, units: Iterable[int]) -> tuple[int, ...]:
        """Let units owe a delivery: time does not pass what they can still send into. Only unit 0 may.

        Returns:
            Those that are not open, and owe nothing.
        """
        return tuple(self._ask(say.Expect(0, tuple(units))).units)

    def deliver(self) -> None:
        """Say that whatever was expected of this unit is queued, or never will be."""
        self._ask(say.Deliver(0))

    def close(self) -> None:
        """Give the unit back."""
        self._connection.close(say.Close(0))

    def _ask(self, question: say.Message) -> Any:
        return self._connection.ask(question)[0]
