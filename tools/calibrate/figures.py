"""The figures of a calibration: each draws some curves of every radio that has them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from calibration.measurement import Measurement
from tools.report.figures import agent_legend, axes
from tools.report.on_air import side_by_side

PAIR = 5.4, 3.2
SHADE = "#e3e9ee"
DARK = "#444444"
NARROW, WIDEST = 1.1, 5.0  # lines
POINT = "compression_dbfs"  # level handed over at which the gain has fallen by 1 dB
LOWEST, HIGHEST, TESTED = "linear_low_dbfs", "linear_high_dbfs", "linear_high_at_least_dbfs"
FACES = {"o": "white", "s": SHADE}  # of marks that stand for something in every colour


@dataclass(frozen=True)
class Trace:
    """What one radio adds to a figure.

    Args:
        label: "server", or the number of an agent.
        colour: the same in every figure of a page.
        measurement: with the curves.
    """

    label: str
    colour: str | tuple[float, ...]
    measurement: Measurement

    def along(self, coordinate: "Coordinate") -> np.ndarray:
        """Return where the points of this radio lie along an axis."""
        values = coordinate.scale * self.measurement.curves[coordinate.curve]
        return np.unwrap(values, period=360) if coordinate.turns else values

    def value(self, quantity: str, missing: float) -> float:
        """Return a number of this radio, or what stands for one that it does not have."""
        found = self.measurement.quantities.get(quantity)
        return missing if found is None else found.value


@dataclass(frozen=True)
class Coordinate:
    """An axis of a figure.

    Args:
        curve: array of a measurement.
        label: with the unit.
        scale: from the unit of the array to that of the label.
        height: least that the axis spans, so that small noise looks small.
        turns: whether it is an angle in degrees, to be drawn without jumps by whole turns.
    """

    curve: str
    label: str
    scale: float = 1.0
    height: float = 0.0
    turns: bool = False


def lines(traces: Sequence[Trace], x: Coordinate, y: Coordinate, mark: str = "-", nested: bool = False) -> Figure:
    """Return one curve of every radio.

    Args:
        traces: radios.
        x: of all.
        y: of all.
        mark: of points and line.
        nested: whether curves may lie under each other: the lower ones are wider then, and show beside the upper.
    """
    figure, axis = axes(x.label, y.label)
    widths = np.linspace(WIDEST if nested and len(traces) > 1 else NARROW, NARROW, len(traces))
    for trace, width in zip(traces, widths, strict=True):
        axis.plot(trace.along(x), trace.along(y), mark, color=trace.colour, linewidth=width, markersize=3,
                  label=trace.label)  # fmt: skip
    _heighten(axis, y.height)
    return agent_legend(figure, axis, len(traces))


def two_lines(
    traces: Sequence[Trace], x: Coordinate, y: Coordinate, second: Coordinate, names: Sequence[str]
) -> Figure:
    """Return a curve of every radio, and dashed a second one that is of the other end, so alike for all.

    Args:
        traces: radios.
        x: of both.
        y: first curve; its label stands for both.
        second: second curve.
        names: of the two.
    """
    figure = lines(traces, x, y, nested=True)
    axis = figure.axes[0]
    for trace in traces:
        axis.plot(trace.along(x), trace.along(second), "--", color=DARK, linewidth=NARROW)
    return _explained(figure, axis, dict(zip(names, ("-", "--"), strict=True)))


def fitted(traces: Sequence[Trace], x: Coordinate, y: Coordinate, fit: str, name: str) -> Figure:
    """Return measured points of every radio with the line that was fitted to them, where there is one.

    Args:
        traces: radios.
        x: of both.
        y: of the points.
        fit: array of the line, in the unit of the points.
        name: of the line.
    """
    figure = lines(traces, x, y, ".")
    axis = figure.axes[0]
    for trace in traces:
        if fit in trace.measurement.curves:
            axis.plot(trace.along(x), trace.along(Coordinate(fit, "", y.scale)), color=trace.colour, linewidth=1.1)
    return _explained(figure, axis, {"measured": ".", name: "-"})


def correlation(traces: Sequence[Trace], x: Coordinate, y: Coordinate, fit: str) -> Figure:
    """Return correlations with what was fitted to them, on an axis that reaches from 0.9, or what is least, to 1."""
    figure = fitted(traces, x, y, fit, "fit")
    axis = figure.axes[0]
    axis.set_ylim(min(0.9, axis.get_ylim()[0]), max(1.005, axis.get_ylim()[1]))
    return figure


def level(traces: Sequence[Trace], x: Coordinate, y: Coordinate) -> Figure:
    """Return a level curve of every radio with its 1 dB point; the range in which all are linear is shaded."""
    figure = lines(traces, x, y, ".-", nested=True)
    axis, marks = figure.axes[0], {}
    for trace in traces:
        drive, out, point = trace.along(x), trace.along(y), trace.value(POINT, np.nan)
        if drive.min() <= point <= drive.max():
            rising = np.argsort(drive)
            axis.plot(point, np.interp(point, drive[rising], out[rising]), "o", color=trace.colour, markersize=7,
                      markerfacecolor="white", zorder=4)  # fmt: skip
            marks["1 dB point"] = "o"
    low = max(trace.value(LOWEST, float(trace.along(x).min())) for trace in traces)
    high = min(trace.value(HIGHEST, trace.value(TESTED, trace.value(POINT, np.inf))) for trace in traces)
    if low < high < np.inf:
        axis.axvspan(low, high, color=SHADE, linewidth=0)
        marks["all are linear"] = "s"
    return _explained(figure, axis, marks) if marks else figure


def profile(traces: Sequence[Trace], x: Coordinate, y: Coordinate, prefix: Coordinate, one_path: str) -> Figure:
    """Return profiles over delay, with what one path alone would look like, and the cyclic prefix shaded.

    Args:
        traces: radios.
        x: delay.
        y: power.
        prefix: delays between which the prefix covers a path, of the first radio that has them.
        one_path: array of the profile of a lone path.
    """
    figure = lines(traces, x, y)
    axis, marks = figure.axes[0], {}
    for trace in traces:
        if one_path in trace.measurement.curves:
            axis.plot(trace.along(x), trace.along(Coordinate(one_path, "")), ":", color=trace.colour, linewidth=NARROW)
            marks["one path"] = ":"
    covered = [trace for trace in traces if prefix.curve in trace.measurement.curves]
    if covered:
        axis.axvspan(*covered[0].along(prefix), color=SHADE, linewidth=0)
        marks["covered by the prefix"] = "s"
    return _explained(figure, axis, marks) if marks else figure


def around_median(traces: Sequence[Trace], x: Coordinate, y: Coordinate, unit: str) -> Figure:
    """Return how a number of every radio wanders; it lies around 0, and the legend says what was taken off it.

    Args:
        traces: radios.
        x: time, or count.
        y: the number.
        unit: of it.
    """
    figure, axis = axes(x.label, y.label)
    if all(np.array_equal(where := trace.along(x), np.rint(where)) for trace in traces):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for trace in traces:
        values = trace.along(y)
        middle = float(np.nanmedian(values))
        axis.plot(trace.along(x), values - middle, ".-", color=trace.colour, linewidth=0.9, markersize=4,
                  label=f"{trace.label}:  {middle:+.5g} {unit}")  # fmt: skip
    axis.axhline(0, color="#999999", linewidth=0.8)
    _heighten(axis, y.height)
    return agent_legend(figure, axis, len(traces))


def allan(traces: Sequence[Trace]) -> Figure:
    """Return the Allan deviation of every radio with its 95 % band, and the least that could be measured."""
    figure, axis = axes("averaging time τ (s)", "Allan deviation of the frequency (ratio)")
    axis.set(xscale="log", yscale="log")
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_locator(LogLocator(subs=(1, 2, 5)))
        side.set_major_formatter(lambda value, _: f"{value:g}")
        side.set_minor_formatter(NullFormatter())
    for trace in traces:
        curves = trace.measurement.curves
        tau, colour = curves["allan_tau_s"], trace.colour
        axis.plot(tau, curves["allan_deviation"], ".-", color=colour, linewidth=1.1, label=trace.label)
        if "allan_low" in curves and "allan_high" in curves:
            axis.fill_between(tau, curves["allan_low"], curves["allan_high"], color=colour, alpha=0.12, linewidth=0)
        if "allan_floor" in curves:
            axis.plot(tau, curves["allan_floor"], ":", color=colour, linewidth=0.9)
    agent_legend(figure, axis, len(traces))
    return _explained(figure, axis, {"measured, with its 95 % band": ".-", "least that could be seen": ":"})


def planes(trace: Trace) -> Figure:
    """Return the constellation of a radio as it came, and as it is after correction."""
    curves = trace.measurement.curves
    parts = ("received", "evm_before_db"), ("corrected", "evm_after_db")
    clouds = [(name + (f", EVM {float(curves[evm]):.1f} dB" if evm in curves else ""), name) for name, evm in parts]
    return side_by_side([(title, curves[name].ravel()) for title, name in clouds], "rms", PAIR)


def _explained(figure: Figure, axis: Axes, marks: dict[str, str]) -> Figure:
    """Return the figure with a line above it that says what kinds of lines and points mean."""
    handles = [
        axis.plot([], [], mark, color=SHADE if mark == "s" else DARK, markerfacecolor=FACES.get(mark, DARK),
                  linewidth=1.1)[0] for mark in marks.values()
    ]  # fmt: skip
    axis.legend(handles, list(marks), fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1),
                ncols=len(marks))  # fmt: skip
    return figure


def _heighten(axis: Axes, height: float) -> None:
    """Let an axis span at least `height`, around what is drawn."""
    low, high = axis.get_ylim()
    if high - low < height:
        middle = (low + high) / 2
        axis.set_ylim(middle - height / 2, middle + height / 2)
