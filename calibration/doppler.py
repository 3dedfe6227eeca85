"""The largest Doppler shift of a channel, from how much it changed over which lags, and how sure that is.

Channels are drawn for each f_D at the times of the soundings, with the noise and the diversity that were seen. Mean and
covariance of log D (`calibration.coherence`) in these draws make a synthetic likelihood (Wood, Nature 466, 2010; its
Student form: Sellentin and Heavens, MNRAS 456, 2016), and the mean of ln f_D under it is the estimate. As log D is not
Gaussian and the estimate is biased, the interval comes from draws again: it holds every f_D for which not 2.5 % of all
estimates are larger than this one, and not 2.5 % smaller (Neyman). So few fades, and lags that share them, widen it.

Drawn are sums of 16 waves from uniform angles with Gaussian amplitudes (Hoeher, IEEE Trans. Veh. Technol. 41(4), 1992):
an interval that takes Jakes' spectrum for granted, as if a room had endless paths, would be too narrow. A line of
sight, K times as strong as the rest, has its own wave. K is one of four, none likelier beforehand, and the interval
holds what every credible K asks for. Where there is such a line and several taps beside it, that is too narrow (it held
f_D in 73 to 93 % of simulated cases): `WIDER` times as wide in ln f_D, where such a line is likelier than none.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from calibration.coherence import Modes, lags, structure

HALVED = 0.17924  # f_D·τ where J0² = 1/2
WAVES, DRAWS = 16, 96
LINE_OF_SIGHT = 0.0, 2.0, 8.0, 32.0  # K
WIDER = 1.6  # chosen: seven of the eight misses in 142 cases (K of 6 and 9 dB) were within 1.44 of the interval
CREDIBLE = 0.02  # of K: less likely ones are left out
RATIO = 0.2  # between two ln f_D that are tried
SLOWEST, FASTEST = 0.05, 0.3  # f_D times the longest, and the shortest lag
FOREIGN = 2.0  # times the largest distance between what is drawn and its law
LEVEL = 0.025, 0.5, 0.975


@dataclass(frozen=True)
class Doppler:
    """Largest Doppler shift in Hz: ends of its 95 % interval, and its median."""

    low: float
    median: float
    high: float


def doppler(about: Modes, times: np.ndarray) -> Doppler | None:
    """Return the largest Doppler shift that explains how channels changed; None: no such fading changes so.

    Args:
        about: the channels.
        times: of the soundings in seconds, the first one 0, shape (S,).
    """
    relative = tuple(times.tolist())
    lag, member = lags(relative)
    first, last = np.log(SLOWEST / times[-1]) / RATIO, np.log(FASTEST / lag[0]) / RATIO
    logarithm = np.arange(round(first), round(last) + 1) * RATIO
    seen = np.log(structure(about.values[None].astype(np.complex64), member))
    law = Law(logarithm, np.stack([_drawn(about, relative, logarithm, ratio) for ratio in LINE_OF_SIGHT]))
    return law.infer(seen, WIDER if about.power.size > 1 else 1.0)


class Law:
    """How log D is distributed for each of several K and ln f_D, and an estimate of ln f_D with its distribution.

    Args:
        logarithm: ln f_D, shape (T,).
        drawn: log D, shape (number of K, T, R, B).
    """

    def __init__(self, logarithm: np.ndarray, drawn: np.ndarray) -> None:
        self.logarithm, self.draws = logarithm, drawn.shape[2]
        self.mean = drawn.mean(2)
        error = drawn - self.mean[:, :, None]
        covariance = error.swapaxes(-1, -2) @ error / (self.draws - 1)
        self.precision, self.size = np.linalg.inv(covariance), np.linalg.slogdet(covariance)[1]
        self.estimates = np.array([[self.estimate(rows)[0] for rows in each] for each in drawn])
        self.farthest = max(float(self.distance(rows).max()) for each in drawn[:, ::4] for rows in each)

    def infer(self, seen: np.ndarray, wider: float = 1.0) -> Doppler | None:
        """Return f_D from log D, shape (1, B): for every K that is credible, an interval; all of them together.

        With a line of sight likelier than none, `wider` times as wide in ln f_D.
        """
        estimate, share = self.estimate(seen)
        if self.distance(seen)[0] > FOREIGN * self.farthest:
            return None
        ends = np.array([[self._where(k, level, float(estimate[0])) for level in reversed(LEVEL)]
                         for k in np.flatnonzero(share[0] > CREDIBLE).tolist()])  # fmt: skip
        best = np.argmax(share[0][share[0] > CREDIBLE])
        low, median, high = ends[:, 0].min(), ends[best, 1], ends[:, 2].max()
        if share[0, 0] < 0.5:
            low, high = median - wider * (median - low), median + wider * (high - median)
        return Doppler(float(np.exp(low)), float(np.exp(median)), float(np.exp(high)))

    def estimate(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean of ln f_D, (n,), and how likely each K is, (n, number of K).

        Of log D, shape (n, B), as if it were Gaussian; beforehand all are equally likely.
        """
        log_density = -0.5 * (self.size + self.draws * np.log1p(self._square(seen) / (self.draws - 1)))
        density = np.exp(log_density - log_density.max((-1, -2), keepdims=True))
        density /= density.sum((-1, -2), keepdims=True)
        return density.sum(1) @ self.logarithm, density.sum(2)

    def distance(self, seen: np.ndarray) -> np.ndarray:
        """Return how far log D lies from the nearest of the laws, Mahalanobis, squared, (n, B) to (n,)."""
        return self._square(seen).min((-1, -2))

    def _where(self, place: int, share: float, estimate: float) -> float:
        """Return the ln f_D for which, with the K at a place, a share of all estimates is below this one."""
        below = np.quantile(self.estimates[place], share, axis=1)
        rising = np.minimum.accumulate(below[::-1])[::-1] if share < 0.5 else np.maximum.accumulate(below)
        return float(np.interp(estimate, rising, self.logarithm))

    def _square(self, seen: np.ndarray) -> np.ndarray:
        """Return the squared Mahalanobis distance of log D from every law, (n, B) to (n, number of K, T)."""
        error = np.moveaxis(seen[:, None, None, :] - self.mean, 0, 2)
        return np.moveaxis(((error @ self.precision) * error).sum(-1), 2, 0)


def _drawn(about: Modes, times: tuple[float, ...], logarithm: np.ndarray, ratio: float) -> np.ndarray:
    """Return log D of channels drawn for one K and every ln f_D, shape (T, R, B)."""
    total, line = float(about.power.sum()), np.zeros(about.power.size)
    line[0] = total * ratio / (ratio + 1)
    scattered = np.maximum(about.power - line, 1e-6 * total)
    scattered *= total / (ratio + 1) / scattered.sum()
    rows = []
    for trial in logarithm.tolist():
        waves, direct = _waves(times, about.power.size, trial)
        channels = waves * np.sqrt(scattered).astype(np.float32)
        if ratio:
            channels += direct * np.sqrt(line).astype(np.float32)
        channels += _noise(channels.shape) * np.float32(np.sqrt(about.error_var))
        rows.append(np.log(structure(channels, lags(times)[1])))
    return np.stack(rows)


@lru_cache(maxsize=8)
def _draws(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return amplitudes of waves, cosines of their angles (R, M, 16), and of those of lines of sight, (R, 1, 1)."""
    rng = np.random.default_rng(16)
    shape = DRAWS, count, WAVES
    amplitude = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2 * WAVES)
    cosine, direct = (np.cos(2 * np.pi * rng.random(size)) for size in (shape, (DRAWS, 1, 1)))
    return amplitude.astype(np.complex64), cosine.astype(np.float32), direct.astype(np.float32)


@lru_cache(maxsize=64)
def _waves(times: tuple[float, ...], count: int, logarithm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Rayleigh processes of power 1, (R, S, M), and lines of sight, (R, S, 1), for one ln f_D; read-only."""
    amplitude, cosine, direct = _draws(count)
    phase = (2 * np.pi * np.exp(logarithm) * np.array(times)).astype(np.float32)
    waves = np.einsum("rmw,rmws->rsm", amplitude, _cis(cosine[..., None] * phase), optimize=True)
    straight = _cis(direct * phase[:, None])
    waves.flags.writeable = straight.flags.writeable = False
    return waves, straight


@lru_cache(maxsize=4)
def _noise(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(61)
    return ((rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)).astype(np.complex64)


def _cis(angle: np.ndarray) -> np.ndarray:
    turn = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=turn.real)
    np.sin(angle, out=turn.imag)
    return turn
