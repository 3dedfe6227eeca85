"""The picture of the cross-check: what both simulators measured, with the textbook."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.report.figures import colour

STYLE: Any = {"font.size": 8.5, "svg.fonttype": "none", "svg.hashsalt": "crosscheck"}
PANELS = {
    "TDL-A, power over delay": ("delay (samples)", "power in ±0.4 f_s", "log"),
    "TDL-A, correlation over frequency, real": ("Δf/f_s", "real ○, imaginary □", "linear"),
    "Doppler spectrum": ("f/f_D", "PSD", "linear"),
    "autocorrelation": ("f_D·τ", "correlation of the gain", "linear"),
    "level crossings": ("level/rms", "upward crossings in 1/f_D", "linear"),
    "PLL, PSD of the phase": ("f (Hz)", "PSD of the phase (white: 1)", "log"),
    "linewidth, PSD of the carrier": ("f (Hz)", "PSD of the carrier (white: 1)", "log"),
    "frequency walk, Allan variance": ("τ (ms)", "Allan variance (Hz²)", "log"),
}
BESIDE = {"TDL-A, correlation over frequency, real": "TDL-A, correlation over frequency, imaginary"}


def crosscheck_figure(result: dict[str, Any]) -> Figure:
    """Return panels of random laws, the last one of those in which ours is not the textbook by design."""
    records = {record["name"]: record for part in result["parts"].values() for record in part["records"]}
    figure = Figure(figsize=(7.5, 9.6), layout="constrained")  # as wide as a page of the documentation
    axes = figure.subplots(4, 2).ravel()
    for axis, (name, (xlabel, ylabel, scale)) in zip(axes, PANELS.items(), strict=True):
        _draw(axis, records[name], "o")
        if name in BESIDE:
            _draw(axis, records[BESIDE[name]], "s")
        axis.set(title=name.removesuffix(", real"), xlabel=xlabel, ylabel=ylabel, yscale=scale)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e6e6e6", linewidth=0.7)
        axis.set_axisbelow(True)
    handles, labels = axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw(axis: Axes, record: dict[str, Any], marker: str) -> None:
    where = np.array(record["where"])
    axis.plot(where, record["textbook"], "k-", linewidth=1, label="textbook")
    design = np.array(record["design"])
    if (design != 1).any():
        dashed = design * record["textbook"]
        axis.plot(where, dashed, "--", color=colour(0), linewidth=1, label="this simulator, by design")
    apart = 0.006 * (where.max() - where.min())
    sides = (("ours", "this simulator", -apart, colour(0)), ("theirs", "GNU Radio", apart, colour(1)))
    for side, label, shift, shade in sides:
        axis.errorbar(where + shift, record[side], 2 * np.array(record[f"{side}_error"]), fmt=marker, color=shade,
                      ms=3.5, mfc="none", elinewidth=1, label=f"{label}, ±2 standard errors")  # fmt: skip
