"""What a part of the bench hands back: tables of figures, and claims with their verdict."""

import operator
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from typing import Any

Row = dict[str, Any]
TABLE_WIDTH = 118
COLUMN_GAP = 2


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Args:
        rounds: of each cell, with ten agents.
        trials: of everything that is not a round.
        seed: of all draws.
        processes: that share the work; the figures do not depend on it.
        say: what to do with a line about the progress.
    """

    rounds: int
    trials: int
    seed: int = 1
    processes: int = 1
    say: Callable[[str], None] = field(default=lambda _line: None)


@dataclass(frozen=True)
class Claim:
    """A figure beside what is claimed of it.

    Args:
        what: the quantity.
        measured: its value.
        limit: the value claimed.
        unit: of both.
        above: the value has to be above the limit, not below.
    """

    what: str
    measured: float
    limit: float
    unit: str = "dB"
    above: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure is as claimed; a figure that could not be measured is not."""
        return bool((operator.ge if self.above else operator.le)(self.measured, self.limit))

    def line(self) -> str:
        """Return the claim, the figure and the verdict."""
        sign = ">=" if self.above else "<="
        figures = f"{self.measured:.3g} {self.unit} (claimed {sign} {self.limit:g})".replace("  ", " ")
        return f"{'pass' if self.met else 'SHORT'}  {self.what}: {figures}"

    def record(self) -> Row:
        """Return the claim for a JSON file."""
        return asdict(self) | {"met": self.met}


@dataclass(frozen=True)
class Part:
    """What one part measured.

    Args:
        title: what it is about.
        tables: rows of figures by the name of their table.
        claims: what is claimed of them.
        notes: what a reader has to know about the figures.
    """

    title: str
    tables: dict[str, list[Row]]
    claims: list[Claim]
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterable[str]:
        """Return the part as text."""
        yield self.title
        for name, rows in self.tables.items():
            shown = [{key: value for key, value in row.items() if not isinstance(value, list)} for row in rows]
            if shown:
                yield f"\n  {name}"
                yield from (f"    {line}" for line in table(shown))
        yield ""
        yield from (f"  {claim.line()}" for claim in self.claims)
        yield from (f"  note: {note}" for note in self.notes)

    def record(self) -> Row:
        """Return the part for a JSON file."""
        claims = [claim.record() for claim in self.claims]
        return {"title": self.title, "tables": self.tables, "claims": claims, "notes": list(self.notes)}


def table(rows: Sequence[Row]) -> Iterable[str]:
    """Return rows with the same keys as aligned lines, the keys above."""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first = line[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        yield (" " * COLUMN_GAP).join([first, *rest])


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    if value and not 1e-2 <= abs(value) < 1e5:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def share(work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], effort: Effort, label: str) -> list[Any]:
    """Return work(*task) of all tasks in their order, and tell the progress in tenths."""
    if effort.processes == 1 or len(tasks) == 1:
        return list(_told(map(work, *zip(*tasks, strict=True)), len(tasks), effort, label))
    # spawned, because a forked copy of a process with torch's threads may hang
    with ProcessPoolExecutor(effort.processes, get_context("spawn"), initializer=one_thread) as pool:
        return list(_told(pool.map(work, *zip(*tasks, strict=True)), len(tasks), effort, label))


def one_thread() -> None:
    """Keep torch from starting threads of its own beside those of other processes."""
    from fl.threads import use_threads

    use_threads(1)


def _told(results: Iterable[Any], count: int, effort: Effort, label: str) -> Iterable[Any]:
    for done, result in enumerate(results, start=1):
        if 10 * done // count > 10 * (done - 1) // count:
            effort.say(f"{label}: {done} of {count}")
        yield result


def chunks(total: int, most: int) -> list[tuple[int, int]]:
    """Return (first, count) of pieces of at most `most` that make up `total`."""
    return [(first, min(most, total - first)) for first in range(0, total, most)]
