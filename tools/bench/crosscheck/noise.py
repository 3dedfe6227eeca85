"""White noise of the two receivers: power, spectrum, correlation, symmetry and kurtosis.

GNU Radio's `channel_model` draws its noise from a pool of 16,384 Gaussian values, so the power of one seed is off by
0.8 % rms for ever; over seeds it is right. A segment here is a seed, and of ours a unit.
"""

import numpy as np

from radio.air import Air
from radio.fading import Fading, profile
from radio.unit import Unit
from tools.bench.crosscheck.effort import CARRIER, SAMPLE_RATE, Effort
from tools.bench.crosscheck.spectra import in_bands, periodograms
from tools.bench.crosscheck.verdict import Statistic, both

POWER = 0.25
LENGTH, SPARE = 4096, 64
EDGES = np.arange(-LENGTH // 2, LENGTH // 2 + 1, LENGTH // 16)
LAGS = np.arange(1, 9)


def noise(effort: Effort) -> list[Statistic]:
    """Compare noise of the same power, here scaled to 1."""
    unit = Unit(noise_var=POWER)
    air = Air(lambda _: unit, Fading(profile("flat"), 0.0, SAMPLE_RATE), CARRIER, SAMPLE_RATE, effort.seed)
    ours = np.stack([air.receive(number, LENGTH, 0)[0] for number in range(effort.segments)])
    silence = np.zeros(LENGTH + SPARE)
    theirs = effort.gnuradio.run("noise", silence, seeds=effort.seeds, power=POWER * effort.wrong)[:, :LENGTH]
    # A planted discrepancy mixes in neighbours and images, too: of the power alone, correlations would not know.
    theirs = theirs + (effort.wrong - 1) * (np.roll(theirs, 1, axis=1) + theirs.conj())
    sides = both(lambda x: x.astype(complex) / np.sqrt(POWER), (ours, theirs))
    centres, ones, nothing = (EDGES[:-1] + EDGES[1:]) / 2 / LENGTH, np.ones(EDGES.size - 1), np.zeros(2 * LAGS.size)
    moments, names = np.array([1, 0.5, 0.5, 2.0]), "E|n|², E(Re n)², E(Im n)², E|n|⁴"
    return [
        Statistic("noise, spectrum", centres, "f/f_s", both(_spectrum, sides), ones),
        Statistic("noise, moments", np.arange(4), names, both(_moments, sides), moments),
        Statistic("noise, correlation", np.tile(LAGS, 2), "samples; real, imaginary", both(_lagged, sides), nothing),
        Statistic("noise, E n²", np.arange(2), "real, imaginary", both(_asymmetry, sides), np.zeros(2)),
    ]


def _spectrum(x: np.ndarray) -> np.ndarray:
    return in_bands(periodograms(x), EDGES)


def _moments(x: np.ndarray) -> np.ndarray:
    power = np.abs(x) ** 2
    return np.stack([power.mean(1), (x.real**2).mean(1), (x.imag**2).mean(1), (power**2).mean(1)], axis=-1)


def _lagged(x: np.ndarray) -> np.ndarray:
    """Return the mean of n*(t)·n(t + τ) of each segment, real parts, then imaginary ones, shape (S, 2·lags)."""
    lagged = np.stack([(x[:, :-lag].conj() * x[:, lag:]).mean(1) for lag in LAGS], axis=-1)
    return np.concatenate([lagged.real, lagged.imag], axis=-1)


def _asymmetry(x: np.ndarray) -> np.ndarray:
    square = (x**2).mean(1)
    return np.stack([square.real, square.imag], axis=-1)
