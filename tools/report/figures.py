"""The figures of a report, each a function from runs to a matplotlib figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dsp.metrics import db
from tools.report.series import RunSeries

COLOURS = ("#2a6f97", "#d1603d", "#4f772d", "#7b4b94", "#b08900", "#6c757d")
SIZE = 5.4, 3.3
NAMED_AGENTS = 20  # more than these get no legend


def colour(index: int) -> str:
    """Return the colour of a run, the same in every figure."""
    return COLOURS[index % len(COLOURS)]


def axes(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """Return an empty figure in the style of the report."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axis = figure.subplots()
    axis.set_xlabel(xlabel)
    if xlabel == "round":
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))  # a single round too
    axis.set_ylabel(ylabel)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="#e6e6e6", linewidth=0.7)
    axis.set_axisbelow(True)
    return figure, axis


def training_loss(runs: Sequence[RunSeries]) -> Figure:
    """Return the query loss of the training agents before their outer step, with a running mean."""
    figure, axis = axes("round", "training loss")
    for index, run in enumerate(runs):
        loss = run.values("train_loss")
        axis.plot(run.rounds, loss, color=colour(index), alpha=0.25, linewidth=0.8)
        axis.plot(run.rounds, running_mean(loss), color=colour(index), label=run.name)
    return legend(figure, axis)


def accuracy(runs: Sequence[RunSeries], uses: bool) -> Figure:
    """Return accuracy on new (solid) and training agents (dashed), against rounds or payload channel uses."""
    figure, axis = axes("channel uses (payload)" if uses else "round", "accuracy after fine-tuning")
    for index, run in enumerate(runs):
        if not run.evaluations or (uses and not run.is_channel):
            continue
        where = _position(run, uses)
        _band(axis, where, run, ("new_agent_accuracy", "new_agent_interval"), index, "-", f"{run.name}, new agents")
        _band(axis, where, run, ("train_agent_accuracy", "train_agent_interval"), index, "--", f"{run.name}, training")
    if uses:
        axis.ticklabel_format(axis="x", useOffset=False)
    axis.set_ylim(top=1.0)
    return legend(figure, axis)


def generalisation_gap(runs: Sequence[RunSeries]) -> Figure:
    """Return loss on new agents minus loss on training images of the training agents; held-out images dotted."""
    figure, axis = axes("round", "loss difference")
    axis.axhline(0, color="#999999", linewidth=0.8)
    for index, run in enumerate(runs):
        where, seen = _position(run, False), _evaluated(run, "train_agent_loss")
        axis.plot(
            where, _evaluated(run, "new_agent_loss") - seen, "o-", color=colour(index), label=f"{run.name}, new agents"
        )
        heldout = _evaluated(run, "heldout_loss")
        if np.isfinite(heldout).any():
            axis.plot(where, heldout - seen, "s:", color=colour(index), label=f"{run.name}, held-out images")
    return legend(figure, axis)


def accuracy_by_step(runs: Sequence[RunSeries]) -> Figure:
    """Return accuracy on new agents after each fine-tuning step, at the last evaluation."""
    figure, axis = axes("fine-tuning step", "new-agent accuracy")
    for index, run in enumerate(runs):
        if run.evaluations:
            last = run.evaluations[-1]
            low, high = np.transpose(last["interval_by_step"])
            steps = np.arange(len(low))
            axis.fill_between(steps, low, high, color=colour(index), alpha=0.2, linewidth=0)
            axis.plot(steps, last["accuracy_by_step"], "o-", color=colour(index), label=run.name)
            axis.set_xticks(steps)
    return legend(figure, axis)


def recovery_error(runs: Sequence[RunSeries]) -> Figure:
    """Return the NMSE of the recovered sum: measured (oracle) and predicted by the receiver's state evolution."""
    figure, axis = axes("round", "NMSE of the sum (dB)")
    for index, run in enumerate(runs):
        if run.is_channel:
            measured, predicted = run.values("oracle_nmse_db"), run.values("predicted_nmse_db")
            if np.isfinite(measured).any():
                axis.plot(run.rounds, measured, color=colour(index), linewidth=1, label=f"{run.name}, oracle")
            if np.isfinite(predicted).any():
                axis.plot(run.rounds, predicted, "k:", linewidth=0.9, label=f"{run.name}, predicted")
    return legend(figure, axis)


def power(runs: Sequence[RunSeries]) -> Figure:
    """Return the granted common scale ρ, and the largest transmit power of a round, which P bounds."""
    figure, axis = axes("round", "dB")
    for index, run in enumerate(runs):
        if run.is_channel:
            most = [max(record.get("transmit_power", {}).values(), default=np.nan) for record in run.records]
            scale = run.values("common_scale")
            axis.plot(run.rounds, db(scale), color=colour(index), linewidth=1, label=f"{run.name}, ρ/P")
            axis.plot(run.rounds, db(np.array(most)), "--", color=colour(index), label=f"{run.name}, max|x|²/P")
    return legend(figure, axis)


def agents_heard(runs: Sequence[RunSeries]) -> Figure:
    """Return how many agents were heard in each round."""
    figure, axis = axes("round", "agents heard")
    for index, run in enumerate(runs):
        heard = [len(record["agents_heard"]) for record in run.records]
        axis.step(run.rounds, heard, where="mid", color=colour(index), linewidth=1, label=run.name)
    axis.set_ylim(bottom=0)
    return legend(figure, axis)


def support(runs: Sequence[RunSeries]) -> Figure:
    """Return the fraction of entries that at least one agent sent, which governs recovery."""
    figure, axis = axes("round", "union support")
    for index, run in enumerate(runs):
        if run.is_channel:
            axis.plot(run.rounds, run.values("union_support"), color=colour(index), linewidth=1, label=run.name)
            limit = 2 * run.config.uplink.measurements
    axis.axhline(min(limit, 1.0), color="#999999", linewidth=0.8, linestyle="--", label="2M/d")
    axis.set_ylim(0, 1)
    return legend(figure, axis)


def sample_tasks(run: RunSeries) -> Figure:
    """Return tasks of new agents: a support image of each class, then query images, wrong predictions framed in red."""
    samples = run.samples
    if samples is None:
        raise ValueError(f"{run.name} has no evaluation yet, so no tasks to show")
    tasks, ways = len(samples["support"]), int(samples["support_labels"].max()) + 1
    shown = min(4, samples["query"].shape[1] // ways)
    figure = Figure(figsize=(8.6, 0.62 * tasks * 1.06), layout="constrained")
    grid = figure.subplots(tasks, ways * (1 + shown), gridspec_kw={"wspace": 0.05, "hspace": 0.1})
    for task, row in enumerate(np.atleast_2d(grid)):
        for label in range(ways):
            first = label * (1 + shown)
            support_image = samples["support"][task][samples["support_labels"][task] == label][0]
            _image(row[first], support_image, "#2a6f97")
            members = np.flatnonzero(samples["query_labels"][task] == label)[:shown]
            for place, member in enumerate(members, start=first + 1):
                right = samples["predictions"][task][member] == label
                _image(row[place], samples["query"][task][member], None if right else "#c1121f")
    return figure


def running_mean(values: np.ndarray, span: int = 10) -> np.ndarray:
    """Return the mean of the last `span` finite values up to each round."""
    good = np.isfinite(values)
    totals, counts = np.cumsum(np.where(good, values, 0.0)), np.cumsum(good)
    totals[span:] -= totals[:-span].copy()
    counts[span:] -= counts[:-span].copy()
    return totals / np.where(counts > 0, counts, np.nan)


def _position(run: RunSeries, uses: bool) -> np.ndarray:
    rounds = np.array([record["round"] for record in run.evaluations], int)
    return run.cumulative("channel_uses")[rounds] if uses else rounds + 1


def _evaluated(run: RunSeries, key: str) -> np.ndarray:
    return np.array([record.get(key, np.nan) for record in run.evaluations], float)


def _band(
    axis: Axes, where: np.ndarray, run: RunSeries, keys: tuple[str, str], index: int, line: str, label: str
) -> None:
    low, high = np.transpose([record[keys[1]] for record in run.evaluations])
    axis.fill_between(where, low, high, color=colour(index), alpha=0.15, linewidth=0)
    axis.plot(where, _evaluated(run, keys[0]), f"o{line}", color=colour(index), markersize=4, label=label)


def _image(axis: Axes, image: np.ndarray, frame: str | None) -> None:
    axis.imshow(255 - image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(frame is not None)
        spine.set_color(frame or "none")
        spine.set_linewidth(1.6)


def legend(figure: Figure, axis: Axes) -> Figure:
    """Return the figure with a legend, if anything in it has a name."""
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=7, frameon=False)
    return figure


def shade(count: int, agent: int) -> str | tuple[float, ...]:
    """Return the colour of one of `count` agents, the same in every figure of a run."""
    return COLOURS[agent] if count <= len(COLOURS) else colormaps["viridis"](0.93 * agent / (count - 1))


def agent_legend(figure: Figure, axis: Axes, agents: int) -> Figure:
    """Return the figure with the ids of the agents beside it; more than fit get none."""
    if agents <= NAMED_AGENTS:
        figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper", fontsize=6.5, frameon=False,
                      title="agent", title_fontsize=7)  # fmt: skip
    return figure
