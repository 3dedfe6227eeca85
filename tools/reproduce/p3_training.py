"""P3, how models are trained: C5 to C7, rounds to a target, the Reptile stage, and training in one place."""

from collections.abc import Iterable, Mapping

import numpy as np

from tools.reproduce.p3_numbers import Curves, against_central, common_target, over_matched
from tools.reproduce.reached import coarse, evaluated_read, rounds_to
from tools.reproduce.verdict import Mean, Outcome, Verdict, shown

TOLERANCE = 0.005
"""By which personalised accuracy may be lower and still count as not lowered."""
STAGED, CONTROL = "FedAvg, then Reptile", "FedAvg all along"


def c5(cells: Mapping[tuple[int, int], Curves], every: int, dense_rounds: int) -> Verdict:
    """Return whether personalised accuracy is at a target in fewer rounds.

    Args:
        cells: settings of the table.
        every: rounds between two evaluations.
        dense_rounds: rounds at the beginning, after each of which there is one as well.
    """
    target = common_target(cells.values())
    times = {cell: _times(one, target) for cell, one in cells.items()}
    rows = [
        f"{agents} agents, E = {passes} {np.mean(initial):.0f} / {np.mean(own):.0f}"
        for (agents, passes), (initial, own) in times.items()
    ]
    reached = {name: [both[row] for both in times.values()] for row, name in enumerate(("initial", "personalised"))}
    mean = _ratio(times.values())
    apart = _ratio([_times(one, target, every) for one in cells.values()])
    return Verdict(
        "C5",
        "[T] Personalised accuracy reaches a target in fewer rounds than initial accuracy. Rule: the target is the "
        "highest whole percentage that initial accuracy reaches in every cell with every seed; the mean over cells of "
        "the logarithm of the ratio of rounds has an interval below 0.",
        shown(mean.high < 0),
        f"to {target:.0%}: {_factor(mean)} times the rounds; rounds, initial / personalised: {'; '.join(rows)}",
        f"{evaluated_read(reached, every, dense_rounds)} A chord lies below a curve that flattens, so that what is "
        f"reached between evaluations far apart counts as late; by those every {every} rounds alone, as coarse for "
        f"both, it is {_factor(apart)} times the rounds. Where C1 holds all along, this follows from it; how much is "
        "saved does not.",
        "evaluations were as far apart at the start, where personalised accuracy reached the target before the first; "
        "now there is one after each of the first rounds.",
    )


def _times(one: Curves, target: float, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the rounds to a target of initial and of personalised accuracy, (seeds,) each.

    Args:
        one: accuracy of a setting.
        target: accuracy.
        every: rounds between the evaluations that count.
    """
    kept = coarse(one.rounds, every)
    initial, own = (rounds_to(curve[:, kept], one.rounds[kept], target) for curve in (one.initial, one.personalised))
    return initial, own


def _ratio(times: Iterable[tuple[np.ndarray, np.ndarray]]) -> Mean:
    """Return the logarithm of the ratio of rounds, personalised to initial, averaged over settings."""
    return Mean.of(np.mean([np.log(own / initial) for initial, own in times], axis=0))


def _factor(logarithm: Mean) -> str:
    value, low, high = (float(np.exp(one)) for one in (logarithm.value, logarithm.low, logarithm.high))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def c6(staged: Curves, control: Curves, switch: int) -> Verdict:
    """Return whether the Reptile stage does more than as many further rounds of FedAvg.

    Args:
        staged: FedAvg, then Reptile.
        control: FedAvg all along.
        switch: rounds of FedAvg before the stage.
    """
    at, rounds = staged.at(switch), int(staged.rounds[-1])
    raised, kept = (Mean.of(values[:, -1] - values[:, at]) for values in (staged.initial, staged.personalised))
    more, own = (
        Mean.of(one[:, -1] - other[:, -1])
        for one, other in ((staged.initial, control.initial), (staged.personalised, control.personalised))
    )
    drift = Mean.of(control.initial[:, -1] - control.initial[:, at])
    by_letter = raised.low > 0 and kept.low > -TOLERANCE
    by_stage = more.low > 0 and own.low > -TOLERANCE
    return Verdict(
        "C6",
        "[T] The Reptile stage raises initial accuracy without lowering personalised accuracy. Rule, one evaluation "
        "before the stage and one after: initial accuracy rises with an interval above 0, personalised accuracy falls "
        "by no more than "
        f"{100 * TOLERANCE:.1f} points with its interval; and the same against as many further rounds of FedAvg, so "
        "that it is the stage that does it.",
        shown(by_letter and by_stage),
        f"points, round {switch} to {rounds}: initial {raised.points(sign=True)}, personalised "
        f"{kept.points(sign=True)}; against FedAvg all along: initial {more.points(sign=True)}, personalised "
        f"{own.points(sign=True)}; FedAvg's own initial accuracy {drift.points(sign=True)} in these rounds",
        _why_c6(by_letter, by_stage, drift, _restless(staged, at), _restless(control, at)),
    )


def _restless(one: Curves, first: int) -> np.ndarray:
    """Return how far initial accuracy moves from an evaluation to the next, its trend included, shape (seeds,)."""
    return np.asarray(np.abs(np.diff(one.initial[:, first:])).mean(1))


def _why_c6(by_letter: bool, by_stage: bool, drift: Mean, staged: np.ndarray, control: np.ndarray) -> str:
    """Return what limits C6.

    Args:
        by_letter: whether the stage does what is said against the model it begins with.
        by_stage: whether it does against as many further rounds of FedAvg.
        drift: by how much these raise initial accuracy.
        staged: change of initial accuracy between evaluations of the stage, shape (seeds,).
        control: the same of FedAvg in these rounds.
    """
    calmer = Mean.of(staged - control)
    found = "less than" if calmer.high < 0 else "more than" if calmer.low > 0 else "not told apart from"
    parts = [
        f"Against the model it begins with, the stage {'does' if by_letter else 'does not do'} what the statement "
        f"says; against as many further rounds of FedAvg it {'does' if by_stage else 'does not'}."
    ]
    if drift.low > 0:
        parts.append("FedAvg had not come to rest when the stage began, so a part of the rise is mere training.")
    parts.append(
        "The rate of the stage was chosen of two on seed 1 (experiments/p3/stages.toml), which is one of those judged. "
        f"From an evaluation to the next the initial accuracy of the stage moves by {100 * staged.mean():.1f} points, "
        f"{found} that of FedAvg in these rounds ({100 * control.mean():.1f}; difference {calmer.points(sign=True)}). "
        "The stage has another optimiser at the server, Adam of a small rate for momentum, and equal steps of all "
        "agents: which of the two does what, if any, is not tested here."
    )
    return " ".join(parts)


def c7(cells: Mapping[tuple[int, int], Curves], central: Curves, staged: Curves) -> Verdict:
    """Return whether training in one place personalises worse from equal initial accuracy.

    Args:
        cells: settings of the table.
        central: training in one place.
        staged: FedAvg, then Reptile, whose model has come to rest.
    """
    differences = against_central(cells.values(), central)
    gap = over_matched(differences)
    groups = {
        f"{agents} agents a round": [cells[key] for key in cells if key[0] == agents]
        for agents in sorted({agents for agents, _ in cells})
    } | {"after the Reptile stage": [staged]}
    parts = {name: over_matched(against_central(group, central)) for name, group in groups.items()}
    apart = ", ".join(
        f"{name} {'not to be compared' if part is None else part.points(sign=True)}" for name, part in parts.items()
    )
    return Verdict(
        "C7",
        "[T] A centrally trained model of equal initial accuracy personalises worse. Rule: personalised accuracy after "
        "the last round of each run minus that of central training at equal initial accuracy (a line through its "
        "nearby evaluations), same agents and steps, over the runs whose initial accuracy central training of their "
        "seed had in its course; averaged over cells, its interval over seeds lies above 0.",
        Outcome.NOT_TESTABLE if gap is None else shown(gap.low > 0),
        f"{'nothing to compare' if gap is None else f'{gap.points(sign=True)} points'}; central training reaches "
        f"{Mean.of(central.initial.max(1)).points()} % initially",
        f"{_left_out(differences)} Central training is SGD on mini-batches of 100 images from all that the agents "
        "hold, on the same partition and network, and with the same personalisation. A model that still swings from "
        "round to round loses initial accuracy that a few steps give back, whoever trained it, so a part of the "
        f"difference may be that; it is, in points, {apart}. More agents in the mean, and the small steps of Adam, "
        "may make a model swing less; that is not tested here.",
        "runs beyond what central training had were compared with its highest or lowest; now they are left out.",
    )


def _left_out(differences: np.ndarray) -> str:
    """Say how many runs could not be compared."""
    runs, lost = differences.size, int(np.isnan(differences).sum())
    if not lost:
        return f"All {runs} runs ended within the initial accuracies of central training."
    seeds = int(np.isfinite(differences).any(0).sum())
    return (
        f"{lost} of {runs} runs ended with an initial accuracy that central training of their seed never had, and are "
        f"left out; {runs - lost} runs of {seeds} seeds are compared, so cells weigh differently between seeds."
    )
