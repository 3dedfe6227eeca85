"""What changed between two calibration tables, and whether it is more than their uncertainty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from calibration.entry import Entry
from calibration.measurement import Quantity
from calibration.table import Table

TURN = {"deg": 360.0, "°": 360.0, "rad": 2 * math.pi}  # units of angles, which differ by half a turn at most


@dataclass(frozen=True)
class Difference:
    """A quantity before and after; None where an entry has no such quantity."""

    name: str
    before: Quantity | None
    after: Quantity | None

    @property
    def deviation(self) -> float | None:
        """What changed, in units of the combined uncertainty; None if the two cannot be compared.

        d = (v' − v) / √(u² + u'²): half-widths of 95 % intervals, so that chance takes |d| beyond 1 once in twenty.
        """
        if self.before is None or self.after is None or self.before.unit != self.after.unit:
            return None
        if self.before.value == self.after.value:
            return 0.0
        change = self.after.value - self.before.value
        if self.before.unit in TURN:
            change = math.remainder(change, TURN[self.before.unit])
        combined = math.hypot(self.before.uncertainty, self.after.uncertainty)
        if not combined:
            return math.copysign(math.inf, change)
        return 0.0 if math.isinf(combined) else change / combined

    @property
    def is_beyond(self) -> bool:
        """Whether it changed by more than the uncertainty, or into something else."""
        return self.deviation is None or abs(self.deviation) > 1


@dataclass(frozen=True)
class Pair:
    """What two tables say of the same: the same kind, radios and settings, as far as these matter."""

    before: Entry
    after: Entry

    @property
    def differences(self) -> list[Difference]:
        """Every quantity of either, by name."""
        before, after = self.before.quantities, self.after.quantities
        return [Difference(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]


@dataclass(frozen=True)
class Comparison:
    """Two tables beside each other.

    Args:
        changed: measured anew, or expired, in between.
        removed: only in the old one.
        added: only in the new one.
        same: how many say exactly the same.
    """

    changed: Sequence[Pair]
    removed: Sequence[Entry]
    added: Sequence[Entry]
    same: int


def compare(old: Table, new: Table) -> Comparison:
    """Return what changed from one table to another."""
    pairs = [Pair(one, other) for one in old.entries for other in new.entries if other.replaces(one)]
    kept = [pair.before for pair in pairs], [pair.after for pair in pairs]
    changed = [pair for pair in pairs if pair.before != pair.after]
    return Comparison(
        changed,
        [entry for entry in old.entries if entry not in kept[0]],
        [entry for entry in new.entries if entry not in kept[1]],
        len(pairs) - len(changed),
    )
