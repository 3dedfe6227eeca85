"""The server's decision of one round: who sends, and with which weight b_i on each fading block.

The server knows the reported powers mean|s_i|² and the sounded gains h_i, and nothing else. Powers are in units of P.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dsp import power
from dsp.metrics import db

Rule = Literal["inversion", "phase_only", "mmse", "none", "erasure"]

TRUNCATED = "inversion", "erasure"


@dataclass(frozen=True)
class Grant:
    """What the server tells the agents, and how it will read what it receives.

    Args:
        heard: who is on the air, shape (n,).
        excluded: reason of each agent that is not, by id.
        sent_fraction: factor <= 1 on the update of an agent whose norm is an outlier, shape (n,).
        weights: b_i, complex, zero where an agent stays silent, shape (n, blocks).
        amplitude: what the server divides y by, shape (blocks,).
        noise_var: variance of the error per symbol after that division, shape (blocks,).
        common_scale: ρ; with mmse, its mean over the blocks.
    """

    heard: np.ndarray
    excluded: dict[int, str]
    sent_fraction: np.ndarray
    weights: np.ndarray
    amplitude: np.ndarray
    noise_var: np.ndarray
    common_scale: float | None


@dataclass(frozen=True)
class PowerControl:
    """The rule of a run.

    Args:
        rule: "inversion", "phase_only", "mmse" or "none" (`dsp.power`); "erasure" is inversion of symbols that stay
            with the agent where it is silent, so that the sum is that of what was sent.
        noise_var: σ², noise variance of a received symbol, in units of P.
        min_gain: |h|² below which inversion and erasure stay silent; None: the optimum for the number of agents.
        min_headroom: P/(σ²·mean 1/|h|²) below which an agent sits out.
        max_norm_ratio: an update whose rms exceeds this multiple of the median is scaled down to it.
        mean_amplitude: μ_h = E|h| of the fading law, by which phase_only divides; E|h|² = 1.
    """

    rule: Rule
    noise_var: float
    min_gain: float | None
    min_headroom: float
    max_norm_ratio: float
    mean_amplitude: float

    def grant(self, agents: tuple[int, ...], symbol_power: np.ndarray, gains: np.ndarray) -> Grant:
        """Return the grant of a round.

        Args:
            agents: ids.
            symbol_power: mean|s_i|² as reported, shape (n,).
            gains: h_i on each block, complex, shape (n, blocks).
        """
        threshold = self._threshold(len(agents))
        headroom = power.headroom(gains, self.noise_var, threshold)
        heard = (headroom > 0) & (headroom >= self.min_headroom)
        excluded = {agents[i]: _faded(headroom[i], self.min_headroom) for i in np.flatnonzero(~heard)}
        sent_fraction = power.norm_clip(np.sqrt(symbol_power), self.max_norm_ratio)
        symbol_power = np.where(heard, symbol_power * sent_fraction**2, 0.0)
        if not heard.any() or not symbol_power.any():
            silence, blocks = np.zeros_like(gains), np.ones(gains.shape[1])
            return Grant(heard, excluded, sent_fraction, silence, blocks, blocks * self.noise_var, None)
        weights, amplitude, error = self._weigh(symbol_power, gains, threshold)
        weights = np.where(heard[:, None], weights, 0)
        noise_var = self.noise_var / amplitude**2 + error
        scale = float(np.mean(amplitude**2)) / self._mean_gain() ** 2
        return Grant(heard, excluded, sent_fraction, weights, amplitude, noise_var, scale)

    def _threshold(self, n_agents: int) -> float:
        if self.rule in TRUNCATED and self.min_gain is not None:
            return self.min_gain
        if self.rule == "erasure":
            return power.memory_min_gain(1 / n_agents, self.noise_var / n_agents**2)
        return power.optimal_min_gain(n_agents, 1 / self.noise_var)

    def _mean_gain(self) -> float:
        return self.mean_amplitude if self.rule == "phase_only" else 1.0

    def _weigh(
        self, symbol_power: np.ndarray, gains: np.ndarray, threshold: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return weights (n, blocks), amplitude and error besides noise (blocks,); an agent of power 0 is not heard."""
        blocks = np.ones(gains.shape[1])
        if self.rule == "mmse":
            return self._mmse(symbol_power, gains)
        if self.rule in TRUNCATED:
            scale = power.agent_scale(symbol_power, power.inversion_cost(gains, threshold)).min()
            silent = ~power.is_active(gains, threshold)
            error = power.truncated_power(symbol_power, silent) if self.rule == "inversion" else 0 * blocks
            return power.invert_channel(gains, scale, threshold), np.sqrt(scale) * blocks, error
        scale = power.agent_scale(symbol_power).min()
        if self.rule == "none":
            return np.full(gains.shape, np.sqrt(scale), complex), np.sqrt(scale) * blocks, 0 * blocks
        spread = 1 / self.mean_amplitude**2 - 1  # Var|h|/μ_h²: the server knows the law of |h|, not its values
        amplitude = np.sqrt(scale) * self.mean_amplitude * blocks
        return power.compensate_phase(gains, scale), amplitude, spread * symbol_power.sum() * blocks

    def _mmse(self, symbol_power: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rms, strength = np.sqrt(symbol_power), np.abs(gains)
        amplitude = np.array([power.mmse_amplitude(block**2, rms, self.noise_var) for block in strength.T])
        most = 1 / np.where(rms > 0, rms, np.inf)[:, None]  # full power, as a factor on s_i
        wanted = amplitude / np.where(strength > 0, strength, np.inf)
        magnitude = np.minimum(np.where(rms[:, None] > 0, most, 0), wanted)
        reached = magnitude * strength / amplitude
        error = (symbol_power[:, None] * (1 - reached) ** 2).sum(0)
        return power.compensate_phase(gains, 1.0) * magnitude, amplitude, error


def _faded(headroom: float, minimum: float) -> str:
    if headroom == 0:
        return "faded: every block is below min_gain"
    return f"faded: headroom {db(headroom):.1f} dB is below min_headroom_db {db(minimum):.1f}"
