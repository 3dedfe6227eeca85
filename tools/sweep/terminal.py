"""What a sweep found, for a terminal."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tools.sweep.table import PAIRED, Row

WIDTH = 160


def shown(lines: Sequence[Row]) -> str:
    """Return the settings with the accuracy on new agents and its interval, as text."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="")
    for column in ("setting", "seeds", "new agents", "against the first", "payload channel uses"):
        table.add_column(column, no_wrap=True, justify="left" if column == "setting" else "right")
    for line in lines:
        table.add_row(line["point"] or "the experiment", str(line["seeds"]), percent(line, PAIRED),
                      percent(line, f"{PAIRED}_difference", sign=True), uses(line))  # fmt: skip
    text = io.StringIO()
    Console(file=text, width=WIDTH, no_color=True, highlight=False).print(table)
    return "\n".join(one.rstrip() for one in text.getvalue().rstrip().splitlines())


def percent(line: Row, key: str, sign: bool = False) -> str:
    """Return a share and its interval in percent; – where it is not known."""
    value, low, high = line[key], line[f"{key}_low"], line[f"{key}_high"]
    if value is None:
        return "–"
    spelt = f"{100 * value:{'+' if sign else ''}.1f}"
    between = "" if low is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{spelt}{'' if sign else ' %'}{between}"


def uses(line: Row) -> str:
    """Return the payload's channel uses of a run; – where there is no channel."""
    return "–" if line["channel_uses"] is None else f"{line['channel_uses']:,.0f}"
