"""The figures of P2's page."""

import numpy as np
from matplotlib.figure import Figure

from tools.report.figures import SIZE, axes, colour, legend
from tools.reproduce import p2_speed, p2_steps, p2_theory
from tools.reproduce.p2_gradients import NUS, REFERENCE, first_order_error
from tools.reproduce.p2_steps import PARTITIONS, USUAL, accuracy, gain, has, point
from tools.reproduce.paper import Drawing, Material
from tools.reproduce.shapes import band, forest
from tools.reproduce.verdict import Mean
from tools.sweep.results import Results

SHOWN_STEPS = NUS[-1]
LEFT_OUT = "Settings of which runs diverged are left out; B1 names them."


def by_round(material: Material) -> Figure:
    """Return the accuracy after five steps in the course of training."""
    results = material.sweeps["steps"]
    figure, axis = axes("round", f"accuracy on new agents after {SHOWN_STEPS} steps")
    for index, nu in enumerate(NUS):
        band(axis, *accuracy(results, USUAL, nu, SHOWN_STEPS), index, f"trained with ν = {nu}")
    return legend(figure, axis)


def by_step(material: Material) -> Figure:
    """Return the accuracy after each fine-tuning step over the last rounds, as B1 has it."""
    results = material.sweeps["steps"]
    figure, axis = axes("fine-tuning steps", "accuracy on new agents")
    for index, nu in enumerate(NUS):
        values = p2_steps.by_step(results, USUAL, nu)
        steps = np.arange(values.shape[1])
        band(axis, steps, values, index, f"trained with ν = {nu}")
        axis.set_xticks(steps)
    return legend(figure, axis)


def gains(material: Material) -> Figure:
    """Return the gain of training with as many steps as agents take, by partition and ν."""
    results = material.sweeps["steps"]
    rows = [
        (point(family, nu), Mean.of(gain(results, family, nu)))
        for family in (*PARTITIONS, *p2_steps.FAST_PARTITIONS)
        for nu in NUS[1:]
        if _drawn(results, family, nu)
    ]
    return forest("gain in accuracy (points)", rows, scale=100)


def rounds(material: Material) -> Figure:
    """Return the difference in rounds to 90 % of the best accuracy, by partition and ν."""
    results = material.sweeps["steps"]
    rows = [
        (point(family, nu), Mean.of(np.subtract(*p2_speed.speed(results, family, nu))))
        for family in (*PARTITIONS, *p2_steps.FAST_PARTITIONS)
        for nu in NUS[1:]
        if _drawn(results, family, nu)
    ]
    return forest("difference in rounds", rows)


def _drawn(results: Results, family: str, nu: int) -> bool:
    """Return whether a setting is there, and none of its runs diverged: it would leave no scale for the others."""
    return has(results, family, nu) and not any(p2_steps.diverged(results, family, one) for one in (1, nu))


def first_order(material: Material) -> Figure:
    """Return the error of the first-order gradient against ν."""
    figure, axis = axes("inner steps ν", "relative error, first order")
    values = np.array([first_order_error(nu) for nu in NUS]).T
    band(axis, np.array(NUS), values, 0, "measured, softmax regression")
    axis.plot(list(REFERENCE), list(REFERENCE.values()), "x", color="#222222", label="reference [C]")
    axis.set_xticks(NUS)
    axis.set_ylim(bottom=0)
    return legend(figure, axis)


def smoothness(material: Material) -> Figure:
    """Return how fast the meta-gradient changes on softmax regression, against ν, beside its bound."""
    figure, axis = axes("inner steps ν", "Lipschitz constant of ∇F")
    found = p2_theory.smoothness()
    axis.plot(list(found), [limit for _, limit in found.values()], "o-", markersize=4, color=colour(1),
              label="L_F(ν), bound [R]")  # fmt: skip
    axis.plot(list(found), [value for value, _ in found.values()], "o-", markersize=4, color=colour(0),
              label="largest that was found")  # fmt: skip
    axis.set_yscale("log")
    axis.set_xticks(list(found))
    return legend(figure, axis)


def convergence(material: Material) -> Figure:
    """Return the mean square of the meta-gradient in the course of gradient descent, beside its template."""
    figure, axis = axes("round", "mean of ‖∇F‖² so far")
    for index, nu in enumerate(p2_theory.DESCENDED):
        found = p2_theory.descent(nu)
        rounds, about = np.arange(1, len(found.measured) + 1), found.constants
        axis.plot(rounds, found.measured, color=colour(index), linewidth=1.4, label=f"measured, ν = {nu}")
        constants = f"L_F = {about.smoothness:.3g}, η = {found.rate:.2g}, F_0 = {about.start:.2f}"
        axis.plot(rounds, found.template, "--", color=colour(index), linewidth=1.1,
                  label=f"template [R], ν = {nu}: {constants}")  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    figure.set_size_inches(SIZE[0], 1.35 * SIZE[1])
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", fontsize=7, frameon=False)
    return figure


DRAWINGS = (
    Drawing("rounds", "Accuracy on new agents under class skew; band: 95 % over seeds (B1, B2).", by_round),
    Drawing(
        "steps",
        "The same by fine-tuning steps, mean of the last fifth of the rounds; band: 95 % over seeds (B1).",
        by_step,
    ),
    Drawing(
        "gains",
        "What training with as many steps as agents take gains over training with one: mean and 95 % interval, paired "
        f"over seeds (B1). {LEFT_OUT}",
        gains,
    ),
    Drawing("speed", f"The same in rounds to 90 % of the best accuracy: below 0 is faster (B2). {LEFT_OUT}", rounds),
    Drawing("first-order", "What leaving the Hessian out costs; band: 95 % over 10 problems (B5).", first_order),
    Drawing(
        "smoothness",
        "How fast the gradient of the meta objective changes on softmax regression, and what it is bounded by [R]: "
        f"{p2_theory.AGENTS} agents of 12 images, α = {p2_theory.ALPHA}, in double precision. Largest of the slopes "
        f"between {len(p2_theory.SCALES)} points and of the curvatures at these.",
        smoothness,
    ),
    Drawing(
        "convergence",
        "Descent of the same objective along its whole gradient at η = 1/(2L_F), and a template of ours [R], which is "
        "not the paper's theorem: 4(F_0 − F*)/(ηT), with F* >= 0 for F*; σ_g² = 0, δ = 1, ε = 0, so its other terms "
        "are none.",
        convergence,
    ),
)
