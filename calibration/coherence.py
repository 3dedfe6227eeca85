"""How a channel changes, seen in what oscillators leave alone: the outer products h·hᴴ, whose phase is nobody's.

    D(τ) = mean over pairs of ½‖h_i·h_iᴴ − h_j·h_jᴴ‖² / (mean‖h‖²)²  =  1 − |ρ(τ)|²  for Rayleigh fading
    |ρ(τ)|² = J0²(2π f_D τ),  ½ at f_D·τ = 0.179

In a flat channel this is the intensity correlation; in a selective one the directions of h count as well. What it says
of f_D is in `calibration.doppler`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

MODES, ENERGY = 8, 0.99  # of the diversity, as many as hold this share
BINS = 9  # of lags
STILL = 1e-3  # of D: images, and all else that turns with the carriers, are taken for no movement
SURE = 6.0  # times the standard error of the noise in D


@dataclass(frozen=True)
class Correlation:
    """Intensity correlation over lags.

    Args:
        lag: in seconds, shape (B,).
        value: 1 − D without what noise adds, shape (B,).
        moves: whether anything but noise was seen.
    """

    lag: np.ndarray
    value: np.ndarray
    moves: bool


@dataclass(frozen=True)
class Modes:
    """Channels in the few directions in which they move.

    Args:
        values: shape (S, M).
        power: variance of each direction over fades, shape (M,), sum that of the channel.
        error_var: σ_H² of every entry.
    """

    values: np.ndarray
    power: np.ndarray
    error_var: float


def modes(channels: np.ndarray, correlation: np.ndarray, subcarriers: np.ndarray, error_var: float) -> Modes:
    """Return channels in the eigenvectors of the covariance that their correlation over the band makes.

    Args:
        channels: H_i, shape (S, 2K).
        correlation: R(d) of `calibration.delays`, d = 0 … K.
        subcarriers: their numbers, shape (2K,).
        error_var: σ_H².
    """
    distance = subcarriers[:, None] - subcarriers[None, :]
    # beyond half the band there was too little to average over; a product is right for one path, and small for many
    reach = correlation.size - 1
    whole = np.concatenate([correlation, correlation[reach] * correlation[1:]])
    held = whole[np.abs(distance)]
    values, vectors = np.linalg.eigh(np.where(distance >= 0, held, held.conj()))
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    count = min(int(np.searchsorted(np.cumsum(values), ENERGY * values.sum())) + 1, MODES)
    seen = channels @ vectors[:, :count].conj()
    power = max(float((np.abs(seen) ** 2).sum(-1).mean()) - count * error_var, 1e-30)
    return Modes(seen, power * values[:count] / values[:count].sum(), error_var)


def correlate(about: Modes, times: np.ndarray) -> Correlation:
    """Return the intensity correlation over lags, in bins of equal ratio."""
    lag, member = lags(tuple(times.tolist()))
    distances = structure(about.values[None], member)[0]
    count, power, noise = about.power.size, float(about.power.sum()), about.error_var
    added = 2 * count * noise * power + (count * noise) ** 2
    distance = (distances * (power + count * noise) ** 2 - added) / power**2
    doubt = added / power**2 * np.sqrt(2 / times.size)
    return Correlation(lag, 1 - distance, bool(distance.max() > max(STILL, SURE * doubt)))


def structure(channels: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Return D of every bin of lags, noise included, shape (R, B), of channels of shape (R, S, M)."""
    gram = channels @ channels.conj().swapaxes(-1, -2)
    power = np.einsum("rss->rs", gram).real
    half = power**2 / 2
    distance = half[:, :, None] + half[:, None, :] - np.abs(gram) ** 2
    flat = distance.reshape(len(channels), -1)
    return np.maximum(flat @ member, 1e-20) / power.mean(-1)[:, None] ** 2


@lru_cache(maxsize=8)
def lags(times: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean lag of each bin, shape (B,), and the weight of each pair in it, shape (S², B)."""
    instants = np.array(times)
    lag = (instants[None, :] - instants[:, None]).ravel()
    edges = np.geomspace(0.99 * lag[lag > 0].min(), 1.01 * lag.max(), BINS + 1)
    member = ((lag[:, None] >= edges[:-1]) & (lag[:, None] < edges[1:])).astype(np.float32)
    member = member[:, member.sum(0) > 0]
    member /= member.sum(0)
    return lag @ member, member
