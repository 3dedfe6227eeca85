"""What a measurement of a radio says: quantities with their uncertainty, a verdict in words, curves to draw."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import Literal

import numpy as np

from radio.base import RadioError

NORMAL_95 = 1.96  # standard deviations of a Gaussian error on each side of its 95 % interval

Word = Literal["good", "too weak", "too strong", "too noisy", "unstable"]


class CalibrationError(RadioError):
    """A measurement could not be made: nothing is stored, what was known before stays.

    Args:
        message: what was seen, the limit, what to change.
        word: the verdict.
    """

    def __init__(self, message: str, word: Word = "too weak") -> None:
        super().__init__(message)
        self.word: Word = word


class NotApplicable(CalibrationError):  # noqa: N818 - nothing went wrong
    """These radios cannot be measured in this way, however well they work."""


@dataclass(frozen=True)
class Quantity:
    """A measured number.

    Args:
        value: in `unit`.
        uncertainty: half the width of its 95 % interval, in `unit`.
        unit: as it is written behind the number; "" for none.
    """

    value: float
    uncertainty: float
    unit: str


def no_less(value: float, unit: str) -> Quantity:
    """Return a lower bound, three digits, rounded down; its name says that it is one."""
    return _bound(value, unit, floor)


def no_more(value: float, unit: str) -> Quantity:
    """Return an upper bound, three digits, rounded up; its name says that it is one."""
    return _bound(value, unit, ceil)


def _bound(value: float, unit: str, towards: Callable[[float], int]) -> Quantity:
    step = 10.0 ** (floor(log10(abs(value))) - 2) if value else 1.0
    return Quantity(float(f"{towards(round(value / step, 6)) * step:.3g}"), 0.0, unit)


@dataclass(frozen=True)
class Verdict:
    """What a user should think of a measurement.

    Args:
        word: one of five.
        reason: what was seen, with numbers, and what to change; "" when good.
    """

    word: Word = "good"
    reason: str = ""


@dataclass(frozen=True)
class Measurement:
    """What was found out about one radio.

    Args:
        kind: name of the measurement, as on the command line.
        serial: the radio it is about.
        partner: the radio at the other end; None: it does not matter.
        quantities: by name.
        verdict: in words.
        curves: arrays for the report, by name; not stored.
    """

    kind: str
    serial: str
    partner: str | None
    quantities: dict[str, Quantity]
    verdict: Verdict = Verdict()
    curves: dict[str, np.ndarray] = field(default_factory=dict)
