"""A verdict about one statement of a paper: what was measured, and whether that shows it."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from fl.evaluation import interval

CHANGED = "The rule was changed after figures had been seen:"


class Outcome(Enum):
    """What the numbers say."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    NOT_TESTABLE = "not testable here"


@dataclass(frozen=True)
class Verdict:
    """One statement, judged.

    Args:
        item: its name, as A1.
        claim: what would have to be seen, with how the statement is known.
        outcome: whether it was.
        numbers: what was measured, with intervals.
        analysis: why, and what was tried, where it was not shown; else what limits it.
        changed: what of the rule was changed after figures had been seen; empty: nothing.
    """

    item: str
    claim: str
    outcome: Outcome
    numbers: str
    analysis: str = ""
    changed: str = ""

    @property
    def reading(self) -> str:
        """The analysis, with what was changed of the rule after figures had been seen."""
        return " ".join(part for part in (self.analysis, self.changed and f"{CHANGED} {self.changed}") if part)


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its Student-t interval.

    Args:
        value: the mean.
        low: lower end of the interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray, level: float = 0.95) -> "Mean":
        """Return the mean of one value for each seed, shape (seeds,), with its interval of this level.

        Of k statements of which any one decides, each is held at 1 − .05/k (Bonferroni).
        """
        return cls(float(np.mean(values)), *interval(np.asarray(values, float), level))

    def points(self, sign: bool = False) -> str:
        """Return it in percent (points, if it is a difference)."""
        value = f"{100 * self.value:+.1f}" if sign else f"{100 * self.value:.1f}"
        return f"{value} [{100 * self.low:.1f}, {100 * self.high:.1f}]"

    def text(self, digits: int = 3) -> str:
        """Return it as it is."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def shown(is_shown: bool) -> Outcome:
    """Return the outcome of a test that could be made."""
    return Outcome.SHOWN if is_shown else Outcome.NOT_SHOWN
