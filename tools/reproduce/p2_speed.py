"""P2, whether training with as many inner steps as agents take to personalise takes fewer rounds (B2)."""

import numpy as np

from tools.reproduce.p2_steps import FAST, NUS, STRONG, UNIFORM, USUAL, accuracy, has, point, words
from tools.reproduce.reached import coarse, evaluated_read, rounds_to
from tools.reproduce.verdict import Mean, Verdict, shown
from tools.sweep.results import Results

SHARE = 0.9
"""Of the best accuracy."""


def speed(results: Results, family: str, nu: int, dense: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the rounds to 90 % of the best accuracy of either, trained with ν steps and with one, (seeds,) each.

    Args:
        results: of the sweep.
        family: of settings.
        nu: ν.
        dense: whether evaluations of the first rounds count that are not at a multiple of `evaluation.every`.
    """
    rounds, many = accuracy(results, family, nu, nu)
    _, one = accuracy(results, family, 1, nu)
    target = SHARE * np.maximum(many.max(1), one.max(1))
    kept = slice(None) if dense else coarse(rounds, results.of(point(family, nu))[0].config.evaluation.every)
    return rounds_to(many[:, kept], rounds[kept], target), rounds_to(one[:, kept], rounds[kept], target)


def b2(results: Results) -> Verdict:
    """Return whether training with ν steps takes fewer rounds."""
    rounds = {nu: speed(results, USUAL, nu) for nu in NUS[1:]}
    fewer = {nu: Mean.of(many - one) for nu, (many, one) in rounds.items()}
    figures = "; ".join(
        f"ν = {nu}: {Mean.of(many).text(1)} against {Mean.of(one).text(1)}, difference {fewer[nu].text(1)}"
        for nu, (many, one) in rounds.items()
    )
    across = {family: Mean.of(np.subtract(*speed(results, family, NUS[-1]))) for family in (UNIFORM, STRONG)}
    others = "; ".join(f"{words(family)} {one.text(1)}" for family, one in across.items())
    coarsely = ", ".join(
        f"{Mean.of(np.subtract(*speed(results, USUAL, nu, dense=False))).text(1)} at ν = {nu}" for nu in NUS[1:]
    )
    about = results.of(point(USUAL, 1))[0].config.evaluation
    times = {f"with {name}": [both[row] for both in rounds.values()] for row, name in enumerate(("ν steps", "one"))}
    return Verdict(
        "B2",
        "[R] Training with ν steps takes fewer rounds to 90 % of the best personalised accuracy. Shown if under class "
        "skew, for ν = 2, 3 and 5, the interval of the paired difference in rounds to training with one step lies "
        "below 0 (target: of the best accuracy after ν steps that either of the two reaches; linear between "
        "evaluations).",
        shown(all(one.high < 0 for one in fewer.values())),
        f"Rounds, {figures}. Differences at ν = 5 {others}.",
        f"{_speed_read(fewer)} "
        f"{evaluated_read(times, about.every, about.dense_rounds)} By evaluations every {about.every} rounds alone the "
        f"differences are {coarsely}.{_fast_speed(results)} "
        "A round with ν steps takes ν + 1 gradients and ν products with a Hessian an outer step, so fewer rounds are "
        "not less computing.",
        "evaluations were a few rounds apart from the start, where the target is reached within two of them; now there "
        "is one after each of the first rounds.",
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


def _fast_speed(results: Results) -> str:
    """Say how many rounds several steps save at ten times the inner rate."""
    if not all(has(results, FAST, nu) for nu in NUS):
        return ""
    fewer = {nu: Mean.of(np.subtract(*speed(results, FAST, nu))) for nu in NUS[1:]}
    said = ", ".join(f"{one.text(1)} at ν = {nu}" for nu, one in fewer.items())
    holds = all(one.high < 0 for one in fewer.values())
    return (
        f" With ten times the rate, α = .1, the differences are {said}: there the statement "
        f"{'holds' if holds else 'does not hold'} by the same rule."
    )
