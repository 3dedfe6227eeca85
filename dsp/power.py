"""Power control: what an agent multiplies its symbols by, and the common scale that all of them can afford.

    inversion    b = √ρ·h*/|h|²  where |h|² >= g_th, else 0       (Zhu, Wang, Huang, IEEE TWC 2020, arXiv 1812.11494)
    phase_only   b = √ρ·h*/|h|                                    (P1: the server divides by E|h|)
    mmse         strong agents invert to √η, weak ones send all   (Cao, Zhu, Xu, Huang, IEEE TWC 2020, arXiv 1906.06858)

ρ is the scale from update to received amplitude: ρ_i = P/(mean|s_i|² · mean over subcarriers of active/|h_i|²), and the
server grants the least of them. Gains are powers |h|²; P, σ² and mean|s|² share one unit. Symbols that are a transform
of the update lose part of every entry when truncated, so the threshold is small (`optimal_min_gain`, our
reconstruction). Symbols that are entries lose them whole, and who knows which can send them later (`memory_min_gain`).
"""

from typing import Any

import numpy as np
from scipy.special import exp1, lambertw

Array = Any


def invert_channel(h: np.ndarray, receive_power: float, min_gain: float) -> np.ndarray:
    """Return weights b with h·b = √ρ on every subcarrier worth using, 0 elsewhere.

        b[n] = √ρ · h*[n] / |h[n]|²   if |h[n]|² >= g_th,  else 0

    Args:
        h: channel gain, any shape, receive over transmit amplitude.
        receive_power: ρ, the same for all agents.
        min_gain: g_th, power gain below which a subcarrier would cost too much.

    Raises:
        ValueError: ρ is negative, or g_th is not positive.
    """
    _check_power(receive_power)
    active = is_active(h, min_gain)
    gain = np.where(active, np.abs(h) ** 2, 1.0)
    return np.where(active, np.sqrt(receive_power) * np.conj(h) / gain, 0)


def compensate_phase(h: np.ndarray, receive_power: float) -> np.ndarray:
    """Return weights b = √ρ·h*/|h|, so that h·b = √ρ·|h|; a gain of exactly 0 gets b = √ρ.

    Raises:
        ValueError: ρ is negative.
    """
    _check_power(receive_power)
    magnitude = np.abs(h)
    return np.sqrt(receive_power) * np.where(magnitude > 0, np.conj(h) / np.where(magnitude > 0, magnitude, 1), 1)


def mmse_amplitude(gains: np.ndarray, rms: np.ndarray, noise_var: float, power: float = 1.0) -> float:
    """Return √η of MMSE power control: the received amplitude per unit of s that minimises the error of the sum.

        minimise over η:  Σ_i (a_i − min(a_i, √(P|h_i|²/η)))² + σ²/η

    With q_i = P|h_i|² and agents sorted by q_i/a_i², the m weakest send at full power and

        √η_m = (σ² + Σ_{i<=m} q_i) / Σ_{i<=m} a_i√q_i;   the best m is taken.

    The paper has unit powers; unequal rms a_i is our reconstruction.

    Args:
        gains: |h_i|², shape (n,).
        rms: a_i, rms of the symbols of agent i, shape (n,).
        noise_var: σ² of a received symbol.
        power: P.

    Raises:
        ValueError: no agent has both a gain and something to send.
    """
    useful = (gains > 0) & (rms > 0)
    if not useful.any():
        raise ValueError("mmse power control needs an agent with a gain and symbols above zero, got none")
    received, wanted = power * gains[useful], rms[useful]
    order = np.argsort(received / wanted**2)
    received, wanted = received[order], wanted[order]
    candidates = (noise_var + np.cumsum(received)) / np.cumsum(wanted * np.sqrt(received))
    reached = np.minimum(wanted, np.sqrt(received) / candidates[:, None])
    errors = ((wanted - reached) ** 2).sum(-1) + noise_var / candidates**2
    return float(candidates[np.argmin(errors)])


def is_active(h: np.ndarray, min_gain: float) -> np.ndarray:
    """Return where |h|² >= g_th.

    Raises:
        ValueError: g_th is not positive.
    """
    if not min_gain > 0:
        raise ValueError(f"min_gain must be positive, got {min_gain}; a gain of 0 cannot be inverted")
    return np.abs(h) ** 2 >= min_gain


def inversion_cost(h: np.ndarray, min_gain: float) -> np.ndarray:
    """Return the mean of active/|h|² over the last axis, transmit over receive power; inf where all is silent."""
    active = is_active(h, min_gain)
    cost = np.where(active, 1 / np.where(active, np.abs(h) ** 2, 1.0), 0.0).mean(-1)
    return np.where(active.any(-1), cost, np.inf)


def agent_scale(symbol_power: np.ndarray, cost: np.ndarray | float = 1.0, power: float = 1.0) -> np.ndarray:
    """Return ρ_i = P/(mean|s_i|²·cost_i), the largest common scale that agent i can afford; inf if it is silent.

    Args:
        symbol_power: mean|s_i|², shape (n,).
        cost: transmit power per unit of received power, `inversion_cost` or 1, shape (n,).
        power: P.
    """
    spent = np.where(symbol_power > 0, symbol_power, 0.0) * np.where(np.isfinite(cost), cost, 0.0)
    return np.where(spent > 0, power / np.where(spent > 0, spent, 1.0), np.inf)


def headroom(h: np.ndarray, noise_var: float, min_gain: float, power: float = 1.0) -> np.ndarray:
    """Return P/(σ²·mean of active/|h|²), the receive SNR at which an agent can be heard through its channel alone."""
    cost = inversion_cost(h, min_gain)
    return np.where(np.isfinite(cost), power / (noise_var * np.where(np.isfinite(cost), cost, 1.0)), 0.0)


def optimal_min_gain(n_agents: int, snr: float) -> float:
    """Return g_th = 1/(n·SNR), the minimum of `truncation_loss`."""
    return 1 / (n_agents * snr)


def truncation_loss(min_gain: float, n_agents: int, snr: float) -> float:
    """Return 1 − e^{−g} + E1(g)/(n·SNR): what truncation erases plus what inversion costs in noise (Rayleigh)."""
    return float(-np.expm1(-min_gain) + exp1(min_gain) / (n_agents * snr))


def memory_min_gain(memory_weight: float, noise_weight: float) -> float:
    """Return g_th = W(3b/2a)/3, the minimum of `erasure_loss`, W Lambert's function.

    Args:
        memory_weight: a, positive.
        noise_weight: b, positive.
    """
    return float(lambertw(1.5 * noise_weight / memory_weight).real) / 3


def erasure_loss(min_gain: float, memory_weight: float, noise_weight: float) -> float:
    """Return a(e^{2g} − 1) + b·E1(g): updates late in a memory plus what inversion costs in noise (Rayleigh).

    With survival ξ = e^{−g} an entry waits for N rounds, geometric, and e^{2g} − 1 = (1 − ξ²)/ξ² stands for
    E N² = (1 − ξ)(2 − ξ)/ξ² (AirFL-Mem: Wen, Xing, Simeone, arXiv 2310.16606; the form is our reconstruction).
    """
    return float(memory_weight * np.expm1(2 * min_gain) + noise_weight * exp1(min_gain))


def truncated_power(symbol_power: np.ndarray, silent: np.ndarray) -> np.ndarray:
    """Return Σ_i mean|s_i|² over the agents silent on each subcarrier: its extra noise variance per unit of ρ.

    Args:
        symbol_power: mean|s_i|², shape (n,).
        silent: shape (n, n_subcarriers).
    """
    return (symbol_power[:, None] * silent).sum(0)


def norm_clip(norms: np.ndarray, max_ratio: float) -> np.ndarray:
    """Return factors <= 1 that scale each norm down to max_ratio times the median of the non-zero ones, shape (n,).

    Raises:
        ValueError: max_ratio is below 1.
    """
    if not max_ratio >= 1:
        raise ValueError(f"max_ratio must be at least 1, got {max_ratio}")
    sending = norms[norms > 0]
    if sending.size == 0:
        return np.ones_like(norms)
    limit = max_ratio * np.median(sending)
    return np.minimum(1.0, limit / np.where(norms > 0, norms, limit))


def _check_power(receive_power: float) -> None:
    if not receive_power >= 0:
        raise ValueError(f"receive_power must not be negative, got {receive_power}")
