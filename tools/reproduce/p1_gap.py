"""P1, the generalisation gap: does noise on the uplink make it smaller (A2)?

Gap: loss on new agents minus loss on training images of the training agents, both after fine-tuning. What it is bounded
by is in `tools.reproduce.p1_bound`.
"""

from math import log

import numpy as np

from tools.reproduce.p1_bound import bound_read
from tools.reproduce.p1_heard import sat_out
from tools.reproduce.p1_link import NO_NOISE, late_loss, nmse_db
from tools.reproduce.p1_setting import BEFORE, PILOTS, runs_read
from tools.reproduce.verdict import Mean, Verdict, shown
from tools.sweep.results import Results

IDEAL = "ideal"
PAIRS = {"inversion": ("10 dB", "30 dB"), "phase_only": ("phase only, 10 dB", "phase only, 30 dB")}
"""Settings with noise and with little, by rule of power; either rule can decide."""
LEVEL = 1 - 0.05 / len(PAIRS)
"""Of the intervals that decide: Bonferroni over the two rules."""
NOISE = "30 dB", "10 dB", "0 dB"
"""Settings that differ from `NO_NOISE` in SNR, compression included: in noise, and in who is too faded to be heard."""
SECOND_HALF = 0.5
LOSSES = {"new_agent_loss": "new agents", "train_agent_loss": "training images"}


def gaps(results: Results, point: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rounds done at each evaluation, (evaluations,), and the gap there, (seeds, evaluations)."""
    rounds, new = results.curve(point, "new_agent_loss")
    return rounds, new - results.curve(point, "train_agent_loss")[1]


def late(results: Results, point: str, key: str) -> np.ndarray:
    """Return the mean of an evaluated number over the evaluations of the second half of a run, shape (seeds,).

    One evaluation shows the scatter of the last outer step as well; several have less of it.
    """
    rounds, values = results.curve(point, key)
    return np.asarray(values[:, rounds > SECOND_HALF * rounds[-1]].mean(1))


def late_gap(results: Results, point: str) -> np.ndarray:
    """Return the gap over the second half of a run, shape (seeds,)."""
    return late(results, point, "new_agent_loss") - late(results, point, "train_agent_loss")


def gap_change(results: Results, point: str, reference: str, level: float = 0.95) -> Mean:
    """Return the gap of one setting minus that of another, paired over seeds."""
    return Mean.of(late_gap(results, point) - late_gap(results, reference), level)


def loss_changes(results: Results, point: str, reference: str) -> dict[str, Mean]:
    """Return each loss of one setting minus that of another, paired over seeds, by whose loss it is."""
    return {name: Mean.of(late(results, point, key) - late(results, reference, key)) for key, name in LOSSES.items()}


def parts(results: Results) -> dict[str, tuple[str, str]]:
    """Return what is done to the gap one thing after the other, as pairs of settings: compression, then noise."""
    noisy = [point for point in NOISE if point in results.points]
    return {"compression alone": (NO_NOISE, IDEAL)} | {f"noise of {one}": (one, NO_NOISE) for one in noisy}


def a2(results: Results) -> Verdict:
    """Return whether noise makes the gap smaller."""
    changes = {
        rule: tuple(gap_change(results, noisy, other, LEVEL) for other in (clean, IDEAL))
        for rule, (noisy, clean) in PAIRS.items()
    }
    decided = [all(one.high < 0 for one in several) for several in changes.values()]
    seeds = len(results.of(IDEAL))
    smaller = "; ".join(
        f"{rule}: 10 dB minus 30 dB {first.text()}, 10 dB minus ideal {second.text()}"
        for rule, (first, second) in changes.items()
    )
    gap = ", ".join(f"{point} {Mean.of(late_gap(results, point)).text(2)}" for point in results.points)
    apart = ", ".join(f"{name} {gap_change(results, *pair).text()}" for name, pair in parts(results).items())
    return Verdict(
        "A2",
        "[A, R] The generalisation gap (loss on new agents minus loss on training images of the training agents, after "
        "fine-tuning) is smaller at 10 dB than at 30 dB and than over ideal links, where data are few. Gap: mean over "
        "the evaluations of the second half of a run. Shown if under one rule of power, inversion or P1's "
        f"phase_only, the intervals of both differences, paired over {seeds} seeds, lie below 0. As either of two "
        f"rules can decide, these intervals are of {100 * LEVEL:.1f} % (Bonferroni).",
        shown(any(decided)),
        f"Of {runs_read(results)}. "
        f"Gap in nats: {gap}. Paired differences, {100 * LEVEL:.1f} %: {smaller}. Under inversion, 95 %: {apart} "
        "(compression: no noise minus ideal links, which send every entry; noise: minus no noise). "
        f"{_levels(results)}",
        " ".join(
            [
                *(_read(results, rule, several) for rule, several in changes.items()),
                _parts_read(results),
                _length(results),
                bound_read(results, PAIRS["inversion"][0]),
            ]
        ),
        f"the intervals that decide were of 95 % for each of the two rules, and are of {100 * LEVEL:.1f} %; the "
        f"channel without noise was added; and the setting was {BEFORE}. It is {runs_read(results)}. {PILOTS}",
    )


def _length(results: Results) -> str:
    """Say how far training had come: the setting wants a long T."""
    noisy, rounds = PAIRS["inversion"][0], results.jobs[0].config.rounds
    losses = " and ".join(f"{late_loss(results, point).mean():.2f} nats at {point}" for point in (noisy, IDEAL))
    return (
        f"The statement is one for a long T. Here T is {rounds} rounds, in whose last fifth the training loss is "
        f"{losses}; what longer runs do was not measured."
    )


def _levels(results: Results) -> str:
    """Say what the gap lies between, and where guessing is: a gap can be that of models that have learnt little."""
    said = ", ".join(
        f"{point} {' and '.join(f'{np.mean(late(results, point, key)):.2f}' for key in LOSSES)}"
        for point in results.points
    )
    guessing = log(results.of(IDEAL)[0].config.task.ways)
    return f"Loss on {' and '.join(LOSSES.values())}, means: {said}; guessing has {guessing:.2f}."


def _read(results: Results, rule: str, changes: tuple[Mean, ...]) -> str:
    noisy, clean = PAIRS[rule]
    against = " and ".join(
        f"{_word(change)} {other}" for change, other in zip(changes, ("at 30 dB", "over ideal links"), strict=True)
    )
    causes = "; ".join(cause(name, change) for name, change in loss_changes(results, noisy, clean).items())
    return (
        f"With {rule} the gap at 10 dB is {against}; NMSE of the sum {nmse_db(results, noisy):.1f} dB at 10 dB, "
        f"{nmse_db(results, clean):.1f} dB at 30 dB; of the agents of a round {100 * sat_out(results, noisy):.1f} % "
        f"sit out at 10 dB, {100 * sat_out(results, clean):.1f} % at 30 dB. From 30 to 10 dB {causes}."
    )


def _word(change: Mean) -> str:
    if change.high < 0:
        return "smaller than"
    if change.low > 0:
        return "larger than"
    return f"not told apart (±{(change.high - change.low) / 2:.3f}) from that"


def cause(name: str, change: Mean) -> str:
    """Say what became of one of the two losses that the gap is made of."""
    if change.low > 0:
        found = f"rises beyond its interval ({change.text()})"
    elif change.high < 0:
        found = f"falls beyond its interval ({change.text()})"
    else:
        found = f"changes by no more than is resolved ({change.text()})"
    return f"the loss on {name} {found}"


def _parts_read(results: Results) -> str:
    """Say which of compression and noise changes the gap under inversion."""
    said = [f"{name} {_effect(gap_change(results, *pair))}" for name, pair in parts(results).items()]
    faded = ", ".join(f"{100 * sat_out(results, point):.1f} % at {point}" for point in NOISE if point in results.points)
    return (
        f"Apart, under inversion: {'; '.join(said)}. Agents too faded for what inversion asks of them sit out and wait "
        f"with their update ({faded}); that is counted as noise here."
    )


def _effect(change: Mean) -> str:
    if change.high < 0:
        return "makes the gap smaller"
    return "makes it larger" if change.low > 0 else "makes no difference that is resolved"
