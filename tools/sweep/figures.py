"""The figures of a sweep: settings over each other, with 95 % intervals over seeds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.report.figures import COLOURS, axes, legend, running_mean
from tools.sweep.grid import spelt
from tools.sweep.groups import Group, band
from tools.sweep.table import PAIRED, Row

Series = Callable[[Group], np.ndarray]
LEGEND_ROWS = 7  # more names than these stand beside the figure
LOGARITHMIC = 30.0  # ratio of largest to smallest value from which on an axis is logarithmic
LONGEST = 46  # characters of a name


def accuracy(groups: Sequence[Group], uses: bool = False) -> Figure:
    """Return accuracy on new agents against rounds, or against channel uses of the payload."""
    figure, axis = axes("channel uses (payload)" if uses else "round", "new-agent accuracy")
    for place, group in enumerate(groups):
        where = group.channel_uses if uses else group.evaluations
        if np.isfinite(where).all():
            _draw(axis, where, group.evaluated("new_agent_accuracy"), _style(groups, place), "o-")
    return _named(figure, axis)


def gap(groups: Sequence[Group]) -> Figure:
    """Return loss on new agents minus loss on training images of the training agents, against rounds."""
    figure, axis = axes("round", "loss difference")
    axis.axhline(0, color="#999999", linewidth=0.8)
    for place, group in enumerate(groups):
        difference = group.evaluated("new_agent_loss") - group.evaluated("train_agent_loss")
        if np.isfinite(difference).all():
            _draw(axis, group.evaluations, difference, _style(groups, place), "o-")
    return _named(figure, axis)


def training_loss(groups: Sequence[Group]) -> Figure:
    """Return the query loss of the training agents, a running mean over ten rounds."""
    figure, axis = axes("round", "training loss")
    for place, group in enumerate(groups):
        smooth = np.array([running_mean(run) for run in group.every_round("train_loss")])
        _draw(axis, np.arange(1, smooth.shape[1] + 1), smooth, _style(groups, place), "-")
    return _named(figure, axis)


def against(groups: Sequence[Group], key: str, others: Sequence[str]) -> Figure:
    """Return the last accuracy on new agents against a numeric key, one line for each setting of the other keys."""
    figure, axis = axes(key, "new-agent accuracy")
    lines: dict[str, list[Group]] = {}
    for group in groups:
        name = ", ".join(f"{other}={_value(group.settings.get(other))}" for other in others)
        lines.setdefault(name, []).append(group)
    for place, (name, found) in enumerate(lines.items()):
        found.sort(key=lambda group: group.settings[key])
        where = np.array([group.settings[key] for group in found], float)
        ends = np.array([band(group.evaluated("new_agent_accuracy")[:, -1]) for group in found]).T
        colour = shade(len(lines), place)
        reach = np.nan_to_num(np.stack([ends[0] - ends[1], ends[2] - ends[0]]))
        axis.errorbar(where, ends[0], reach, color=colour, marker="o", capsize=3, linewidth=1.4, label=_short(name))
    values = [float(group.settings[key]) for group in groups]
    if min(values) > 0 and max(values) / min(values) >= LOGARITHMIC:
        axis.set_xscale("log")
    return _named(figure, axis)


def differences(lines: Sequence[Row]) -> Figure:
    """Return accuracy minus that of the first setting, paired over seeds, with intervals."""
    return _dots(lines[1:], f"{PAIRED}_difference", "accuracy difference (points)", zero=True)


def finals(lines: Sequence[Row]) -> Figure:
    """Return the last accuracy on new agents of each setting, with its interval."""
    return _dots(lines, PAIRED, "new-agent accuracy (%)", zero=False)


def numeric(groups: Sequence[Group], keys: Sequence[str]) -> str | None:
    """Return the key with the most different values, if all of them are numbers; None: there is none."""
    counts = {
        key: len({group.settings.get(key) for group in groups})
        for key in keys
        if all(type(group.settings.get(key)) in (int, float) for group in groups)
    }
    best = max(counts, key=lambda key: counts[key], default=None)
    return best if best is not None and counts[best] > 1 else None


def _dots(lines: Sequence[Row], key: str, label: str, zero: bool) -> Figure:
    shown = [line for line in lines if line[key] is not None]
    figure, axis = axes(label, "")
    figure.set_size_inches(5.4, max(2.2, 0.8 + 0.26 * len(shown)))
    if zero:
        axis.axvline(0, color="#999999", linewidth=0.8)
    for place, line in enumerate(shown):
        ends = [line[key], line[f"{key}_low"], line[f"{key}_high"]]
        value, low, high = (100 * (line[key] if end is None else end) for end in ends)
        axis.errorbar([value], [place], xerr=[[value - low], [high - value]], color=COLOURS[0], marker="o", capsize=3)
    axis.set_yticks(range(len(shown)), [_short(line["point"]) for line in shown], fontsize=7)
    axis.set_ylim(len(shown) - 0.4, -0.6)
    return figure


def _draw(axis: Axes, where: np.ndarray, values: np.ndarray, style: tuple[Any, str], line: str) -> None:
    mean, low, high = band(values)
    axis.fill_between(where, low, high, color=style[0], alpha=0.15, linewidth=0)
    axis.plot(where, mean, line, color=style[0], markersize=3.5, linewidth=1.4, label=style[1])


def _style(groups: Sequence[Group], place: int) -> tuple[Any, str]:
    return shade(len(groups), place), _short(groups[place].name)


def shade(count: int, place: int) -> Any:
    """Return the colour of a setting, the same in all figures."""
    return COLOURS[place] if count <= len(COLOURS) else colormaps["viridis"](0.93 * place / (count - 1))


def _named(figure: Figure, axis: Axes) -> Figure:
    """Return the figure with a legend, beside it if there are many names."""
    handles, names = axis.get_legend_handles_labels()
    if len(names) <= LEGEND_ROWS:
        return legend(figure, axis) if len(names) > 1 else figure
    figure.set_size_inches(7.6, 3.6)
    figure.legend(handles, names, loc="outside right upper", fontsize=6, frameon=False)
    return figure


def _short(name: str) -> str:
    name = name or "the experiment"
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _value(value: Any) -> str:
    return "–" if value is None else str(value) if isinstance(value, str) else spelt(value)
