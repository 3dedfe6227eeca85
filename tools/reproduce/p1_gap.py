"""P1, the generalisation gap: does noise on the uplink make it smaller (A2)?

Gap: loss on new agents minus loss on training images of the training agents, both after fine-tuning.
"""

from math import log

import numpy as np

from fl.theory.generalisation import bounded_sigma, generalisation_bound, independent_tasks
from fl.theory.information import information_of
from tools.reproduce.p1_link import nmse_db
from tools.reproduce.verdict import Mean, Verdict, shown
from tools.sweep.plan import Job
from tools.sweep.results import Results

IDEAL = "ideal"
PAIRS = {"inversion": ("10 dB", "30 dB"), "phase_only": ("phase only, 10 dB", "phase only, 30 dB")}
"""Settings with noise and with little, by rule of power; these decide."""
MORE_PAIRS = {"LMMSE": ("LMMSE, 10 dB", "LMMSE, 30 dB")}
SECOND_HALF = 0.5


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


def gap_change(results: Results, point: str, reference: str) -> Mean:
    """Return the gap of one setting minus that of another, paired over seeds."""
    return Mean.of(late_gap(results, point) - late_gap(results, reference))


def bound(results: Results, point: str) -> np.ndarray:
    """Return the limit of the gap after each round by the information through the channel, shape (seeds, rounds)."""
    rows = []
    for job, records in zip(results.of(point), results.histories(point), strict=True):
        rows.append(generalisation_bound(information_of(records), tasks(job), sigma(job)))
    return np.array(rows)


def tasks(job: Job) -> int:
    """Return how many episodes without common classes the training agents have."""
    config = job.config
    return independent_tasks([config.task.classes_per_agent] * config.agents.count, config.task.ways)


def sigma(job: Job) -> float:
    """Return σ_ℓ of a loss that is cut at that of guessing."""
    return bounded_sigma(log(job.config.task.ways))


def a2(results: Results) -> Verdict:
    """Return whether noise makes the gap smaller."""
    changes = {
        rule: (gap_change(results, noisy, clean), gap_change(results, noisy, IDEAL))
        for rule, (noisy, clean) in pairs(results).items()
    }
    decided = {rule: all(one.high < 0 for one in changes[rule]) for rule in PAIRS}
    seeds = len(results.of(IDEAL))
    smaller = "; ".join(
        f"{rule}: 10 dB minus 30 dB {first.text()}, 10 dB minus ideal {second.text()}"
        for rule, (first, second) in changes.items()
    )
    gap = ", ".join(f"{point} {Mean.of(late_gap(results, point)).text(2)}" for point in results.points)
    limits = bound(results, PAIRS["inversion"][0])[:, -1]
    return Verdict(
        "A2",
        "The generalisation gap (loss on new agents minus loss on training images of the training agents, after "
        "fine-tuning) is smaller at 10 dB than at 30 dB and than over ideal links, where data are few. Gap: mean over "
        "the evaluations of the second half of a run. Shown if under one rule of power, inversion or P1's "
        f"phase_only, the intervals of both differences, paired over {seeds} seeds, lie below 0.",
        shown(any(decided.values())),
        f"Gap in nats: {gap}. Paired differences: {smaller}.",
        f"{' '.join(_read(results, rule, changes[rule]) for rule in changes)} {_bound_read(limits, results)}",
    )


def pairs(results: Results) -> dict[str, tuple[str, str]]:
    """Return the pairs of settings that this sweep has."""
    return PAIRS | {name: pair for name, pair in MORE_PAIRS.items() if set(pair) <= set(results.points)}


def _read(results: Results, rule: str, changes: tuple[Mean, Mean]) -> str:
    noisy, clean = pairs(results)[rule]
    against = " and ".join(
        f"{_word(change)} {other}" for change, other in zip(changes, ("at 30 dB", "over ideal links"), strict=True)
    )
    parts = [
        Mean.of(late(results, noisy, key) - late(results, clean, key)) for key in ("new_agent_loss", "train_agent_loss")
    ]
    return (
        f"With {rule} the gap at 10 dB is {against}; NMSE of the sum {nmse_db(results, noisy):.1f} dB at 10 dB, "
        f"{nmse_db(results, clean):.1f} dB at 30 dB. From 30 to 10 dB the loss on new agents changes by "
        f"{parts[0].text()} and that on training images by {parts[1].text()}: {_cause(*parts)}."
    )


def _word(change: Mean) -> str:
    if change.high < 0:
        return "smaller than"
    if change.low > 0:
        return "larger than"
    return f"not told apart (±{(change.high - change.low) / 2:.3f}) from that"


def _cause(new: Mean, training: Mean) -> str:
    if training.low > 0 and new.high < 0:
        return "noise hurts what was trained on and helps what was not"
    if training.low > 0:
        return "noise slows the fit of the training images, without a resolved gain on new agents"
    if new.high < 0:
        return "noise helps on new agents, without a resolved cost on the training images"
    return "neither is a resolved cost of noise nor a gain"


def _bound_read(limits: np.ndarray, results: Results) -> str:
    job = results.of(PAIRS["inversion"][0])[0]
    return (
        f"The bound by the information that the channel lets through [R] is {np.mean(limits):.0f} nats at 10 dB after "
        f"{job.config.rounds} rounds, for {tasks(job)} independent tasks and σ_ℓ = {sigma(job):.2f}, where a gap above "
        f"{2 * sigma(job):.2f} is impossible for a loss cut at that of guessing: "
        f"{'vacuous' if np.mean(limits) >= 2 * sigma(job) else 'not vacuous'}. Ideal links have none."
    )
