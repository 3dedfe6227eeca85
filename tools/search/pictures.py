"""The figures of a search."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from tools.report.figures import COLOURS, axes, legend
from tools.search.confirm import Confirmation
from tools.search.found import Found, front
from tools.search.space import Axis

COLUMNS = 3
TICKS = 20  # seeds named on an axis


def pareto(trials: Sequence[Found], own: Found | None, counted: str) -> Figure:
    """Return accuracy against channel uses of a run, the front as steps.

    Args:
        trials: all of them.
        own: the trial of the experiment's own setting; None: it was none.
        counted: which uses they are.
    """
    figure, axis = axes(f"channel uses of a run ({counted})", "accuracy on tuning seeds")
    whole = [trial for trial in trials if trial.is_whole]
    cut = [trial for trial in trials if not trial.is_whole and trial.accuracies]
    for some, shade, label in ((cut, "#bbbbbb", "given up"), (whole, COLOURS[0], "trials")):
        if some:
            axis.scatter([one.uses for one in some], [one.accuracy for one in some], s=18, color=shade, label=label)
    best = front(trials)
    if best:
        where, height = [one.uses for one in best], [one.accuracy for one in best]
        axis.step(where, height, where="post", color=COLOURS[2], linewidth=1.2, marker="o", markersize=5, label="front")
    if own is not None and own.is_whole:
        axis.scatter([own.uses], [own.accuracy], label="own setting", marker="*", s=120, color=COLOURS[1], zorder=4)
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return legend(figure, axis)


def course(trials: Sequence[Found]) -> Figure:
    """Return the accuracy of each trial in the order in which they were tried, and the best so far."""
    figure, axis = axes("trial", "accuracy on tuning seeds")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    whole = [trial for trial in trials if trial.is_whole]
    number, height = [one.number for one in whole], np.array([one.accuracy for one in whole])
    axis.scatter(number, height, s=18, color=COLOURS[0], label="trials")
    if whole:
        axis.step(number, np.maximum.accumulate(height), where="post", color=COLOURS[2], linewidth=1.2, label="best")
    return legend(figure, axis)


def against_axes(trials: Sequence[Found], varied: Sequence[Axis]) -> Figure:
    """Return the accuracy of each trial against each value that was varied."""
    rows = -(-len(varied) // COLUMNS)
    figure = Figure(figsize=(3.2 * min(COLUMNS, len(varied)), 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, min(COLUMNS, len(varied)), squeeze=False, sharey=True)
    whole = [trial for trial in trials if trial.is_whole]
    height = [trial.accuracy for trial in whole]
    for place, axis in enumerate(panels.flat):
        if place >= len(varied):
            axis.set_axis_off()
            continue
        about = varied[place]
        texts = [dict(item.split("=", 1) for item in trial.overrides)[about.key] for trial in whole]
        axis.scatter(
            texts if about.kind == "choice" else [float(text) for text in texts], height, s=14, color=COLOURS[0]
        )
        if about.kind == "choice":
            axis.margins(x=0.3)
        if about.kind == "ratio":
            axis.set_xscale("log")
            ends = about.low, (about.low * about.high) ** 0.5, about.high
            axis.set_xticks(ends, [f"{end:.2g}" for end in ends])
            axis.set_xticks([], minor=True)
        axis.set_xlabel(about.key, fontsize=8)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0][0].set_ylabel("accuracy on tuning seeds", fontsize=8)
    return figure


def confirmation(found: Confirmation) -> Figure:
    """Return the difference on each fresh seed, and its mean with the interval."""
    figure, axis = axes("seed", "best − own (points)")
    differences = 100 * (found.best_accuracies - found.own_accuracies)
    mean, low, high = (100 * value for value in found.difference)
    seeds = np.array(found.seeds)
    axis.axhline(0, color="#999999", linewidth=0.8)
    axis.scatter(seeds, differences, s=30, color=COLOURS[0], zorder=3, label="a seed")
    axis.axhspan(low, high, color=COLOURS[2], alpha=0.15, linewidth=0)
    axis.axhline(mean, color=COLOURS[2], linewidth=1.2, label="mean, 95 % interval")
    axis.set_xticks(seeds if len(seeds) <= TICKS else seeds[:: -(-len(seeds) // TICKS)])
    axis.margins(x=0.1, y=0.2)
    return legend(figure, axis)
