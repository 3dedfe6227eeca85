"""Accuracy of closed-form training against SNR, as a figure."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fl.evaluation import interval
from tools.report.figures import axes, colour, legend


def draw(found: dict[str, Any], ylabel: str = "accuracy on the agents' test data") -> Figure:
    """Return the figure of what `air` has found: means over seeds, bands of 95 %."""
    figure, axis = axes("SNR of an agent, P/σ² (dB)", ylabel)
    exact = np.array(found["exact"])
    axis.axhline(exact.mean(), color="black", linewidth=0.8, linestyle="--", label="error-free")
    for index, (name, curve) in enumerate(found["curves"].items()):
        bands = np.array([interval(np.array(row)) for row in curve])
        axis.fill_between(found["snrs_db"], *bands.T, color=colour(index), alpha=0.15, linewidth=0)
        axis.plot(found["snrs_db"], np.mean(curve, axis=1), "o-", markersize=4, color=colour(index), label=name)
    axis.set_ylim(0, 1)
    return legend(figure, axis)
