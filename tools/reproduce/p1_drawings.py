"""The figures of P1's page."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fl.theory.tasks import chance_sigma
from tools.bench.oamp import SNRS_DB
from tools.report.figures import SIZE, axes, colour, legend
from tools.reproduce import p1_bound, p1_gap, p1_link, p1_receiver, p1_theory
from tools.reproduce.paper import Drawing, Material
from tools.reproduce.shapes import band, forest, smoothed

CURVES = "ideal", "30 dB", "19 dB", "10 dB", "no memory", "LMMSE"
COMPARED = (
    "ideal", "no noise", "30 dB", "10 dB", "M/d = .8", "M/d = .2", "phase only", "LMMSE", "no memory", "FedAvg",
    "FedAvg, as many images",
)  # fmt: skip
BLOCKS = 20  # points of a smoothed curve


def training(material: Material) -> Figure:
    """Return the training loss over several links."""
    results = material.sweeps["link"]
    figure, axis = axes("round", "training loss")
    for index, point in enumerate(CURVES):
        loss = results.every_round(point, "train_loss")
        span = max(1, loss.shape[1] // BLOCKS)
        values = smoothed(loss, span)
        band(axis, (np.arange(values.shape[1]) + 0.5) * span, values, index, point)
    return legend(figure, axis)


def differences(material: Material) -> Figure:
    """Return what each change of the link costs in accuracy on new agents."""
    results = material.sweeps["link"]
    rows = [(point, p1_link.accuracy_change(results, point, p1_link.USUAL)) for point in COMPARED]
    return forest("accuracy minus that at 19 dB, M/d = .4 (points)", rows, scale=100)


def receivers(material: Material) -> Figure:
    """Return the NMSE of both receivers in every cell of the table."""
    cells = p1_receiver.table()
    rows = list(dict.fromkeys(cell.row for cell in cells))
    figure = Figure(figsize=(1.6 * SIZE[0], 1.35 * SIZE[1]), layout="constrained")
    for axis, row in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, rows, strict=True):
        mine = [cell for cell in cells if cell.row == row]
        for index, (name, values) in enumerate(
            (("OAMP", [cell.oamp_db for cell in mine]), ("LMMSE", [cell.lmmse_db for cell in mine]))
        ):
            band(axis, np.array(SNRS_DB), np.array(values).T, index, name)
        axis.plot(SNRS_DB, row.oamp, "x", color="#222222", markersize=5, label="reference, OAMP")
        axis.set_title(f"n = {row.agents}, k/d = {row.sparsity:g}, M/d = {row.measurements:g}", fontsize=8)
        axis.set_xticks(SNRS_DB)
        axis.grid(color="#e6e6e6", linewidth=0.7)
        axis.spines[["top", "right"]].set_visible(False)
    figure.supxlabel("receive SNR of the sum (dB)", fontsize=9)
    figure.supylabel("NMSE (dB)", fontsize=9)
    return legend(figure, figure.axes[0])


def gap(material: Material) -> Figure:
    """Return the generalisation gap in the course of training, where data are few."""
    results = material.sweeps["gap"]
    figure, axis = axes("round", "generalisation gap (nats)")
    axis.axhline(0, color="#999999", linewidth=0.8)
    for index, point in enumerate(results.points):
        band(axis, *p1_gap.gaps(results, point), index, point)
    return _legend_beside(figure, axis)


def gap_differences(material: Material) -> Figure:
    """Return what noise changes of the gap, and of the two losses that it is made of."""
    results = material.sweeps["gap"]
    rows = []
    for rule, (noisy, clean) in p1_gap.PAIRS.items():
        rows.append((f"{rule}: gap, 10 dB − ideal", p1_gap.gap_change(results, noisy, p1_gap.IDEAL, p1_gap.LEVEL)))
        rows.append((f"{rule}: gap, 10 − 30 dB", p1_gap.gap_change(results, noisy, clean, p1_gap.LEVEL)))
        changes = p1_gap.loss_changes(results, noisy, clean)
        rows += [(f"{rule}: loss on {name}, 10 − 30 dB", change) for name, change in changes.items()]
    rows += [
        (f"inversion: gap, {name}", p1_gap.gap_change(results, *pair)) for name, pair in p1_gap.parts(results).items()
    ]
    return forest("paired difference (nats)", rows)


def bound(material: Material) -> Figure:
    """Return the bound of the gap beside what was measured, on a logarithmic axis."""
    results = material.sweeps["gap"]
    figure, axis = axes("round", "nats")
    for index, point in enumerate(results.points):
        if point == p1_gap.IDEAL:
            continue
        limits = p1_bound.bound(results, point)
        axis.plot(np.arange(limits.shape[1]) + 1, limits.mean(0), color=colour(index), linewidth=1.2,
                  label=f"bound, {point}")  # fmt: skip
        rounds, measured = p1_gap.gaps(results, point)
        axis.plot(rounds, np.abs(measured.mean(0)), "o:", color=colour(index), markersize=4, linewidth=1)
    limit = 2 * chance_sigma(results.jobs[0].config)
    axis.axhline(limit, color="#222222", linestyle="--", linewidth=1, label="2σ, above which it says nothing")
    axis.plot([], [], "o:", color="#6c757d", markersize=4, label="measured gap")
    axis.set_yscale("log")
    return _legend_beside(figure, axis)


def convergence(material: Material) -> Figure:
    """Return the mean square of the meta-gradient under noise, and without memory, beside its template."""
    figure = Figure(figsize=(1.6 * SIZE[0], 1.5 * SIZE[1]), layout="constrained")
    panels, done = figure.subplots(1, 2, sharey=True), p1_theory.descents()
    for axis, settings in zip(panels, (p1_theory.NOISE, p1_theory.BIAS), strict=True):
        for index, one in enumerate(one for one in done if one.setting in settings):
            found, about, mark = one.descent, one.descent.constants, colour(index)
            rounds = np.arange(1, len(found.measured) + 1)
            axis.plot(rounds, one.squares, color=mark, linewidth=0.6, alpha=0.35)
            axis.plot(rounds, found.measured, color=mark, linewidth=2.6 - 0.8 * index,
                      label=f"measured, k/d = {one.setting.delta:.2g}, {one.setting.name}")  # fmt: skip
            axis.plot(rounds, found.template, "--", color=mark, linewidth=2.6 - 0.8 * index,
                      label=f"template [R]: δ = {one.delta:.2g}, ε = {one.error_power:.2g}, "
                      f"G² = {about.gradient_power:.3g}{'' if one.setting.memory else ', biased'}")  # fmt: skip
        axis.set_title(f"η = 1/({settings[0].part}L_F) = {found.rate:.3g}, L_F = {about.smoothness:.3g}, "
                       f"F_0 = {about.start:.2f}, σ_g² = 0", fontsize=8)  # fmt: skip
        axis.plot([], [], color="#6c757d", linewidth=0.6, label="thin: ‖∇F‖² of a round")
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("round", fontsize=9)
        axis.grid(color="#e6e6e6", linewidth=0.7)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15))
    panels[0].set_ylabel("mean of ‖∇F‖² so far", fontsize=9)
    return figure


def _legend_beside(figure: Figure, axis: Axes) -> Figure:
    """Return the figure with a legend where no curve is."""
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


DRAWINGS = (
    Drawing(
        "training", "Training loss over links, means of neighbouring rounds; band: 95 % over seeds (A1, A3).", training
    ),
    Drawing(
        "differences",
        "Accuracy on new agents after fine-tuning, against the usual link (19 dB, M/d = .4, OAMP, memory): mean and "
        "95 % interval of the difference paired over seeds, at one evaluation, after the last round (A1, A3, A4, A5).",
        differences,
    ),
    Drawing(
        "receivers", "NMSE of the sum of top-k vectors; band: 95 % over 20 problems; ×: reference [C] (A4).", receivers
    ),
    Drawing("gap", "Generalisation gap with few data; band: 95 % over seeds (A2).", gap),
    Drawing(
        "gap-differences",
        "What noise does to the gap and to its two parts over the second half of training, then compression (no noise "
        "minus ideal links) and noise (minus no noise) apart: means, paired over seeds, with intervals of "
        f"{100 * p1_gap.LEVEL:.1f} % for the four gaps that decide and 95 % else (A2).",
        gap_differences,
    ),
    Drawing(
        "bound",
        "The information bound of the gap [R] beside the measured gap, for σ of a loss cut at that of guessing (A2).",
        bound,
    ),
    Drawing(
        "convergence",
        "Descent of softmax regression (ν = 1, double precision, all data) with top-k, and a template of ours [R], "
        "not the paper's theorem: 4(F_0 − F*)/(ηT) + 8(1−δ)L_F²η²G²/δ² + 2L_F·ε/η, the last 4(L_F + 1/(2η))ε/η "
        "if the error has a bias; F* >= 0 for F*. Left, with memory: noise of one power ε in all rounds, 30 or 10 dB "
        "below η²B_F², B_F the largest norm a meta-gradient can have, leaves a floor. Right, without noise: what top-k "
        "leaves out, kept in a memory (δ = k/d) or lost, a bias of ε = (1−δ)η²G² at δ = 1 that does not vanish with η. "
        "The templates hold, but are worst cases: all that end above the first ‖∇F‖² promise nothing yet.",
        convergence,
    ),
)
