"""Which seeds have confirmed what, in confirmations.json of a search's folder.

The best of several confirmations on the same seeds looks better than it is, as the best of many trials does. So every
winner has seeds of its own, 1 to N for the first, N+1 to 2N for the second; how many there were is part of the result.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from radio.files import write_text
from tools.search.folder import SearchError
from tools.search.plan import TUNING


@dataclass(frozen=True)
class Entry:
    """One confirmation.

    Args:
        best: `key=value` of what was confirmed.
        first: its first seed.
        seeds: how many it has.
        difference: mean of best − own, and its interval; empty: it was not finished.
    """

    best: tuple[str, ...]
    first: int
    seeds: int
    difference: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ledger:
    """The confirmations of a folder, written down before the first run of each.

    Args:
        path: of the file.
    """

    path: Path

    def read(self) -> list[Entry]:
        """Return them in their order.

        Raises:
            SearchError: the file is damaged.
        """
        if not self.path.exists():
            return []
        try:
            lines = json.loads(self.path.read_text(encoding="utf-8"))
            return [Entry(tuple(one["best"]), one["first"], one["seeds"], tuple(one["difference"])) for one in lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SearchError(
                f"{self.path}: damaged ({error!r}), and it says which seeds have not been looked at; restore the file, "
                "or choose another folder with --out"
            ) from error

    def begin(self, best: Sequence[str], seeds: int) -> tuple[int, range]:
        """Return the place of a confirmation, a new one behind all others unless it is there, and its seeds.

        Raises:
            SearchError: the file is damaged, or no seeds are left.
        """
        entries = self.read()
        for place, one in enumerate(entries):
            if (one.best, one.seeds) == (tuple(best), seeds):
                return place, range(one.first, one.first + seeds)
        first = max((one.first + one.seeds for one in entries), default=1)
        if first + seeds - 1 > TUNING:
            raise SearchError(
                f"--confirm {seeds}: seeds 1 to {first - 1} have confirmed other settings, and those above {TUNING} "
                "are for tuning; confirm with fewer, or search in another folder with --out"
            )
        self._write([*entries, Entry(tuple(best), first, seeds)])
        return len(entries), range(first, first + seeds)

    def end(self, place: int, difference: Sequence[float]) -> None:
        """Write down what a confirmation has found."""
        entries = self.read()
        one = entries[place]
        entries[place] = Entry(one.best, one.first, one.seeds, tuple(difference))
        self._write(entries)

    def _write(self, entries: Sequence[Entry]) -> None:
        write_text(self.path, json.dumps([asdict(one) for one in entries], indent=1) + "\n")
