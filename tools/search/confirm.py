"""Whether the best setting beats the experiment's own one, on seeds that the search has not seen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fl.evaluation import interval, paired_difference
from tools.search.folder import SearchError, SearchFolder
from tools.search.ledger import Entry, Ledger
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
        limit: channel uses up to which the best one is compared fairly.
        first: of the seeds.
        others: confirmations of other settings, or on other seeds, in the same folder.
    """

    own: Setting
    best: Setting
    own_accuracies: np.ndarray
    best_accuracies: np.ndarray
    limit: int
    first: int = 1
    others: Sequence[Entry] = ()

    @property
    def seeds(self) -> range:
        """The fresh seeds."""
        return range(self.first, self.first + len(self.own_accuracies))

    @property
    def difference(self) -> tuple[float, float, float]:
        """Mean of best − own, and its 95 % interval, paired by seed."""
        return paired_difference(self.best_accuracies, self.own_accuracies)

    @property
    def is_better(self) -> bool:
        """Whether that interval lies above 0, at no more channel uses than it may have."""
        return self.difference[1] > 0 and self.best.uses <= self.limit

    @property
    def verdict(self) -> str:
        """What the interval and the channel uses say together."""
        _, low, high = self.difference
        if self.is_better:
            return "better"
        if low > 0:
            share = self.best.uses / self.own.uses
            return f"more accurate, but with {share:.2f} times the channel uses: not shown to be better at the same"
        return "worse" if high < 0 else "not shown to be better"

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
            "seeds": list(self.seeds),
            "is_better": self.is_better,
            "verdict": self.verdict,
            "confirmations": 1 + len(self.others),
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        return [
            f"own:  {percent(self.own_accuracies)}, {self.own.rounds} rounds, {self.own.uses:,} channel uses",
            f"best: {percent(self.best_accuracies)}, {self.best.rounds} rounds, {self.best.uses:,} channel uses",
            *self.conclusion(),
        ]

    def conclusion(self) -> list[str]:
        """Return what follows from the accuracies, for people."""
        lines = [
            f"best − own: {_points(*self.difference)}, paired over seeds {self.first} to "
            f"{self.seeds[-1]}: {self.verdict}"
        ]
        if self.others:
            lines.append(
                f"one of {1 + len(self.others)} confirmations in this folder, each on seeds of its own; "
                "where none is better, one in 40 says so by chance"
            )
        return lines


def confirm(
    search: Search, best: Setting, seeds: int, folder: SearchFolder, run: Runner, say: Callable[[str], None]
) -> Confirmation:
    """Return both settings on fresh seeds.

    Args:
        search: what was searched.
        best: what it found.
        seeds: how many, at least 2; which ones the folder knows.
        folder: of the search.
        run: does runs.
        say: is told of progress.

    Raises:
        SearchError: a run has failed, or there are no fresh seeds.
    """
    own, ledger = search.setting(OWN), Ledger(folder.confirmations)
    place, fresh = ledger.begin(best.overrides, seeds)
    say(f"confirming on fresh seeds {fresh[0]} to {fresh[-1]}: {', '.join(best.overrides)}")
    jobs = {OWN: search.confirming(own, fresh), BEST: search.confirming(best, fresh)}
    every = [job for pair in zip(*jobs.values(), strict=True) for job in pair]
    failed = run(every)
    if failed:
        raise SearchError(
            f"{len(failed)} confirming runs failed, one of them: {next(iter(failed.values()))}; mend that and call the "
            "search again, which goes on here"
        )
    results = Results(folder.path, every)
    found = [results.last(setting.name, "new_agent_accuracy") for setting in (own, best)]
    others = [one for number, one in enumerate(ledger.read()) if number != place]
    confirmed = Confirmation(own, best, found[0], found[1], search.limit, fresh[0], others)
    ledger.end(place, confirmed.difference)
    return confirmed


def _points(mean: float, low: float, high: float) -> str:
    """Return a difference and its interval in points; with two digits where an end that is not 0 would look like it."""
    digits = 2 if any(end != 0 and round(100 * end, 1) == 0 for end in (low, high)) else 1
    mean, low, high = (round(100 * value, digits) + 0.0 for value in (mean, low, high))  # + 0.0: no −0
    return f"{mean:+.{digits}f} points [{low:+.{digits}f}, {high:+.{digits}f}]"


def percent(values: np.ndarray) -> str:
    """Return the mean over seeds and its interval, for people."""
    low, high = interval(values)
    return f"{100 * values.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
