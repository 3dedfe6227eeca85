"""P4, the verdicts: exactness, time, and the absence of gradients (D1, D2, D5)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tools.bench.analytic.air import FALL, threshold
from tools.bench.analytic.race import CLAIMED, ROUNDS
from tools.reproduce.verdict import Mean, Verdict, shown

EXACT = 1e-8


def d1(found: Mapping[str, Any]) -> Verdict:
    """Return whether weights are those of least squares in one place, however the data are dealt."""
    rows = found["rows"]
    errors = np.array([row["error"] for row in rows])
    agents, batches = ([row[key] for row in rows] for key in ("agents", "batch_size"))
    scarce = sorted(found["scarce"].items(), key=lambda one: float(one[0]))
    few = ", ".join(f"{error:.1e} with γ = {ridge}" for ridge, error in scarce)
    grows = all(less[1] > more[1] for less, more in pairwise(scarce))
    return Verdict(
        "D1",
        f"[C] FedACnnL's weights equal those of layer-wise least squares in one place to {EXACT:.0e}, for any "
        "partition, number of agents and batch size. Rule: the largest relative error of a layer, over all drawn "
        "settings, whose images are more than a layer has features.",
        shown(bool(errors.max() < EXACT)),
        f"largest {errors.max():.1e}, median {np.median(errors):.1e}, in {len(rows)} settings: {min(agents)} to "
        f"{max(agents)} agents, batches of {min(batches)} to {max(batches)}, iid, one class, two classes, Dirichlet "
        ".3, pseudo-writers",
        "The reference forms no Gram matrix (singular values of all rows, in double precision), so it shares no step "
        "with the algorithm: what is left may be rounding times the condition of the Gram matrix, which γ bounds and "
        "which was not measured. With fewer images than features γ alone decides a part of the weights; there the "
        f"error {'grows' if grows else 'does not grow'} as γ shrinks: {few}, for 120 images. That weights are the same "
        "for any partition is a law of the test suite (tests/fl/analytic/test_closed_form.py).",
        "settings whose images are fewer than a layer has features counted as well; now those with more decide, and "
        "too few images are beside them.",
    )


def d2(races: Mapping[str, Any]) -> Verdict:
    """Return whether closed-form training takes at most the claimed share of FedAvg's time."""
    walls = {name: log_mean([row["ratio"] for row in found["rows"]]) for name, found in races.items()}
    works = {name: log_mean([row["processor_ratio"] for row in found["rows"]]) for name, found in races.items()}
    missed = {name: sum(not row["reached"] for row in found["rows"]) for name, found in races.items()}
    total = sum(missed.values())
    above = [name for name, ratio in walls.items() if ratio[2] > CLAIMED]
    parts = "; ".join(
        f"{name}: {percent(walls[name])} of the wall time ({found['seconds']:.2f} against "
        f"{found['fedavg_seconds']:.1f} s, medians), {percent(works[name])} of the processor time, to "
        f"{found['accuracy']:.1%}, FedAvg in {'at least ' * bool(missed[name])}{found['fedavg_rounds']:.0f} rounds"
        for name, found in races.items()
    )
    return Verdict(
        "D2",
        "[A] Training takes 83 % to 99 % less time than conventional FL. Rule: wall time at most 17 % of FedAvg's to "
        "the same accuracy, on one thread of the same machine in the same run, FedAvg at the fastest of three rates "
        "for each seed and judged after every round; the interval of the geometric mean over seeds, for each size.",
        shown(not above),
        parts,
        f"Rounds of FedAvg at its fastest rate to the accuracy of the closed form, by seed: {_rounds(races)}. Both "
        "train the same network of two layers on two classes an agent."
        + (f" Not below 17 % with its interval: {'; '.join(above)}." if above else "")
        + (f" Races in which FedAvg did not get there, whose ratios are bounds: {total}." if total else ""),
    )


def d5(counts: Mapping[str, int]) -> Verdict:
    """Return whether no gradient is computed."""
    return Verdict(
        "D5",
        "[A] Training is gradient-free. Rule: in a run with an evaluation autograd runs no kernel in a backward pass, "
        "nobody else one that is named for such a pass, and the same count sees those of FedAvg.",
        shown(counts["FedACnnL"] == 0 and counts["FedAvg"] > 0),
        f"FedACnnL {counts['FedACnnL']}, a round of FedAvg with its evaluation {counts['FedAvg']}",
        "A whole run with torch.autograd forbidden is a law of the test suite (tests/fl/algorithms/test_analytic.py).",
        "only kernels that are named for a backward pass counted; now all that one runs do.",
    )


def air(found: Mapping[str, Any]) -> Verdict:
    """Return whether accuracy over the air has a threshold in SNR."""
    limits = {name: threshold(dict(found), name) for name in found["curves"]}
    best, exact = limits[next(iter(limits))], np.array(found["exact"])
    curves = "; ".join(
        f"{name}: {_over_snr(found['snrs_db'], curve, exact)}, "
        f"threshold {'beyond the last' if limits[name] is None else f'{limits[name]:.0f} dB'}"
        for name, curve in found["curves"].items()
    )
    return Verdict(
        "D over the air",
        "[R] The sums can be had over the air, and accuracy has a threshold in SNR: below it falls, above it is that "
        "of error-free links. Rule: with negative eigenvalues clipped and γ at the noise scale the mean stays within "
        f"{100 * FALL:.0f} points of error-free links from an SNR above the lowest on.",
        shown(best is not None and best > found["snrs_db"][0]),
        f"error-free {Mean.of(exact).points()} %; over the air, and in brackets minus error-free links, in points, "
        f"paired over {len(exact)} seeds, with its interval: {curves}",
        f"Block Rayleigh fading, truncated inversion, new agents before personalisation. {_halves(limits)}",
    )


def _over_snr(snrs_db: Sequence[float], curve: Sequence[Sequence[float]], exact: np.ndarray) -> str:
    """Return the accuracy at each SNR with its difference to error-free links, paired over seeds, in points."""
    rows = [np.array(row) for row in curve]
    return ", ".join(
        f"{snr:.0f} dB {row.mean():.1%} ({Mean.of(row - exact).points(sign=True)})"
        for snr, row in zip(snrs_db, rows, strict=True)
    )


def _rounds(races: Mapping[str, Any]) -> str:
    """Say in how many rounds FedAvg was there, least and most of the seeds with which it got there."""
    said = []
    for name, found in races.items():
        rounds = [row["fedavg_rounds"] for row in found["rows"] if row["reached"]]
        missed = len(found["rows"]) - len(rounds)
        words = [f"{min(rounds)} to {max(rounds)}"] if rounds else []
        if missed:
            words.append(f"not within {ROUNDS} in {missed} of {len(found['rows'])} races")
        said.append(f"{name}: {', '.join(words)}")
    return "; ".join(said)


def _halves(limits: Mapping[str, float | None]) -> str:
    """Say whether clipping and γ are both needed, as far as thresholds tell."""
    both, *others = limits
    helped = [name for name in others if limits[name] is not None]
    if limits[both] is None and helped:
        found = f"There is no threshold in these SNRs with both, but there is one otherwise: {', '.join(helped)}."
    elif limits[both] is None:
        found = "There is no threshold in these SNRs, with both or without."
    elif helped:
        found = f"There is a threshold with both, and without both as well: {', '.join(helped)}."
    else:
        found = f"There is a threshold with both, and none in these SNRs without: {', '.join(others)}."
    return (
        f"{found} A Gram matrix with noise can have negative and nearly zero eigenvalues, whose inverses are noise; "
        "clipping is meant for the first, γ for the second. Eigenvalues were not looked at here."
    )


def log_mean(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Return the geometric mean of ratios and its interval."""
    mean = Mean.of(np.log(np.array(ratios)))
    value, low, high = np.exp([mean.value, mean.low, mean.high])
    return float(value), float(low), float(high)


def percent(found: tuple[float, float, float]) -> str:
    """Return a ratio with its interval, in percent."""
    return f"{100 * found[0]:.1f} % [{100 * found[1]:.1f}, {100 * found[2]:.1f}]"
