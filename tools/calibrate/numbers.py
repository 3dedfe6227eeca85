"""Tables of the numbers that a calibration found, as HTML."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calibration.measurement import Measurement, Quantity
from tools.calibrate.done import Done, written

PREFIXES = {  # unit -> least value, factor and unit in which it is written
    "s": ((1.0, 1.0, "s"), (1e-3, 1e3, "ms"), (0.0, 1e6, "µs")),
    "Hz": ((1e6, 1e-6, "MHz"), (1e3, 1e-3, "kHz")),
}
SHORT = "dc", "i", "iq", "q", "rx", "snr", "tx"
MOST_COLUMNS = 7  # of quantities side by side


@dataclass(frozen=True)
class Column:
    """A quantity of many radios.

    Args:
        name: of the quantity.
        label: in words, as HTML.
        unit: in which it is written.
        factor: from its own unit to that.
    """

    name: str
    label: str
    unit: str
    factor: float

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} ({html.escape(self.unit)})" if self.unit else self.label

    def cell(self, of: Measurement) -> str:
        """Return the number that a measurement has for it."""
        if self.name not in of.quantities:
            return "–"
        own = of.quantities[self.name]
        number = written(Quantity(self.factor * own.value, self.factor * own.uncertainty, ""))
        return f'<span class="number">{html.escape(number)}</span>'


def tables(done: Sequence[Done]) -> Iterable[str]:
    """Yield tables of all quantities, a radio a row, a few quantities in each table; reasons are in the first."""
    measured = [(one, one.measurement) for one in done if one.measurement is not None]
    columns = [_column(name, [of for _, of in measured]) for name in _names(of for _, of in measured)]
    for first in range(0, max(len(columns), 1), MOST_COLUMNS):
        some = columns[first : first + MOST_COLUMNS]
        head = row("th", ["radio", "verdict", *(column.heading for column in some)])
        rows = "".join(_measured(one, of, some, first == 0) for one, of in measured)
        if rows:
            yield f'<div class="sheet"><table class="numbers">{head}{rows}</table></div>'


def _measured(one: Done, of: Measurement, columns: Sequence[Column], with_reason: bool) -> str:
    cells = [
        html.escape(one.name),
        badge(one),
        *(column.cell(of) for column in columns),
    ]
    reason = html.escape(of.verdict.reason) if with_reason else ""
    if not reason:
        return row("td", cells)
    below = f'<tr><td></td><td class="reason" colspan="{len(cells) - 1}">{reason}</td></tr>'
    return row("td", cells, "open") + below


def _names(measurements: Iterable[Measurement]) -> list[str]:
    return list(dict.fromkeys(name for of in measurements for name in of.quantities))


def _column(name: str, measurements: Sequence[Measurement]) -> Column:
    """Return a quantity of many radios in a unit that suits the largest of them."""
    found = [of.quantities[name] for of in measurements if name in of.quantities]
    unit, largest = found[0].unit, max(abs(one.value) for one in found)
    fitting = (prefix for prefix in PREFIXES.get(unit, ()) if largest >= prefix[0])
    _, factor, shown = next(fitting, (0.0, 1.0, unit))
    return Column(name, label(name, unit), shown, factor)


def label(name: str, unit: str) -> str:
    """Return the name of a quantity in words, without its unit."""
    suffix = "_" + unit.lower().replace("/", "_per_").replace("°", "deg").replace("µ", "u")
    words = name.removesuffix(suffix).split("_")
    return html.escape(" ".join(word.upper() if word in SHORT else word for word in words))


def badge(one: Done) -> str:
    """Return the verdict as a coloured word."""
    look = one.word if one.word in ("good", "failed") else "bad"
    return f'<span class="word {look}">{html.escape(one.word)}</span>'


def row(tag: str, cells: Iterable[str], look: str = "") -> str:
    """Return a row of a table.

    Args:
        tag: "td" or "th".
        cells: as HTML.
        look: class of the row.
    """
    opening = f'<tr class="{look}">' if look else "<tr>"
    return f"{opening}{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"
