"""Benches with planted faults. Tests know what was planted; what is tested never does."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from calibration.exchange import Signals
from fl.radio_config import Loopback, Waveform
from fl.radios import Bench, loopback, modem
from radio.unit import Unit

CARRIER = 2.4e9


@dataclass(frozen=True)
class Planted:
    """A bench and what calibration may know of it."""

    bench: Bench
    signals: Signals

    @property
    def server(self):
        return self.bench.server

    def agent(self, number=0):
        return self.bench.radio_of(number)

    def unit(self, radio) -> Unit:
        """Return the truth about a radio."""
        return self.bench.air.unit(radio.unit)


@pytest.fixture
def plant() -> Callable[..., Planted]:
    """Return a function that makes a bench from keys of `radio.loopback`; one path of gain 1 unless asked otherwise."""

    def make(seed=1, snr_db=25.0, redraw=0.0, **faults) -> Planted:
        faults = {"profile": "flat", "fading": False} | faults if "profile" not in faults else faults
        about = modem(Waveform(), CARRIER)
        bench = loopback(Loopback(**faults), about.sample_rate, about.level, 10 ** (snr_db / 10), redraw, seed)
        return Planted(bench, Signals(about.numerology, CARRIER, about.level, about.delay_spread))

    return make


def covered(errors: np.ndarray, uncertainties: np.ndarray, tries: int) -> bool:
    """Return whether 95 % intervals are honest: neither too short nor, grossly, too wide.

    They hold the truth as often as they should, within five standard errors of the binomial distribution, and errors
    are of the size that they say, within five standard errors as well:

        z = 1.96·error/uncertainty,   |mean z² − 1| <= 5·√(2/n)

    For Gaussian errors z² is χ² with one degree of freedom, of mean 1 and variance E z⁴ − 1 = 3 − 1 = 2, so the mean of
    n has a standard error of √(2/n): of a hundred tries, intervals twice as wide (mean z² = ¼ < 1 − 0.71) fail. Of ten,
    5·√0.2 > 1 lets any width pass. With an interval of Student's t of ν degrees of freedom the mean is
    (1.96/t)²·ν/(ν − 2), 0.96 for ν = 7.
    """
    squares = (1.96 * errors / uncertainties) ** 2
    return never_short(errors, uncertainties, tries) and abs(squares.mean() - 1) <= 5 * np.sqrt(2 / tries)


def never_short(errors: np.ndarray, uncertainties: np.ndarray, tries: int) -> bool:
    """Return whether 95 % intervals hold the truth as often as they should, within five standard errors (binomial).

    Of a hundred, 15 may miss it; none need, so any width passes that is large enough.
    """
    inside = int((np.abs(errors) <= uncertainties).sum())
    return abs(inside - 0.95 * tries) <= max(5 * np.sqrt(tries * 0.95 * 0.05), 1)
