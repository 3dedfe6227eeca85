"""The ratio of two directions of a channel from many exchanges: how fast it turns, and its gain, phase and delay.

    U_j[k] = c[k]·D_j[k] + n,   c[k] = G·e^{j(φ − 2πkτ/N)}      U uplink, D downlink, both with errors

φ and τ maximise |Σ_jk U·D*·e^{j2πkτ/N}|, G = |that|/Σ(|D|² − σ_d²): maximum likelihood but for terms of second order in
the errors. Their variances follow from v = σ_u² + G²·σ_d² of an element and W = Σ|c·D|²,

    Var ln G = v/(2W),   Cov (φ, τ) = v/2 · [[W, −Σκ|c·D|²], [−Σκ|c·D|², Σκ²|c·D|²]]⁻¹,   κ = 2πk/N

times the scatter between exchanges over what this predicts, where it is larger: phase noise and jitter are in it.
"""

from dataclasses import dataclass

import numpy as np

from calibration.measurement import NORMAL_95
from dsp.channel_estimation import strongest_delay
from dsp.ofdm import Numerology, delay_ramp

STEPS = 8  # of Gauss and Newton; three do

LEAST_NOISE = 1e-20  # of the signal: variances are divided by


@dataclass(frozen=True)
class Exchanges:
    """Channels both ways, each pair at one instant.

    Args:
        times: of each exchange in seconds, shape (J,).
        up: U, shape (J, 2K).
        down: D, shape (J, 2K).
        up_var: σ_u², error variance of an element of `up`.
        down_var: σ_d², of `down`.
    """

    times: np.ndarray
    up: np.ndarray
    down: np.ndarray
    up_var: float
    down_var: float

    @property
    def products(self) -> np.ndarray:
        """U·D*, shape (J, 2K)."""
        return self.up * np.conj(self.down)

    def chosen(self, rows: np.ndarray) -> "Exchanges":
        """Return some of the exchanges."""
        return Exchanges(self.times[rows], self.up[rows], self.down[rows], self.up_var, self.down_var)


@dataclass(frozen=True)
class Turning:
    """How the phase of a ratio moves.

    Args:
        rate: in radians per second.
        rate_std: standard deviation of that.
        scatter: rms about the straight line beyond what noise explains, in radians.
        excess: χ² of the scatter over its freedom.
        freedom: of χ².
    """

    rate: float
    rate_std: float
    scatter: float
    excess: float
    freedom: int


@dataclass(frozen=True)
class Fit:
    """A ratio.

    Args:
        log_gain: ln G.
        phase: φ in radians.
        delay: τ in samples.
        stds: of these three, shape (3,).
        ripple: rms of what the model leaves, relative to it, noise taken out.
        ripple_error: half the width of its 95 % interval.
        left: ratio over model, less 1, on each subcarrier, shape (2K,).
    """

    log_gain: float
    phase: float
    delay: float
    stds: np.ndarray
    ripple: float
    ripple_error: float
    left: np.ndarray


def turning(exchanges: Exchanges, coarse_rate: float, numerology: Numerology) -> Turning:
    """Return how fast the ratio turns: a straight line through the phases of the exchanges.

    Args:
        exchanges: at least three.
        coarse_rate: in radians per second, right to within half a turn from one exchange to the next.
        numerology: the grid's numbers.
    """
    products, times = exchanges.products, exchanges.times - exchanges.times.mean()
    best = int(np.argmax(np.abs(products).sum(1)))
    ramp = np.conj(delay_ramp(numerology, strongest_delay(products[best], numerology)))
    sums = (products * ramp).sum(1) * np.exp(-1j * coarse_rate * times)
    phases = np.unwrap(np.angle(sums))
    energy, strength = np.sum(np.abs(exchanges.up) ** 2, axis=1), np.sum(np.abs(exchanges.down) ** 2, axis=1)
    weights = 2 / np.maximum(exchanges.up_var / energy + exchanges.down_var / strength, LEAST_NOISE)
    line = np.stack([np.ones_like(times), times])
    covariance = np.linalg.inv((line * weights) @ line.T)
    level, slope = covariance @ (line * weights) @ phases
    left = phases - level - slope * times
    freedom = times.size - 2
    excess = float(weights @ left**2) / freedom
    scatter = max(float(np.mean(left**2) - np.mean(1 / weights)), 0.0) ** 0.5
    std = float(np.sqrt(covariance[1, 1] * max(excess, 1.0)))
    return Turning(coarse_rate + float(slope), std, scatter, excess, freedom)


def fit(exchanges: Exchanges, numerology: Numerology) -> Fit:
    """Return the ratio that all exchanges share, one that does not turn.

    Args:
        exchanges: at least two.
        numerology: the grid's numbers.
    """
    pooled = exchanges.products.sum(0)
    delay = strongest_delay(pooled, numerology)
    total = (pooled * np.conj(delay_ramp(numerology, delay))).sum()
    energy = np.sum(np.abs(exchanges.down) ** 2) - exchanges.down_var * exchanges.down.size
    state = np.array([np.log(np.abs(total) / max(float(energy), 1e-30)), np.angle(total), delay])
    for _ in range(STEPS):
        step, _ = _step(exchanges, state, numerology)
        state = state + step
    _, covariance = _step(exchanges, state, numerology)
    stds = np.sqrt(np.diag(covariance) * np.maximum(_excess(exchanges, state, numerology), 1.0))
    ripple, error, left = _ripple(exchanges, state, numerology)
    return Fit(float(state[0]), float(state[1]), float(state[2]), stds, ripple, error, left)


def ratio_of(state: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Return c on each subcarrier, shape (2K,), from (ln G, φ, τ)."""
    return np.exp(state[0] + 1j * state[1]) * delay_ramp(numerology, float(state[2]))


def _step(exchanges: Exchanges, state: np.ndarray, numerology: Numerology) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much (ln G, φ, τ) miss the optimum, and their covariance by noise alone, shapes (3,), (3, 3)."""
    c, kappa = ratio_of(state, numerology), 2 * np.pi * numerology.subcarriers / numerology.n_fft
    gain = float(np.exp(2 * state[0]))
    model = exchanges.down * c
    missing = ((exchanges.up - model) * np.conj(model)).sum(0) + len(model) * gain * exchanges.down_var
    energy = (np.abs(model) ** 2).sum(0) - len(model) * gain * exchanges.down_var
    total, first, second = (float((kappa**power * energy).sum()) for power in range(3))
    inverse = np.zeros((3, 3))
    inverse[0, 0] = 1 / total
    inverse[1:, 1:] = np.linalg.inv([[total, -first], [-first, second]])
    scores = np.array([missing.real.sum(), missing.imag.sum(), -(kappa * missing.imag).sum()])
    noise = max(exchanges.up_var + gain * exchanges.down_var, LEAST_NOISE * total / model.size)
    return inverse @ scores, inverse * noise / 2


def _excess(exchanges: Exchanges, state: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Return χ² over freedom of each parameter's scatter between exchanges, shape (3,)."""
    rows = range(len(exchanges.up))
    steps = [_step(exchanges.chosen(np.array([row])), state, numerology) for row in rows]
    squares = [step**2 / np.diag(covariance) for step, covariance in steps]
    return np.sum(squares, axis=0) / (len(squares) - 1)


def _ripple(exchanges: Exchanges, state: np.ndarray, numerology: Numerology) -> tuple[float, float, np.ndarray]:
    """Return the rms of what the model leaves, half the width of its interval, and what it leaves on each subcarrier.

    ε² = (Σ_k |Σ_j (U − c·D)·(c·D)*|² − v·Σ_j |c·D|²)/Σ_k W_k²,   W_k = Σ_j |c·D|² without noise

    Subcarriers count as the square of their energy: in a notch there is nothing to see. Three parameters were fitted.
    """
    gain = float(np.exp(2 * state[0]))
    model = exchanges.down * ratio_of(state, numerology)
    bias, seen = len(model) * gain * exchanges.down_var, (np.abs(model) ** 2).sum(0)
    missing = ((exchanges.up - model) * np.conj(model)).sum(0) + bias
    energy = np.maximum(seen - bias, 0.0)
    noise = (exchanges.up_var + gain * exchanges.down_var) * seen
    squares = float((energy**2).sum())
    known = max(float((np.abs(missing) ** 2).sum() - noise.sum() * (1 - 1.5 / noise.size)) / squares, 0.0)
    # 95 % of a mean of exponential variables, and of their product with a ripple that is there
    spread = NORMAL_95 * float((noise**2).sum()) ** 0.5 / squares
    spread += NORMAL_95 * (2 * known * float((energy**2 * noise).sum())) ** 0.5 / squares
    error = max((known + spread) ** 0.5 - known**0.5, known**0.5 - max(known - spread, 0.0) ** 0.5)
    return known**0.5, error, missing / np.maximum(seen, 1e-30)
