"""P3, what was measured: accuracy of new agents before and after personalisation, by setting, round and seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from tools.reproduce.verdict import Mean
from tools.sweep.results import Results

AGENTS = 5, 20
PASSES = 2, 5, 10, 20
INNER = PASSES[1:-1]
"""E between the smallest and the largest."""
NEAR = 0.015
"""Distance in initial accuracy within which evaluations of central training count most."""


@dataclass(frozen=True)
class Curves:
    """Accuracy of new agents of one setting.

    Args:
        rounds: done at each evaluation, shape (evaluations,).
        initial: before personalisation, shape (seeds, evaluations).
        personalised: after all its steps, shape (seeds, evaluations).
    """

    rounds: np.ndarray
    initial: np.ndarray
    personalised: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """Personalised minus initial accuracy at the end, shape (seeds,)."""
        return np.asarray(self.personalised[:, -1] - self.initial[:, -1])

    def at(self, rounds: int) -> int:
        """Return the evaluation after so many rounds.

        Raises:
            ValueError: there was none.
        """
        found = np.flatnonzero(self.rounds == rounds)
        if not len(found):
            raise ValueError(f"evaluation.every: no evaluation after {rounds} rounds, they are after {self.rounds}")
        return int(found[0])


def curves(results: Results, point: str) -> Curves:
    """Return the accuracy of one setting of a sweep."""
    rounds, by_step = results.curve(point, "accuracy_by_step")
    return Curves(rounds, by_step[:, :, 0], by_step[:, :, -1])


def cell(agents: int, passes: int) -> str:
    """Return the name of a setting of the table."""
    return f"{agents} agents, E = {passes}"


def table(results: Results) -> dict[tuple[int, int], Curves]:
    """Return the settings of the table, by agents a round and E."""
    return {(agents, passes): curves(results, cell(agents, passes)) for agents, passes in product(AGENTS, PASSES)}


def deviations(accuracy: Iterable[np.ndarray], first: int) -> np.ndarray:
    """Return how far runs are from the mean over seeds: mean absolute deviation of each seed, shape (seeds,).

    Settings share seeds, so their mean is one value of a seed, and seeds are what intervals are over.

    Args:
        accuracy: of each setting, shape (seeds, evaluations).
        first: evaluation with which the mean begins.
    """
    rows = [np.abs(one[:, first:] - one[:, first:].mean(0)).mean(1) for one in accuracy]
    return np.asarray(np.mean(rows, axis=0))


def spread_difference(cells: Sequence[Curves], first: int) -> tuple[Mean, float, float]:
    """Return the deviation of personalised less that of initial accuracy, paired over seeds, and the means of both."""
    own, initial = (deviations((getattr(one, kind) for one in cells), first) for kind in ("personalised", "initial"))
    return Mean.of(own - initial), float(own.mean()), float(initial.mean())


def common_target(cells: Iterable[Curves]) -> float:
    """Return the highest whole percentage that initial accuracy reaches in every setting with every seed."""
    least = float(min(one.initial.max(1).min() for one in cells))
    return min(least, float(np.floor(100 * least + 1e-9)) / 100)  # of .68 the nearest double may be above it


def personalised_at(central: Curves, seed: int, level: float) -> float:
    """Return the personalised accuracy of a run in whose course initial accuracy was at a level; NaN: it never was.

    A straight line through its evaluations, weighted by how near their initial accuracy is to the level (Gaussian of
    `NEAR`): to take the first evaluation that is as high would pick those that are high by chance.
    """
    initial, personalised = central.initial[seed], central.personalised[seed]
    if not initial.min() <= level <= initial.max():
        return float("nan")
    weights = np.exp(-(((initial - level) / NEAR) ** 2) / 2) + 1e-9
    return float(np.polynomial.polynomial.polyfit(initial - level, personalised, 1, w=np.sqrt(weights))[0])


def against_central(cells: Iterable[Curves], central: Curves) -> np.ndarray:
    """Return personalised accuracy minus that of central training at equal initial accuracy, by setting and seed.

    Shape (settings, seeds). NaN: central training was never at the initial accuracy that the run ended with, so there
    is nothing to compare it with.
    """
    rows = [
        [
            accuracy - personalised_at(central, seed, level)
            for seed, (level, accuracy) in enumerate(zip(one.initial[:, -1], one.personalised[:, -1], strict=True))
        ]
        for one in cells
    ]
    return np.array(rows)


def over_matched(differences: np.ndarray) -> Mean | None:
    """Return the mean over the settings that could be compared, with its interval over seeds; None: under two seeds.

    Args:
        differences: shape (settings, seeds), NaN where there is nothing to compare with.
    """
    seeds = differences[:, np.isfinite(differences).any(0)]
    return Mean.of(np.nanmean(seeds, axis=0)) if seeds.shape[1] > 1 else None
