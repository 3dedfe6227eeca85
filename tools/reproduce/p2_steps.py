"""P2, what training with as many inner steps as agents take to personalise gives: accuracy (B1) and rounds (B2)."""

from collections.abc import Sequence

import numpy as np

from tools.reproduce.reached import early_read, rounds_to
from tools.reproduce.verdict import Mean, Verdict, shown
from tools.sweep.results import Results

NUS = 1, 2, 3, 5
USUAL, UNIFORM, STRONG = "class skew", "iid", "two classes"
PARTITIONS = UNIFORM, USUAL, STRONG
FIRST, FAST, FAST_FIRST = "first order", "α = .1", "α = .1, first order"
LATE = 0.2
"""Share of the rounds, the last ones, whose evaluations count as the end."""
SHARE = 0.9
"""Of the best accuracy."""
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


def speed(results: Results, family: str, nu: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rounds to 90 % of the best accuracy of either, trained with ν steps and with one, (seeds,) each."""
    rounds, many = accuracy(results, family, nu, nu)
    _, one = accuracy(results, family, 1, nu)
    target = SHARE * np.maximum(many.max(1), one.max(1))
    return rounds_to(many, rounds, target), rounds_to(one, rounds, target)


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
    across = ", ".join(f"{one.points(sign=True)} {_words(family)}" for family, one in by_skew.items())
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


def _words(family: str) -> str:
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
    if not all(has(results, FAST, nu) for nu in (NUS[0], NUS[-1])):
        return ""
    gained = Mean.of(gain(results, FAST, NUS[-1])).points(sign=True)
    return f" With ten times the rate, α = .1, the gain at ν = 5 is {gained} points."


def b2(results: Results) -> Verdict:
    """Return whether training with ν steps takes fewer rounds."""
    rounds = {nu: speed(results, USUAL, nu) for nu in NUS[1:]}
    fewer = {nu: Mean.of(many - one) for nu, (many, one) in rounds.items()}
    figures = "; ".join(
        f"ν = {nu}: {Mean.of(many).text(1)} against {Mean.of(one).text(1)}, difference {fewer[nu].text(1)}"
        for nu, (many, one) in rounds.items()
    )
    across = {family: Mean.of(np.subtract(*speed(results, family, NUS[-1]))) for family in (UNIFORM, STRONG)}
    others = "; ".join(f"{_words(family)} {one.text(1)}" for family, one in across.items())
    about = results.of(point(USUAL, 1))[0].config
    return Verdict(
        "B2",
        "[R] Training with ν steps takes fewer rounds to 90 % of the best personalised accuracy. Shown if under class "
        "skew, for ν = 2, 3 and 5, the interval of the paired difference in rounds to training with one step lies "
        "below 0 (target: of the best accuracy after ν steps that either of the two reaches; linear between "
        "evaluations).",
        shown(all(one.high < 0 for one in fewer.values())),
        f"Rounds, {figures}. Differences at ν = 5 {others}.",
        f"{_speed_read(fewer)} "
        f"{early_read([one for both in rounds.values() for one in both], about.evaluation)} A round with ν "
        "steps takes ν + 1 gradients and ν products with a Hessian an outer step, so fewer rounds are not less "
        "computing.",
    )


def _speed_read(fewer: dict[int, Mean]) -> str:
    groups = {
        "fewer rounds": [nu for nu, one in fewer.items() if one.high < 0],
        "more rounds": [nu for nu, one in fewer.items() if one.low > 0],
        "rounds that cannot be told apart from those of one step": [
            nu for nu, one in fewer.items() if one.low <= 0 <= one.high
        ],
    }
    said = [f"{words} at ν = {', '.join(map(str, nus))}" for words, nus in groups.items() if nus]
    return f"It takes {'; '.join(said)}."


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
