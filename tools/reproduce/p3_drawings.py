"""P3, the figures: the table, the curves, the Reptile stage, and central training."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.report.figures import axes, colour, legend
from tools.reproduce.p3_numbers import AGENTS, PASSES, Curves, cell, curves, table
from tools.reproduce.p3_training import CONTROL, STAGED
from tools.reproduce.paper import Drawing, Material
from tools.reproduce.shapes import band, bars

LINES = {"personalised": "-", "initial": "--"}


def draw_table(material: Material) -> Figure:
    """Return accuracy at the end against E, for each number of agents a round."""
    cells = table(material.sweeps["table"])
    figure, axis = axes("E, passes over an agent's data in a round", "accuracy of new agents")
    for index, agents in enumerate(AGENTS):
        for kind, line in LINES.items():
            values = np.stack([getattr(cells[agents, passes], kind)[:, -1] for passes in PASSES])
            shift = 1.02 ** (index * 2 - 1)  # so that bars do not hide each other
            bars(axis, np.array(PASSES) * shift, values.T, index, f"{agents} agents a round, {kind}", line)
    axis.set_xscale("log")
    axis.set_xticks(PASSES, [str(passes) for passes in PASSES])
    axis.minorticks_off()
    return legend(figure, axis)


def draw_rounds(material: Material) -> Figure:
    """Return accuracy against rounds with 20 agents a round, initial and personalised."""
    figure, axis = axes("round", "accuracy of new agents")
    for index, passes in enumerate(PASSES):
        found = curves(material.sweeps["table"], cell(AGENTS[-1], passes))
        _draw_kinds(axis, found, index, f"E = {passes}")
    return legend(figure, axis)


def draw_stages(material: Material) -> Figure:
    """Return accuracy against rounds of Personalized FedAvg and of FedAvg that goes on."""
    results = material.sweeps["stages"]
    figure, axis = axes("round", "accuracy of new agents")
    axis.axvline(switch_of(material), color="#999999", linewidth=0.8)
    for index, point in enumerate((CONTROL, STAGED)):
        _draw_kinds(axis, curves(results, point), index, point)
    return legend(figure, axis)


def draw_central(material: Material) -> Figure:
    """Return personalised against initial accuracy: central training in its course, all cells at their end."""
    central = curves(material.sweeps["central"], "central")
    figure, axis = axes("initial accuracy of new agents", "personalised accuracy")
    for seed in range(len(central.initial)):
        axis.plot(central.initial[seed], central.personalised[seed], "-", color=colour(5), linewidth=0.8, alpha=0.7,
                  label="central, in its course" if seed == 0 else None)  # fmt: skip
    cells = table(material.sweeps["table"])
    for index, agents in enumerate(AGENTS):
        ends = [(cells[agents, passes].initial[:, -1], cells[agents, passes].personalised[:, -1]) for passes in PASSES]
        initial, personalised = (np.concatenate(part) for part in zip(*ends, strict=True))
        axis.plot(
            initial, personalised, "o", color=colour(index), markersize=4, label=f"FedAvg, {agents} agents a round"
        )
    lowest = min(one.initial[:, -1].min() for one in cells.values())
    axis.set_xlim(left=lowest - 0.05)
    axis.set_ylim(bottom=lowest - 0.02)
    return legend(figure, axis)


def switch_of(material: Material) -> int:
    """Return the rounds of FedAvg before the second stage."""
    switch = material.sweeps["stages"].of(STAGED)[0].config.algorithm.reptile_from
    if switch is None:
        raise ValueError("algorithm.reptile_from: the sweep of the stages has to say when the second begins; set it")
    return switch


def _draw_kinds(axis: Axes, found: Curves, index: int, name: str) -> None:
    for kind, line in LINES.items():
        band(axis, found.rounds, getattr(found, kind), index, f"{name}, {kind}", line)


DRAWINGS: Sequence[Drawing] = (
    Drawing(
        "table",
        "Accuracy of new agents after the last round (one evaluation), before and after personalisation; bars: 95 % "
        "over seeds (C1 to C4).",
        draw_table,
    ),
    Drawing(
        "rounds", "The same with 20 agents a round in the course of training; band: 95 % over seeds (C5).", draw_rounds
    ),
    Drawing(
        "stages",
        "Personalized FedAvg and FedAvg alone; the line is where the Reptile stage begins; band: 95 % over seeds (C6).",
        draw_stages,
    ),
    Drawing(
        "central",
        "Personalised against initial accuracy: runs after the last round (one evaluation), a point a seed; central "
        "training in its course, a line a seed. Points beyond the lines' initial accuracy are not compared (C7).",
        draw_central,
    ),
)
