"""Whether the best setting beats the experiment's own one, on seeds that the search has not seen."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fl.evaluation import interval, paired_difference
from tools.search.folder import SearchError
from tools.search.plan import Search, Setting
from tools.search.trials import Runner
from tools.sweep.results import Results

OWN, BEST = "own", "best"


@dataclass(frozen=True)
class Confirmation:
    """Two settings on the same fresh seeds.

    Args:
        own: the experiment's own setting.
        best: what was found.
        own_accuracies: on new agents, shape (seeds,).
        best_accuracies: on the same seeds.
    """

    own: Setting
    best: Setting
    own_accuracies: np.ndarray
    best_accuracies: np.ndarray

    @property
    def difference(self) -> tuple[float, float, float]:
        """Mean of best − own, and its 95 % interval, paired by seed."""
        return paired_difference(self.best_accuracies, self.own_accuracies)

    @property
    def is_better(self) -> bool:
        """Whether that interval lies above 0."""
        return self.difference[1] > 0

    def described(self) -> dict[str, object]:
        """Return it as JSON would hold it."""
        mean, low, high = self.difference
        return {
            "best": list(self.best.overrides),
            "uses": {"best": self.best.uses, "own": self.own.uses},
            "rounds": {"best": self.best.rounds, "own": self.own.rounds},
            "accuracies": {"best": self.best_accuracies.tolist(), "own": self.own_accuracies.tolist()},
            "difference": mean,
            "interval": [low, high],
            "is_better": self.is_better,
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        mean, low, high = (round(100 * value, 1) + 0.0 for value in self.difference)  # + 0.0: no −0
        verdict = "better" if self.is_better else "not shown to be better"
        return [
            f"own:  {_percent(self.own_accuracies)}, {self.own.rounds} rounds, {self.own.uses:,} channel uses",
            f"best: {_percent(self.best_accuracies)}, {self.best.rounds} rounds, {self.best.uses:,} channel uses",
            f"best − own: {mean:+.1f} points [{low:+.1f}, {high:+.1f}], paired over {len(self.own_accuracies)} seeds: "
            f"{verdict}",
        ]


def confirm(
    search: Search, best: Setting, seeds: int, folder: Path, run: Runner, say: Callable[[str], None]
) -> Confirmation:
    """Return both settings on fresh seeds.

    Args:
        search: what was searched.
        best: what it found.
        seeds: how many, at least 2.
        folder: of the runs.
        run: does runs.
        say: is told of progress.

    Raises:
        SearchError: a run has failed.
    """
    own = search.setting(OWN)
    say(f"confirming on {seeds} fresh seeds: {', '.join(best.overrides)}")
    jobs = {OWN: search.confirming(own, seeds), BEST: search.confirming(best, seeds)}
    every = [job for pair in zip(*jobs.values(), strict=True) for job in pair]
    failed = run(every)
    if failed:
        raise SearchError(f"{len(failed)} confirming runs failed, one of them: {next(iter(failed.values()))}")
    results = Results(folder, every)
    found = [results.last(setting.name, "new_agent_accuracy") for setting in (own, best)]
    return Confirmation(own, best, found[0], found[1])


def _percent(values: np.ndarray) -> str:
    low, high = interval(values)
    return f"{100 * values.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
