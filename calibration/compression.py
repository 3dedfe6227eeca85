"""Small-signal gain and 1 dB point of an amplifier, from gains over level, without a model of the amplifier.

    g(x) = g₀ − c·10^{q·x/20} + …      the first term by which any smooth amplifier departs from a straight line

Fitted where the departure is below 0.2 dB: for Rapp amplifiers with p >= 2 the terms left out move g₀ by about
0.003 dB. With p = 1, whose departure is 0.1 dB 10 dB below the 1 dB point, g₀ needs levels 20 dB below that point.
The 1 dB point is where a straight line between two measured gains crosses g₀ − 1 dB; a chord misses a curve by at most
h²/8 of its second derivative, which is taken from the chords beside it.
"""

from dataclasses import dataclass

import numpy as np

from calibration.measurement import Quantity
from calibration.spectrum import SURE

SMOOTH_DB = 0.2  # departure up to which one term is enough; at 0.3 dB the next term shows beside the noise
POINT_DB = 1.0
ORDERS = np.arange(2.0, 24.5, 0.5)  # q: 2 for a cubic, 2p for Rapp's p
FEWEST = 4  # levels
STRAIGHT = 10.0  # to one: that a fit is straight, before the gains are looked at
SEEN = 3.0  # standard deviations from which on a departure is one
SYSTEMATIC_DB = 0.003  # of a gain: images, the band's edges, drift inside a burst


@dataclass(frozen=True)
class Gains:
    """Gain over level, levels rising.

    Args:
        level: at the input in dBFS: digital level less attenuation, shape (L,).
        gain: in dB, shape (L,).
        std: standard deviation of that in dB, shape (L,).
    """

    level: np.ndarray
    gain: np.ndarray
    std: np.ndarray


@dataclass(frozen=True)
class Linear:
    """The gain of small signals.

    Args:
        gain: g₀ in dB.
        std: standard deviation in dB.
        scatter: rms of what the fit leaves, in standard deviations; near 1 where the link stands still.
    """

    gain: float
    std: float
    scatter: float

    @property
    def quantity(self) -> Quantity:
        """The gain with its uncertainty."""
        return Quantity(self.gain, SURE * self.std, "dB")


def small_signal(gains: Gains) -> Linear:
    """Return g₀ from the lowest levels: as many as depart by less than `SMOOTH_DB` from what they themselves say.

    Weighted least squares; the deviation grows with the scatter, where that exceeds the noise.
    """
    weight = 1 / (gains.std**2 + SYSTEMATIC_DB**2)
    found = _linear(gains.level[:FEWEST], gains.gain[:FEWEST], weight[:FEWEST])
    for count in range(FEWEST + 1, gains.level.size + 1):
        more = _linear(gains.level[:count], gains.gain[:count], weight[:count])
        if more.gain - gains.gain[count - 1] > SMOOTH_DB:
            break
        found = more
    return found


def compression_point(gains: Gains, linear: Linear) -> Quantity | None:
    """Return the level at which the gain has fallen by 1 dB, or None if it never does."""
    lost = linear.gain - gains.gain
    beyond = np.flatnonzero((lost[1:] >= POINT_DB) & (lost[:-1] < POINT_DB))
    if not beyond.size:
        return None
    place = int(beyond[0])
    step, rise = np.diff(gains.level), np.diff(lost)
    slope = float(rise[place] / step[place])
    share = float((POINT_DB - lost[place]) / rise[place])
    noise = (1 - share) ** 2 * gains.std[place] ** 2 + share**2 * gains.std[place + 1] ** 2
    slopes = (rise / step)[max(place - 1, 0) : place + 2]
    bent = float(np.abs(np.diff(slopes)).max(initial=0.0)) * step[place] / 8
    uncertain = SURE * np.sqrt(noise + linear.std**2 + SYSTEMATIC_DB**2) + bent
    return Quantity(float(gains.level[place] + share * step[place]), float(uncertain / slope), "dBFS")


def is_bent_throughout(gains: Gains) -> bool:
    """Return whether the gain falls from the lowest levels on, so that nothing says what it is for small signals."""
    last = min(FEWEST, gains.level.size) - 1
    noise = SEEN * float(np.hypot(gains.std[0], gains.std[last]))
    return bool(gains.gain[0] - gains.gain[last] > SMOOTH_DB + noise)


def most_lost(gains: Gains, linear: Linear) -> float:
    """Return the largest departure from g₀ in dB."""
    return float((linear.gain - gains.gain).max())


def _linear(level: np.ndarray, gain: np.ndarray, weight: np.ndarray) -> Linear:
    """Return g₀ of levels in which the departure is small: the mean over straight and bent fits, by likelihood."""
    fits = np.array([_fitted(np.ones((gain.size, 1)), gain, weight)])
    prior, freedom = np.ones(1), gain.size - 1
    if gain.size > 3:
        fits = np.concatenate([fits, [_fitted(_columns(level, order), gain, weight) for order in ORDERS]])
        prior = np.concatenate([[STRAIGHT], 1 / ORDERS / np.sum(1 / ORDERS)])
    share = prior * np.exp((fits[:, 2].min() - fits[:, 2]) / 2)
    share /= share.sum()
    freedom -= 2 if np.argmax(share) else 0
    value = float(share @ fits[:, 0])
    variance = float(share @ (fits[:, 1] + (fits[:, 0] - value) ** 2))
    scatter = float(np.sqrt(fits[np.argmax(share), 2] / freedom)) if freedom else 1.0
    return Linear(value, float(np.sqrt(variance)) * max(scatter, 1.0), scatter)


def _columns(level: np.ndarray, order: float) -> np.ndarray:
    return np.stack([np.ones(level.size), -(10 ** (order * (level - level.max()) / 20))], axis=1)


def _fitted(columns: np.ndarray, gain: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Return the first coefficient of a weighted fit, its variance, and the weighted sum of squares that is left."""
    root = np.sqrt(weight)
    normal = columns * root[:, None]
    covariance = np.linalg.inv(normal.T @ normal)
    solution = covariance @ (normal.T @ (gain * root))
    left = float(np.sum((root * gain - normal @ solution) ** 2))
    return float(solution[0]), float(covariance[0, 0]), left
