"""P2, what training with as many inner steps as agents take to personalise gives in accuracy (B1)."""

from collections.abc import Sequence
from math import isfinite

import numpy as np

from tools.reproduce.verdict import Mean, Verdict, shown
from tools.sweep.results import Results

NUS = 1, 2, 3, 5
USUAL, UNIFORM, STRONG = "class skew", "iid", "two classes"
PARTITIONS = UNIFORM, USUAL, STRONG
FIRST, FAST, FAST_FIRST = "first order", "α = .1", "α = .1, first order"
FAST_PARTITIONS = "α = .1, iid", FAST, "α = .1, two classes"
LATE = 0.2
"""Share of the rounds, the last ones, whose evaluations count as the end."""
MARGIN = 0.005
"""Accuracy within which training with ν steps is at least as good as with one."""


def point(family: str, nu: int) -> str:
    """Return the name of a setting."""
    return f"{family}, ν = {nu}"


def has(results: Results, family: str, nu: int) -> bool:
    """Return whether a sweep has a setting."""
    return point(family, nu) in results.points


def accuracy(results: Results, family: str, nu: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rounds, (evaluations,), and accuracy of new agents after `steps` steps, (seeds, evaluations)."""
    rounds, values = results.curve(point(family, nu), "accuracy_by_step")
    return rounds, values[:, :, steps]


def by_step(results: Results, family: str, nu: int) -> np.ndarray:
    """Return the accuracy over the last rounds after 0, 1, … steps, shape (seeds, steps + 1).

    The mean of some evaluations scatters less than one does.
    """
    rounds, values = results.curve(point(family, nu), "accuracy_by_step")
    return np.asarray(values[:, rounds > (1 - LATE) * rounds[-1]].mean(1))


def end(results: Results, family: str, nu: int, steps: int) -> np.ndarray:
    """Return the accuracy over the last rounds after `steps` steps, shape (seeds,)."""
    return by_step(results, family, nu)[:, steps]


def gain(results: Results, family: str, nu: int) -> np.ndarray:
    """Return accuracy after ν steps of models trained with ν steps minus that of models trained with one, (seeds,)."""
    return end(results, family, nu, nu) - end(results, family, 1, nu)


def b1(results: Results) -> Verdict:
    """Return whether training with ν steps serves agents that take ν steps."""
    gains = {nu: Mean.of(gain(results, USUAL, nu)) for nu in NUS[1:]}
    most = NUS[-1]
    by_skew = {family: Mean.of(gain(results, family, most)) for family in PARTITIONS}
    growth = Mean.of(gain(results, STRONG, most) - gain(results, UNIFORM, most))
    no_worse = all(one.low >= -MARGIN for one in gains.values())
    figures = "; ".join(
        f"ν = {nu}: {Mean.of(end(results, USUAL, nu, nu)).points()} % against "
        f"{Mean.of(end(results, USUAL, 1, nu)).points()} %, gain {one.points(sign=True)} points"
        for nu, one in gains.items()
    )
    across = ", ".join(f"{one.points(sign=True)} {words(family)}" for family, one in by_skew.items())
    return Verdict(
        "B1",
        "[R] Agents that personalise with ν steps are served at least as well by training with ν inner steps as by "
        "training with one, and the gain grows with heterogeneity. Shown if under class skew, for ν = 2, 3 and 5, the "
        f"lower end of the paired gain in accuracy is at or above −{100 * MARGIN:.1f} points, and the gain at ν = 5 "
        "is larger with two classes an agent than under iid (interval of the paired difference above 0).",
        shown(no_worse and growth.low > 0),
        f"New agents, mean of the last fifth of the rounds. {figures}. At ν = 5: {across}; two classes minus iid "
        f"{growth.points(sign=True)}.",
        f"{_gains_read(gains)} {_growth_read(growth)} {_fewer(results)}{_fast(results)}",
    )


def words(family: str) -> str:
    """Return how a sentence names a partition."""
    return {UNIFORM: "under iid", USUAL: "under class skew", STRONG: "with two classes each"}[family]


def _gains_read(gains: dict[int, Mean]) -> str:
    better = [str(nu) for nu, one in gains.items() if one.low > 0]
    worse = [str(nu) for nu, one in gains.items() if one.high < 0]
    open_ones = [str(nu) for nu, one in gains.items() if one.low <= 0 <= one.high]
    said = []
    if better:
        said.append(f"Training with as many steps pays at ν = {', '.join(better)}.")
    if worse:
        said.append(f"It costs at ν = {', '.join(worse)}.")
    if open_ones:
        said.append(f"No difference after as many steps is resolved at ν = {', '.join(open_ones)}.")
    return " ".join(said)


def _growth_read(growth: Mean) -> str:
    if growth.low > 0:
        return "The gain at ν = 5 grows from iid to two classes an agent."
    if growth.high < 0:
        return "The gain at ν = 5 shrinks from iid to two classes an agent."
    return "That the gain grows with heterogeneity is not resolved."


def _fewer(results: Results) -> str:
    """Say how models trained for several steps do after one."""
    found = [
        f"{Mean.of(end(results, USUAL, nu, 1) - end(results, USUAL, 1, 1)).points(sign=True)} at ν = {nu}"
        for nu in NUS[1:]
    ]
    return (
        f"After one step, models trained for ν of them differ from those trained for one by {', '.join(found)} points."
    )


def _fast(results: Results) -> str:
    """Say what several steps gain at ten times the inner rate, and whether it grows with heterogeneity."""
    if not all(has(results, family, NUS[-1]) for family in FAST_PARTITIONS):
        return ""
    most, (uniform, _, strong) = NUS[-1], FAST_PARTITIONS
    gains = {nu: Mean.of(gain(results, FAST, nu)) for nu in NUS[1:]}
    growth = Mean.of(gain(results, strong, most) - gain(results, uniform, most))
    said = ", ".join(f"{one.points(sign=True)} at ν = {nu}" for nu, one in gains.items())
    across = ", ".join(
        f"{Mean.of(gain(results, fast, most)).points(sign=True)} {words(family)}"
        for family, fast in zip(PARTITIONS, FAST_PARTITIONS, strict=True)
    )
    holds = all(one.low >= -MARGIN for one in gains.values()) and growth.low > 0
    return (
        f" With ten times the rate, α = .1, the gains are {said} points under class skew; at ν = {most} {across}, two "
        f"classes minus iid {growth.points(sign=True)}: there the statement {'holds' if holds else 'does not hold'} by "
        f"the same rule.{_lost(results)}"
    )


def _lost(results: Results) -> str:
    """Say which runs at ten times the inner rate diverged."""
    settings = [(family, nu) for family in FAST_PARTITIONS for nu in (NUS[0], NUS[-1])]
    found = [
        f"{lost} of {len(results.of(point(*setting)))} runs of {point(*setting)!r}"
        for setting in settings
        if (lost := diverged(results, *setting))
    ]
    return f" Training diverged, to a loss that is no number, in {', '.join(found)}." if found else ""


def diverged(results: Results, family: str, nu: int) -> int:
    """Return how many runs of a setting ended with a training loss that is no number."""
    ends = [records[-1].get("train_loss", 0.0) for records in results.histories(point(family, nu))]
    return sum(loss is None or not isfinite(loss) for loss in ends)


def first_order_trained(results: Results) -> Sequence[str]:
    """Return what leaving the Hessian out costs in training, and whether more with more steps, for each inner rate."""
    said = []
    for exact, first, rate in ((USUAL, FIRST, ".01"), (FAST, FAST_FIRST, ".1")):
        if not all(has(results, family, nu) for family in (exact, first) for nu in (1, 5)):
            continue
        one, five = (end(results, exact, nu, nu) - end(results, first, nu, nu) for nu in (1, 5))
        growth = Mean.of(five - one)
        grows = "grows with ν" if growth.low > 0 else "shrinks with ν" if growth.high < 0 else "is not seen to grow"
        said.append(
            f"In training under class skew at α = {rate} the exact gradient's accuracy minus that of first order is "
            f"{Mean.of(one).points(sign=True)} points at ν = 1 and {Mean.of(five).points(sign=True)} points at ν = 5: "
            f"this cost {grows} (ν = 5 minus ν = 1, paired over seeds: {growth.points(sign=True)} points)."
        )
    return said
