"""The picture of the comparison: accuracy against channel uses, of data alone and with all that a round takes."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from tools.report.figures import SIZE, colour

MARKERS = "osD^vP"


def uplinks(rows: Sequence[dict[str, Any]]) -> Figure:
    """Return mean and interval of every scheme at every budget, from the rows of the table."""
    figure = Figure(figsize=(2 * SIZE[0], SIZE[1] + 0.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, (key, words) in zip(
        axes, (("uses", "payload"), ("uses_total", "payload, pilots, soundings")), strict=True
    ):
        for index, scheme in enumerate(dict.fromkeys(row["scheme"] for row in rows)):
            mine = [row for row in rows if row["scheme"] == scheme]
            mean = [100 * row["accuracy"] for row in mine]
            error = [
                [100 * (row["accuracy"] - row["low"]) for row in mine],
                [100 * (row["high"] - row["accuracy"]) for row in mine],
            ]
            place = [row[key] / 1000 * (1 + 0.015 * index) for row in mine]  # side by side
            axis.errorbar(
                place, mean, error, color=colour(index), marker=MARKERS[index % len(MARKERS)], markersize=4,
                linewidth=1, capsize=2, label=scheme,
            )  # fmt: skip
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel(f"thousand channel uses of the run: {words}")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e6e6e6", linewidth=0.7)
    axes[0].set_ylabel("accuracy of new agents, fine-tuned (%)")
    axes[0].legend(frameon=False, fontsize=7)
    return figure
