"""P1, what the link costs: training over noise and fewer channel uses (A1), without memory (A3), and FedAvg (A5)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tools.reproduce.p1_heard import ladder_read
from tools.reproduce.p1_setting import runs_read
from tools.reproduce.verdict import Mean, Verdict, shown
from tools.sweep.results import Results

IDEAL, USUAL, NO_NOISE, NO_MEMORY, FEDAVG = "ideal", "19 dB", "no noise", "no memory", "FedAvg"
EQUAL = "FedAvg, as many images"
"""FedAvg whose steps take gradients of as many images as meta-learning does."""
SNR = "10 dB", USUAL, "30 dB"
USES = "M/d = .2", USUAL, "M/d = .8"
LATE = 0.2
"""Share of the rounds, the last ones, whose training loss is that after T rounds."""
MARGIN = 0.02
"""Accuracy within which a link is as good as an ideal one."""
ACCURACY = "new_agent_accuracy"


def late_loss(results: Results, point: str) -> np.ndarray:
    """Return the training loss over the last rounds, before their outer step, shape (seeds,)."""
    return results.tail(point, "train_loss", LATE)


def loss_change(results: Results, point: str, reference: str) -> Mean:
    """Return the late training loss of one setting minus that of another, paired over seeds."""
    return Mean.of(late_loss(results, point) - late_loss(results, reference))


def accuracy_change(results: Results, point: str, reference: str) -> Mean:
    """Return the accuracy on new agents of one setting minus that of another, paired over seeds."""
    return Mean.of(results.last(point, ACCURACY) - results.last(reference, ACCURACY))


def nmse_db(results: Results, point: str) -> float:
    """Return the NMSE of the recovered sum, median over rounds and seeds."""
    return float(np.nanmedian(results.every_round(point, "oracle_nmse_db")))


def a1(results: Results) -> Verdict:
    """Return whether training gains from SNR and channel uses, and comes close to the ideal link."""
    ladders = {"SNR": SNR, "M/d": USES}
    steps = {
        name: [loss_change(results, after, before) for before, after in pairwise(points)]
        for name, points in ladders.items()
    }
    whole = {name: loss_change(results, points[-1], points[0]) for name, points in ladders.items()}
    near = {point: accuracy_change(results, point, IDEAL) for point in SNR[1:]}
    rises = any(step.low > 0 for several in steps.values() for step in several)
    falls = all(change.value <= 0 for change in whole.values())
    losses = "; ".join(
        f"{name}: {', '.join(Mean.of(late_loss(results, point)).text() for point in points)} at {', '.join(points)}"
        for name, points in ladders.items()
    )
    changes = ", ".join(f"{change.text()} over the {name} ladder" for name, change in whole.items())
    accuracies = ", ".join(f"{change.points(sign=True)} points at {point}" for point, change in near.items())
    return Verdict(
        "A1",
        "[A, R] "
        "The training loss after T rounds does not rise with SNR (10, 19, 30 dB) nor with M/d (.2, .4, and .8 by rows "
        "of the full DFT), and at 19 dB and above the accuracy on new agents after the last round (one evaluation) is "
        "within 2 points of ideal links. Shown if no step up has a paired change of the late training loss (last fifth "
        "of the rounds) whose interval lies above 0, the mean change over neither ladder is above 0, and the lower "
        "ends of the differences in accuracy to ideal links are at or above −2 points.",
        shown(not rises and falls and all(change.low >= -MARGIN for change in near.values())),
        f"Of {runs_read(results)}. Training loss, {losses}; paired change {changes}. Accuracy minus that of ideal "
        f"links: {accuracies}.",
        f"{_ladders_read(whole)} {ladder_read(results, SNR)} {_near_read(near)} "
        f"Errors of the recovered sum, median NMSE: {_errors(results)}.",
    )


def _ladders_read(whole: dict[str, Mean]) -> str:
    said = []
    for name, change in whole.items():
        if change.high < 0:
            said.append(f"Over the whole {name} ladder the training loss falls beyond its interval.")
        elif change.low > 0:
            said.append(f"Over the whole {name} ladder the training loss rises beyond its interval.")
        else:
            reach = (change.high - change.low) / 2
            said.append(f"Over the whole {name} ladder no change is resolved (±{reach:.3f} would have been).")
    return " ".join(said)


def _near_read(near: dict[str, Mean]) -> str:
    said = []
    for point, change in near.items():
        if change.low >= -MARGIN:
            said.append(f"At {point} new agents lose at most two points to ideal links.")
        elif change.high < -MARGIN:
            said.append(f"At {point} new agents lose more than two points to ideal links.")
        else:
            said.append(
                f"At {point} the interval of the difference to ideal links spans the limit of two points, so these "
                "seeds and rounds do not decide it."
            )
    return " ".join(said)


def _errors(results: Results) -> str:
    points = dict.fromkeys((*SNR, USES[0], USES[-1]))
    return ", ".join(f"{nmse_db(results, point):.1f} dB at {point}" for point in points)


def a3(results: Results) -> Verdict:
    """Return whether the memory matters more than the noise."""
    loss, gain = loss_change(results, NO_MEMORY, USUAL), loss_change(results, USUAL, NO_NOISE)
    more = Mean.of(late_loss(results, NO_MEMORY) - 2 * late_loss(results, USUAL) + late_loss(results, NO_NOISE))
    accuracy = [accuracy_change(results, USUAL, NO_MEMORY), accuracy_change(results, NO_NOISE, USUAL)]
    return Verdict(
        "A3",
        "[R] Removing the memory of error feedback costs more than removing the noise gains. Shown if, in the late "
        "training loss at 19 dB, the interval of the cost minus the gain, paired over seeds, lies above 0.",
        shown(more.low > 0),
        f"Without memory the training loss is higher by {loss.text()}; without noise (100 dB) lower by {gain.text()}; "
        f"difference {more.text()}. In accuracy on new agents the memory is worth {accuracy[0].points(sign=True)} "
        f"points, the absence of noise {accuracy[1].points(sign=True)}.",
        f"{_worth('The memory', loss)} {_worth('The absence of noise', gain)} With both, the error of the received sum "
        f"is {100 * 10 ** (nmse_db(results, USUAL) / 10):.2g} % of its power (median), while top-k leaves "
        f"{100 * (1 - _sparsity(results)):.0f} % of the entries of an update to the memory.",
    )


def _sparsity(results: Results) -> float:
    return results.of(USUAL)[0].config.uplink.sparsity


def _worth(what: str, gain: Mean) -> str:
    if gain.low > 0:
        return f"{what} lowers the training loss beyond its interval."
    if gain.high < 0:
        return f"{what} raises the training loss beyond its interval."
    return f"{what} makes no difference to the training loss that these runs resolve."


def a5(results: Results) -> Verdict:
    """Return whether meta-learning serves new agents better than FedAvg with the same fine-tuning."""
    difference = accuracy_change(results, USUAL, FEDAVG)
    steps = [results.by_step(point) for point in (USUAL, FEDAVG)]
    by_step = [Mean.of(mine - theirs) for mine, theirs in zip(steps[0].T, steps[1].T, strict=True)]
    return Verdict(
        "A5",
        "[R] "
        "On new agents, meta-pFL is more accurate after fine-tuning than FedAvg with the same fine-tuning (the same "
        "rate and steps on the same support sets), over the same link at 19 dB. Shown if the interval of the paired "
        "difference after the last round (one evaluation) lies above 0.",
        shown(difference.low > 0),
        f"meta-pFL {Mean.of(results.last(USUAL, ACCURACY)).points()} %, FedAvg "
        f"{Mean.of(results.last(FEDAVG, ACCURACY)).points()} %, difference {difference.points(sign=True)} points.",
        f"{_work(results)} {_equal(results)} {_by_step(by_step)} Labels mean nothing beyond an episode; what "
        "FedAvg learns all the same may be, as in Reptile, what makes episodes easier to learn; not tested here.",
    )


def _work(results: Results) -> str:
    """Say how many images gradients are taken of in a round of an agent; a Hessian's product counts as well."""
    theirs, (support, query) = results.of(FEDAVG)[0].config.algorithm, _images(results)
    return (
        f"In a round FedAvg takes {theirs.local_steps} steps of SGD on {theirs.batch_size} images each, meta-learning "
        f"one outer step with a gradient of {support} images, one of {query}, and a product with the Hessian of "
        f"{support}: the two are equal neither in images nor in computing."
    )


def _equal(results: Results) -> str:
    """Say what is left of the difference where FedAvg's steps take as many images."""
    theirs, (support, query) = results.of(EQUAL)[0].config.algorithm, _images(results)
    difference = accuracy_change(results, USUAL, EQUAL)
    found = "ahead" if difference.high < 0 else "behind" if difference.low > 0 else "not told apart"
    images = theirs.local_steps * theirs.batch_size, 2 * support + query
    alike = "equal in images, not in computing" if images[0] == images[1] else "equal neither in images nor computing"
    return (
        f"With {theirs.local_steps} steps on {theirs.batch_size} images FedAvg is {found}: meta-pFL's difference to it "
        f"is {difference.points(sign=True)} points. It takes {images[0]} images a round, meta-learning {images[1]}, "
        "where a product with the Hessian counts as one gradient, which is less than it costs: the two are "
        f"{alike}. FedAvg's rate, {theirs.local_lr:g}, was not tuned for it."
    )


def _images(results: Results) -> tuple[int, int]:
    """Return the images of a support and of a query set."""
    task = results.of(USUAL)[0].config.task
    return task.ways * task.shots, task.ways * task.queries


def _by_step(differences: Sequence[Mean]) -> str:
    words = [f"{one.points(sign=True)} after {step}" for step, one in enumerate(differences) if step]
    return f"The difference in points by fine-tuning steps: {', '.join(words)}."
