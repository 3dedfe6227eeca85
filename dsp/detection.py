"""Detecting a beacon by the period of its short part, and how often that goes wrong.

    M[n] = |Σ y*[n+i]·y[n+i+16]|² / (Σ|y[n+i]|²·Σ|y[n+i+16]|²)  over the short part      (Schmidl, Cox 1997)

On noise alone P(M > η) = (1 − η)^{L−1} at one position, L terms. A search over W positions sees about 1 + W·2η·ν
independent chances, ν = e^{−0.583·2√η}: the maximum of a complex process of correlation 1 − |k|/L, in discrete time
(Siegmund 1985; our reconstruction for the complex case).
"""

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from dsp.frame import SHORT_REPEATS
from dsp.ofdm import Numerology


def lag_metric(samples: np.ndarray, numerology: Numerology) -> tuple[np.ndarray, np.ndarray]:
    """Return M[n] and the lag-16 sum of the short part for each position, each (positions,).

    The mean over the span is taken out first: a constant offset correlates with itself at every lag.

    Raises:
        ValueError: there are fewer samples than the short part has.
    """
    lag = numerology.n_fft // 16
    span = metric_span(numerology)
    if samples.size < span + lag:
        raise ValueError(f"samples must hold at least the short part ({span + lag} samples), got {samples.size}")
    y = samples.astype(np.complex128)
    mean = _sliding(y, span) / span
    products = _sliding(np.conj(y[:-lag]) * y[lag:], span) - span * np.conj(mean[:-lag]) * mean[lag:]
    energy = np.maximum(_sliding(np.abs(y) ** 2, span) - span * np.abs(mean) ** 2, 0.0)
    bound = energy[:-lag] * energy[lag:]
    # silence and a pure constant leave rounding errors of the running sums, which correlate with each other
    rounding = 4 * span * np.finfo(np.float64).eps * float(np.sum(np.abs(y) ** 2))
    return np.abs(products) ** 2 / np.where(bound > rounding**2, bound, np.inf), products


def false_alarm_rate(threshold: float, positions: int, numerology: Numerology) -> float:
    """Return the probability that noise alone exceeds a threshold anywhere among `positions`."""
    span = metric_span(numerology)
    chance = (1 - threshold) ** (span - 1)
    clump = 2 * threshold * np.exp(-0.583 * 2 * np.sqrt(threshold))
    return float(-np.expm1(-chance * (1 + (positions - 1) * clump)))


def detection_threshold(false_alarm: float, positions: int, numerology: Numerology) -> float:
    """Return η that noise alone exceeds with the given probability in a search over `positions`.

    Raises:
        ValueError: the probability is not between 0 and 1/2, or there is no position.
    """
    if positions < 1:
        raise ValueError(f"positions must be at least 1, got {positions}")
    if not 0 < false_alarm < 0.5:
        raise ValueError(f"false_alarm must be between 0 and 0.5, got {false_alarm}")
    return float(brentq(lambda eta: false_alarm_rate(eta, positions, numerology) - false_alarm, 0.0, 1.0, xtol=1e-12))


def miss_rate(threshold: float, snr: float, numerology: Numerology) -> float:
    """Return the probability that a beacon at its own position stays below a threshold (normal approximation).

        T = Re Σ y*y₁₆ − √η·Σ|y|²,   E T = L(S − √η(S + σ²)),   Var T = L(4·½(1 − √η)²·Sσ² + σ⁴/2 + ησ⁴)

    Args:
        threshold: η.
        snr: S/σ² of a sample in flat noise.
        numerology: the grid's numbers.
    """
    span, root = metric_span(numerology), np.sqrt(threshold)
    mean = span * (snr - root * (snr + 1))
    variance = span * (2 * (1 - root) ** 2 * snr + 0.5 + threshold)
    return float(ndtr(-mean / np.sqrt(variance)))


def metric_span(numerology: Numerology) -> int:
    """Return L, the terms of a sum."""
    return (SHORT_REPEATS - 1) * numerology.n_fft // 16


def _sliding(values: np.ndarray, span: int) -> np.ndarray:
    """Return the sums of `span` values in a row, shape (len − span + 1,)."""
    total = np.concatenate([[0], np.cumsum(values)])
    return total[span:] - total[:-span]
