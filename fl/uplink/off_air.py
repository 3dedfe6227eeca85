"""What uplinks without radios have in common: nothing is sounded, and a round knows of no other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fl.algorithms.base import Conflict, no_conflicts
from fl.uplink.base import Array, Delivery
from fl.uplink.roles import NOBODY, AgentRole, BeaconReport, ServerRole, SoundingSlot, in_order

if TYPE_CHECKING:
    from fl.config import Config


@dataclass(frozen=True)
class Kind:
    """An uplink without radios by name: one entry of `fl.uplink.table`.

    Args:
        server: its side, from a configuration, d, and an array of the library and device that the sum is wanted in.
        agent: its side, from a configuration, d, and whether it reports what only a simulation may ask for.
        channel_uses: M of a round, from a configuration and d; None for a link that is not a channel.
        conflicts: what contradicts it in a configuration.
    """

    server: Callable[["Config", int, Array], ServerRole]
    agent: Callable[["Config", int, bool], AgentRole]
    channel_uses: Callable[["Config", int], int | None]
    conflicts: Callable[["Config"], Iterator[Conflict]] = no_conflicts


class OffAirAgent:
    """An agent that hears no beacon."""

    on_air: ClassVar[bool] = False

    def follow(self, slot: SoundingSlot) -> BeaconReport:
        """Return a report of nothing; nobody asks for it."""
        return BeaconReport()


@dataclass
class OffAirServer:
    """A server that calls nobody.

    Args:
        agents: that it was asked about last.
        excluded: reason of each of those that do not send.
    """

    on_air: ClassVar[bool] = False
    carries: ClassVar[str | None] = "update"
    agents: tuple[int, ...] = field(default=(), init=False)
    excluded: dict[int, str] = field(default_factory=dict, init=False)

    def call(self, agents: tuple[int, ...], round_index: int) -> Mapping[int, SoundingSlot]:
        """Return nothing: nobody sounds."""
        return {}

    def sound(self) -> None:
        """Do nothing."""

    def receive(self) -> tuple[frozenset[int], Mapping[int, str]]:
        """Return nobody: who sends says so by wire."""
        return frozenset(), {}

    def give_up(self, failure: str, absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Return a round in which nothing was received."""
        n = len(self.agents)
        excluded = in_order(self.agents, self.excluded | dict(absent))
        return Delivery(None, np.zeros(n, bool), excluded, failure=failure)

    def state(self) -> dict[str, np.ndarray]:
        """Return nothing."""
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Do nothing."""
