"""A verdict about one statement of a paper: what was measured, and whether that shows it."""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from fl.evaluation import interval


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
    """

    item: str
    claim: str
    outcome: Outcome
    numbers: str
    analysis: str = ""


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its Student-t interval.

    Args:
        value: the mean.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Mean":
        """Return the mean of one value for each seed, shape (seeds,)."""
        return cls(float(np.mean(values)), *interval(np.asarray(values, float)))

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
