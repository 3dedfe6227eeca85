"""One fading tap: envelope, Doppler spectrum and level crossings, with and without a line of sight.

GNU Radio's tap is a sum of waves of equal amplitude at fixed angles with random phases, I and Q separately; ours a sum
of waves of Gaussian amplitude at random angles. Over realisations both have E[g*(t)·g(t + τ)] = J0(2π f_D τ), the line
of sight from a uniform angle included. But

* with N waves theirs is only nearly Gaussian, E|g|⁴ = 2 − 3/(4N) in place of 2; ours is, at any instant;
* the spread of ours' Doppler shifts, on which level crossings depend, is that of 16 random ones, on average narrower
  than Jakes': Rice's formula gives `rate_by_design` = 0.964 of the textbook. Theirs has the textbook's.

Samples of a gain are far apart: its law does not depend on the sample rate.
"""

import numpy as np
from scipy import special, stats

from radio.air import Air
from radio.fading import WAVES, Fading, profile
from radio.unit import Unit
from tools.bench.crosscheck.effort import CARRIER, SAMPLE_RATE, Effort
from tools.bench.crosscheck.spectra import expected_periodogram, in_bands, periodograms
from tools.bench.crosscheck.verdict import Pair, Statistic, both

APART = 1000  # samples of our air between two of a gain
DOPPLER = 0.02  # f_D times the time between two of a gain
LENGTH = 512
DOPPLER_EDGES = np.array([-22, -16, -13, -11, -9, -7, -4, -1, 2, 5, 8, 10, 12, 14, 17, 23])  # bins; f_D is 10.24
LAGS = np.arange(5, 75, 5)
LEVELS = np.array([0.2, 0.5, 0.8, 1.0, 1.3, 1.7])
CROSSED = np.array([0.6, 0.8, 1.0, 1.2, 1.5])
K_FACTOR = 4.0


def rayleigh(effort: Effort) -> list[Statistic]:
    """Compare one tap without a line of sight."""
    sides = _gains(effort, None)
    correlation = special.j0(2 * np.pi * DOPPLER * np.arange(LENGTH))
    centres = (DOPPLER_EDGES[:-1] + DOPPLER_EDGES[1:] - 1) / 2 / LENGTH / DOPPLER
    expected = in_bands(expected_periodogram(correlation), DOPPLER_EDGES)
    rate = np.sqrt(2 * np.pi) * CROSSED * np.exp(-(CROSSED**2))
    crossings, design = both(_crossings, sides), rate_by_design()
    return [
        Statistic("Doppler spectrum", centres, "f/f_D", both(_spectrum, sides), expected),
        Statistic("autocorrelation", LAGS * DOPPLER, "f_D·τ", both(_correlations, sides), correlation[LAGS]),
        Statistic("Rayleigh envelope", LEVELS, "of the rms", both(_below, sides), -np.expm1(-(LEVELS**2))),
        Statistic("level crossings", CROSSED, "of the rms", crossings, rate, design, "16 random Doppler shifts"),
    ]


def rice(effort: Effort) -> list[Statistic]:
    """Compare the envelope of one tap with a line of sight K times as strong as the rest."""
    below = stats.ncx2.cdf(2 * (K_FACTOR + 1) * LEVELS**2, 2, 2 * K_FACTOR)
    sides = both(_below, _gains(effort, K_FACTOR))
    return [Statistic(f"Rice envelope, K = {K_FACTOR:g}", LEVELS, "of the rms", sides, below)]


def rate_by_design() -> float:
    """Return our level crossings over the textbook's: E √(2·(mean cos²α − (mean cos α)²)), 16 uniform angles."""
    shifts = np.cos(2 * np.pi * np.random.default_rng(0).random((100_000, WAVES)))
    return float(np.sqrt(2 * shifts.var(1)).mean())


def _gains(effort: Effort, k_factor: float | None) -> Pair:
    """Return the gains of links of both simulators, each shape (segments, LENGTH), LENGTH·DOPPLER periods of f_D."""
    fading = Fading(profile("flat"), 0.0, SAMPLE_RATE, DOPPLER * SAMPLE_RATE / APART, k_factor)
    unit = Unit()
    air = Air(lambda _: unit, fading, CARRIER, SAMPLE_RATE, effort.seed)
    times = float(APART) * np.arange(LENGTH)
    ours = np.stack([air.oracle_taps(number + 1, 0, times)[1][:, 0] for number in range(effort.segments)])
    theirs = effort.gnuradio.run(
        "fading", np.full(LENGTH, np.sqrt(effort.wrong)), seeds=effort.seeds, waves=WAVES,
        doppler=DOPPLER * effort.wrong, k_factor=None if k_factor is None else k_factor * effort.wrong,
    )  # fmt: skip
    return ours, theirs


def _spectrum(gains: np.ndarray) -> np.ndarray:
    return in_bands(periodograms(gains), DOPPLER_EDGES)


def _below(gains: np.ndarray) -> np.ndarray:
    """Return how often |g| is below LEVELS of its rms, 1, in each segment."""
    return np.asarray((np.abs(gains)[:, :, None] < LEVELS).mean(1))


def _correlations(gains: np.ndarray) -> np.ndarray:
    """Return the mean of Re g*(t)·g(t + τ) over each segment, shape (S, lags)."""
    return np.stack([(gains[:, :-lag].conj() * gains[:, lag:]).real.mean(1) for lag in LAGS], axis=-1)


def _crossings(gains: np.ndarray) -> np.ndarray:
    """Return upward crossings of levels of the rms in a period of f_D, of each segment."""
    above = np.abs(gains)[:, :, None] >= CROSSED
    return np.asarray((~above[:, :-1] & above[:, 1:]).mean(1) / DOPPLER)
