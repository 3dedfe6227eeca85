"""P4, the figures: time, label skew, and accuracy against SNR."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tools.bench.analytic.picture import draw
from tools.bench.analytic.race import CLAIMED
from tools.report.figures import axes, colour, legend
from tools.reproduce.p4_heterogeneity import SKEWS
from tools.reproduce.p4_measured import CLASSES, measured, over_the_air
from tools.reproduce.paper import Drawing, Material
from tools.reproduce.shapes import band, bars

PERSONAL = {
    "FedACnnL": "FedACnnL",
    "own": "pFedACnnL",
    "support": "pFedACnnL, from support data",
    "groups": "pFedACnnL, 4 groups",
    "local": "local ridge",
    "FedAvg, fine-tuned": "FedAvg, fine-tuned",
}


def draw_own(material: Material) -> Figure:
    """Return the accuracy on agents' own test data under label skew."""
    skew = measured(material).skew
    settings = {"ten classes": next(iter(CLASSES)), **SKEWS}
    figure, axis = axes("how classes are dealt", "accuracy on agents' own test data")
    for index, (column, name) in enumerate(PERSONAL.items()):
        values = np.stack([skew[setting][column] for setting in settings.values()], axis=1)
        bars(axis, np.arange(len(settings)) + 0.11 * (index - (len(PERSONAL) - 1) / 2), values, index, name)
    axis.set_xticks(np.arange(len(settings)), list(settings))
    return legend(figure, axis)


def draw_shared(material: Material) -> Figure:
    """Return the accuracy of the shared models on images that nobody holds, against classes of an agent."""
    skew = measured(material).skew
    figure, axis = axes("classes of an agent", "accuracy on images nobody holds")
    where = np.arange(len(CLASSES))
    for index, (column, name) in enumerate({"apart": "FedACnnL", "apart, FedAvg": "FedAvg"}.items()):
        band(axis, where, np.stack([skew[setting][column] for setting in CLASSES], axis=1), index, name, "o-")
    axis.set_xticks(where, [str(count) for count in CLASSES.values()])
    return legend(figure, axis)


def draw_times(material: Material) -> Figure:
    """Return the share of FedAvg's time that closed-form training takes, for each seed and size."""
    races = measured(material).races
    figure, axis = axes("time over that of FedAvg to the same accuracy", "")
    axis.axvline(CLAIMED, color="#999999", linewidth=0.8, linestyle="--", label=f"{CLAIMED:.0%}")
    for index, (key, name) in enumerate({"ratio": "wall time", "processor_ratio": "processor time"}.items()):
        for row, found in enumerate(races.values()):
            values = [one[key] for one in found["rows"]]
            height = np.full(len(values), row + 0.12 * (2 * index - 1))
            label = name if row == 0 else None
            axis.plot(values, height, "o", color=colour(index), markersize=5, alpha=0.8, label=label)
    axis.set_yticks(np.arange(len(races)), [name.replace(", ", ",\n") for name in races])
    axis.set_ylim(-0.6, len(races) - 0.4)
    axis.set_xscale("log")
    ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1]
    axis.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
    axis.minorticks_off()
    return legend(figure, axis)


def draw_air(material: Material) -> Figure:
    """Return accuracy over the air against SNR."""
    return draw(over_the_air(material), "accuracy, not personalised")


DRAWINGS: Sequence[Drawing] = (
    Drawing(
        "own",
        "Accuracy on agents' own test data, each with a head of its own but FedACnnL, after the last round; bars: 95 % "
        "over seeds (D3).",
        draw_own,
    ),
    Drawing(
        "shared",
        "The shared models on images that no agent holds, after the last round (a closed form has no later one; that "
        "of FedAvg scatters with it); band: 95 % over seeds (D4).",
        draw_shared,
    ),
    Drawing("times", "Training time in closed form over that of FedAvg, one point a seed (D2).", draw_times),
    Drawing(
        "air",
        "The sums over the air: accuracy after the last layer against SNR, with and without what bears the noise; "
        "band: 95 % over seeds.",
        draw_air,
    ),
)
