"""Shapes that the figures of several papers share: curves with bands over seeds, and intervals one below the other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fl.evaluation import interval
from tools.report.figures import COLOURS, SIZE, colour
from tools.reproduce.verdict import Mean

LINES = "-", "--", "-.", ":"


def band(axis: Axes, where: np.ndarray, values: np.ndarray, index: int, label: str, line: str = "") -> None:
    """Draw the mean over seeds with its 95 % interval.

    Args:
        axis: to draw on.
        where: abscissae, shape (n,).
        values: shape (seeds, n).
        index: place of the curve, which gives its colour and line.
        label: in the legend.
        line: of matplotlib, markers included; empty: by the place, so that curves of one colour differ.
    """
    low, high = np.array([interval(column) for column in values.T]).T
    style = line or LINES[index // len(COLOURS) % len(LINES)]
    axis.fill_between(where, low, high, color=colour(index), alpha=0.15, linewidth=0)
    axis.plot(where, values.mean(0), style, color=colour(index), linewidth=1.4, markersize=4, label=label)


def bars(axis: Axes, where: np.ndarray, values: np.ndarray, index: int, label: str, line: str = "") -> None:
    """Draw means over seeds as points with bars of 95 %, joined by `line`; arguments are those of `band`."""
    low, high = np.array([interval(column) for column in values.T]).T
    mean = values.mean(0)
    axis.errorbar(where, mean, (mean - low, high - mean), fmt=f"o{line}", markersize=4, color=colour(index), capsize=2,
                  linewidth=1.2, label=label)  # fmt: skip


def smoothed(values: np.ndarray, span: int) -> np.ndarray:
    """Return the means of blocks of `span` rounds, NaN left out, shape (seeds, rounds // span)."""
    blocks = values.shape[1] // span
    return np.asarray(np.nanmean(values[:, : blocks * span].reshape(len(values), blocks, span), axis=2))


def forest(title: str, rows: Sequence[tuple[str, Mean]], scale: float = 1.0) -> Figure:
    """Return means with intervals one below the other, and a line at 0.

    Args:
        title: of the abscissa.
        rows: name and mean, from top to bottom.
        scale: factor on the values, as 100 for points.
    """
    figure = Figure(figsize=(SIZE[0], 0.9 + 0.27 * len(rows)), layout="constrained")
    axis = figure.subplots()
    axis.axvline(0, color="#999999", linewidth=0.8)
    for place, (_, mean) in enumerate(rows):
        axis.plot([scale * mean.low, scale * mean.high], [place, place], color=colour(0), linewidth=2)
        axis.plot(scale * mean.value, place, "o", color=colour(0), markersize=5)
    axis.set_yticks(range(len(rows)), [name for name, _ in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(title)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="x", color="#e6e6e6", linewidth=0.7)
    axis.set_axisbelow(True)
    return figure
