"""P3, the table: C1 to C4, what personalisation gives, how much runs scatter, and what E and more agents change."""

from collections.abc import Mapping

import numpy as np

from tools.reproduce.p3_numbers import AGENTS, INNER, PASSES, Curves, spread_difference
from tools.reproduce.verdict import Mean, Verdict, shown

Table = Mapping[tuple[int, int], Curves]
KINDS = "initial", "personalised"


def end(one: Curves, kind: str) -> np.ndarray:
    """Return the accuracy of a kind after the last round, shape (seeds,)."""
    return np.asarray(getattr(one, kind)[:, -1])


def c1(cells: Table, others: Mapping[str, Curves]) -> Verdict:
    """Return whether agents gain by personalisation in every setting, those of other data included."""
    gains = {f"{agents} agents, E = {passes}": Mean.of(one.gain) for (agents, passes), one in cells.items()}
    gains |= {name: Mean.of(one.gain) for name, one in others.items()}
    failed = [name for name, gain in gains.items() if gain.low <= 0]
    rows = "; ".join(_row(cells, agents) for agents in AGENTS)
    more = "; ".join(
        f"{name} {np.mean(one.initial[:, -1]):.1%} / {np.mean(one.personalised[:, -1]):.1%}, "
        f"{gains[name].points(sign=True)}"
        for name, one in others.items()
    )
    own = sorted((gain for name, gain in gains.items() if name not in others), key=lambda gain: gain.value)
    least = own[0]
    why = (
        f"On MNIST agents differ in handwriting alone, and gain {100 * least.value:.1f} to {100 * own[-1].value:.1f} "
        "points by cell; that a model for all is good for each there may be why it is not more, and is not tested "
        "here. In episodes of Omniglot labels are numbered anew, so that initial accuracy is chance by construction, "
        "and the gain says only that five images of a class can be learned from. EMNIST by writer, P3's own data, is "
        "loaded from a user's files (task.dataset=emnist or femnist) and was not at hand: this says nothing about it."
    )
    return Verdict(
        "C1",
        "[T] Personalised accuracy exceeds initial accuracy in every cell of agents a round by E, on MNIST by "
        "pseudo-writers, and on Shakespeare by role and with Omniglot agents. Rule: the interval of the difference "
        "after the last round, paired over seeds, lies above 0 in each.",
        shown(not failed),
        f"initial / personalised: {rows}; smallest gain of a cell {least.points(sign=True)} points; {more} points",
        why + (f" Not so in: {', '.join(failed)}." if failed else "") + "".join(map(_course, others, others.values())),
    )


def _course(name: str, one: Curves) -> str:
    """Say what personalisation gains in the course of training, where there is one."""
    gains = one.personalised - one.initial
    said = [
        f"{Mean.of(gain).points(sign=True)} after {done} rounds" for done, gain in zip(one.rounds, gains.T, strict=True)
    ]
    return f" In the course of training {name} gains, in points, {', '.join(said)}." if len(said) > 1 else ""


def c2(cells: Table) -> Verdict:
    """Return whether personalised accuracy scatters less over runs."""
    every, rounds = list(cells.values()), next(iter(cells.values())).rounds
    half, last = int((rounds <= rounds[-1] / 2).sum()), len(rounds) - 1
    difference, own, initial = spread_difference(every, half)
    at_end, own_at_end, initial_at_end = spread_difference(every, last)
    return Verdict(
        "C2",
        "[T] Personalised accuracy varies less from run to run than initial accuracy. Rule: distance of a run from the "
        "mean over seeds, averaged over cells and over the evaluations of the second half of training; the difference, "
        "paired over seeds, has an interval below 0.",
        shown(difference.high < 0),
        f"{100 * own:.2f} against {100 * initial:.2f} points, {hundredths(difference)}; at the last evaluation alone "
        f"{100 * own_at_end:.2f} against {100 * initial_at_end:.2f}, {hundredths(at_end)}",
        "A seed draws the weights, who holds what, who is new, and the mini-batches: both accuracies are of the same "
        f"new agents, so what these find hard may be in both. At a single evaluation {len(every[0].gain)} runs say "
        "little about their spread, hence the mean over half of the training. P3's table gives spreads over agents; "
        "this is the one over runs.",
        "deviations at the last evaluation alone decided; now those over the second half of training do.",
    )


def hundredths(difference: Mean) -> str:
    """Return a difference in points with two digits."""
    return f"{100 * difference.value:+.2f} [{100 * difference.low:.2f}, {100 * difference.high:.2f}]"


def c3(cells: Table) -> Verdict:
    """Return whether accuracy is highest at an E between the smallest and the largest."""
    found, held = [], True
    for agents in AGENTS:
        for kind in KINDS:
            best, margins = peak(cells, agents, kind)
            inside = best in INNER and all(margin.low > 0 for margin in margins.values())
            held &= inside
            over = ", ".join(f"{margin.points(sign=True)} over E = {other}" for other, margin in margins.items())
            found.append(f"{agents} agents, {kind}: E = {best} ({over})")
    rounds = next(iter(cells.values())).rounds
    return Verdict(
        "C3",
        "[T] At equal numbers of rounds initial and personalised accuracy peak at an intermediate E. Rule: for 5 and "
        "20 agents a round, and both accuracies, the best E after the last round is 5 or 10, and better than E = 2 and "
        "E = 20 with paired intervals above 0.",
        shown(held),
        f"best E after {rounds[-1]} rounds, points: {'; '.join(found)}",
        f"{_earlier(cells, rounds)} A larger E is more steps in a round, which may count while there are few rounds, "
        "and models may lie further apart when they are averaged, which may count the more the fewer are averaged. "
        "Personalisation may undo a part of what averaging costs, so the two accuracies need not peak at the same E. "
        "None of this is tested here.",
    )


def c4(cells: Table) -> Verdict:
    """Return whether more agents a round are better."""
    few, many = AGENTS
    found, held = [], True
    for kind in KINDS:
        rows = np.stack([end(cells[many, passes], kind) - end(cells[few, passes], kind) for passes in PASSES])
        mean = Mean.of(rows.mean(0))
        held &= mean.low > 0
        each = ", ".join(f"E = {passes} {100 * row.mean():+.1f}" for passes, row in zip(PASSES, rows, strict=True))
        found.append(f"{kind} {mean.points(sign=True)} ({each})")
    return Verdict(
        "C4",
        f"[T] {many} agents a round are better than {few}. Rule: the difference after the last round, paired over "
        "seeds and averaged over E, has an interval above 0 for initial and for personalised accuracy.",
        shown(held),
        f"points: {'; '.join(found)}",
        f"At equal rounds {many} agents also compute {many // few} times as much. A mean of more agents is "
        "less noisy, which may count the more with momentum at the server; that is not tested here.",
    )


def peak(cells: Table, agents: int, kind: str) -> tuple[int, dict[int, Mean]]:
    """Return the best E, and by how much it is better than the smallest and the largest (those that it is not)."""
    best = max(PASSES, key=lambda passes: float(end(cells[agents, passes], kind).mean()))
    ends = [passes for passes in (PASSES[0], PASSES[-1]) if passes != best]
    return best, {e: Mean.of(end(cells[agents, best], kind) - end(cells[agents, e], kind)) for e in ends}


def _earlier(cells: Table, rounds: np.ndarray) -> str:
    """Return a sentence about the best E in the course of training."""
    parts = []
    quarter, half = np.searchsorted(rounds, [rounds[-1] / 4, rounds[-1] / 2])
    for index in sorted({quarter, half} - {len(rounds) - 1}):
        best = [
            max(PASSES, key=lambda passes: float(getattr(cells[agents, passes], kind)[:, index].mean()))
            for agents in AGENTS
            for kind in KINDS
        ]
        parts.append(f"after {rounds[index]} rounds {', '.join(str(value) for value in best)}")
    order = ", ".join(f"{agents} agents {kind}" for agents in AGENTS for kind in KINDS)
    return f"The best E ({order}) was {'; '.join(parts)}." if parts else ""


def _row(cells: Table, agents: int) -> str:
    values = ", ".join(
        f"E = {passes} " + " / ".join(f"{end(cells[agents, passes], kind).mean():.1%}" for kind in KINDS)
        for passes in PASSES
    )
    return f"{agents} agents {values}"
