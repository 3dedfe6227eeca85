"""Who may hear, when several processes share one simulated air: conservative simulation, as a pure state.

A unit is free or *owes* a delivery. What a unit wants to hear, up to air time e, may be fixed iff nobody can send into
it any more: e lies in what is fixed already, or every other unit that owes is itself waiting to hear, up to e or beyond
(it sends nothing before it has heard that). The one who wants to hear the least goes first, so that no two wait for
each other: somebody is always carried out, as long as those who owe either want to hear or deliver. One that does
neither and says nothing for a while is given up as hung. (Chandy and Misra, "Distributed simulation", IEEE TSE 1979.)
"""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Barrier:
    """Who owes, who waits, who was given up.

    Args:
        owing: units that owe a delivery, and when each was last heard from or answered, in seconds of any clock.
        waiting: units that want to hear, and up to which air time.
        hung: units that were given up, and may not send until they are expected again.
    """

    owing: dict[int, float] = field(default_factory=dict)
    waiting: dict[int, float] = field(default_factory=dict)
    hung: set[int] = field(default_factory=set)

    def expect(self, units: Iterable[int], time: float) -> None:
        """Let units owe a delivery from a time on."""
        for unit in units:
            self.owing[unit] = time
            self.hung.discard(unit)

    def deliver(self, unit: int) -> None:
        """Free a unit of what it owes."""
        self.owing.pop(unit, None)

    def leave(self, unit: int) -> None:
        """Forget a unit."""
        self.deliver(unit)
        self.waiting.pop(unit, None)
        self.hung.discard(unit)

    def wait(self, unit: int, end: float) -> None:
        """Let a unit wait for what it wants to hear, up to an air time."""
        self.waiting[unit] = end

    def served(self, unit: int) -> None:
        """Note that a unit waits no more."""
        self.waiting.pop(unit, None)

    def alive(self, unit: int, time: float) -> None:
        """Note that a unit has said something, or was answered: it has all of its patience again."""
        if unit in self.owing:
            self.owing[unit] = time

    def ready(self, frontier: float) -> int | None:
        """Return who may be carried out next; None: nobody.

        Args:
            frontier: air time up to which everything is fixed.
        """
        if not self.waiting:
            return None
        unit = min(self.waiting, key=lambda unit: (self.waiting[unit], unit))
        end = self.waiting[unit]
        passed = end <= frontier or all(other in self.waiting for other in self.owing if other != unit)
        return unit if passed else None

    def blocking(self) -> tuple[int, ...]:
        """Return the units that everybody waits for."""
        return tuple(unit for unit in self.owing if unit not in self.waiting)

    def give_up(self, time: float, patience: float) -> tuple[int, ...]:
        """Free those who owe, do not wait, and have been silent for longer than `patience`; return who they are."""
        late = tuple(unit for unit in self.blocking() if time - self.owing[unit] > patience)
        for unit in late:
            self.deliver(unit)
        self.hung.update(late)
        return late
