"""How fast ν-step meta-learning over the air approaches a stationary point: templates, not the papers' theorems.

Everything here is our reconstruction [R], derived in docs/theory.md from error feedback (Stich, Cordonnier, Jaggi 2018;
Karimireddy et al., ICML 2019). Setting: F = (1/n)Σ F_i has an L_F-Lipschitz gradient (`meta_smoothness`); one outer
step of rate η each round (Q = 1, exact order, plain averaging, all agents heard); meta-gradients unbiased, independent,
of variance σ_g² and E‖g_i‖² <= G²; top-k with memory, δ = k/d; the server's mean update has an error e_t, E‖e_t‖² <= ε.

    e_t of mean 0 given the past, η <= 1/(2L_F):
        (1/T)Σ E‖∇F(θ_t)‖² <= 4(F_0 − F*)/(ηT) + 2L_F·η·σ_g²/n + 8(1−δ)L_F²η²G²/δ² + 2L_F·ε/η
    any e_t, η <= 1/(4L_F):
        (1/T)Σ E‖∇F(θ_t)‖² <= 4(F_0 − F*)/(ηT) + 4L_F·η·σ_g²/n + 8(1−δ)L_F²η²G²/δ² + 4(L_F + 1/(2η))·ε/η

ε that is a fraction of the update's power shrinks with η²: then the first bound vanishes as η -> 0, ηT -> ∞, and the
second one leaves 2ε/η², a floor. So noise that averages out costs rounds; a bias (a receiver that shrinks; top-k
without memory, where ε = (1−k/d)η²G² and δ = 1) costs the limit.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Constants:
    """What is assumed of an objective and its gradients.

    Args:
        smoothness: L_F.
        start: F(θ_0) − F*.
        gradient_var: σ_g², variance of an agent's meta-gradient.
        gradient_power: G², the largest E‖g_i‖².
        agents: n.
    """

    smoothness: float
    start: float
    gradient_var: float
    gradient_power: float
    agents: int


def gradient_norm_bound(
    constants: Constants, rounds: int, rate: float, delta: float, error_power: float = 0.0, biased: bool = False
) -> float:
    """Return the limit of (1/T)Σ_{t<T} E‖∇F(θ_t)‖².

    Args:
        constants: of the objective.
        rounds: T.
        rate: η.
        delta: δ = k/d, in (0, 1].
        error_power: ε, E‖e‖² of the mean update.
        biased: whether e may have a mean.

    Raises:
        ValueError: η is too large for the derivation, or δ is not in (0, 1].
    """
    smooth, most = constants.smoothness, 1 / ((4 if biased else 2) * constants.smoothness)
    if not 0 < rate <= most:
        raise ValueError(f"rate must be in (0, {most:.3g}], which is 1/({4 if biased else 2}L_F), got {rate}")
    start = 4 * constants.start / (rate * rounds)
    batches = (4 if biased else 2) * smooth * rate * constants.gradient_var / constants.agents
    late = 2 * smooth**2 * memory_limit(delta, rate, constants.gradient_power)
    error = (4 * (smooth + 1 / (2 * rate)) if biased else 2 * smooth) * error_power / rate
    return start + batches + late + error


def memory_limit(delta: float, rate: float, gradient_power: float) -> float:
    """Return 4(1−δ)η²G²/δ², the largest E‖m_i‖² of a memory.

    Raises:
        ValueError: δ is not in (0, 1].
    """
    if not 0 < delta <= 1:
        raise ValueError(f"delta must be in (0, 1], got {delta}")
    return 4 * (1 - delta) / delta**2 * rate**2 * gradient_power
