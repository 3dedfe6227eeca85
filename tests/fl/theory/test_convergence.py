"""The templates against runs of the recursion that they are about, on parabolas whose constants are all known.

F_i = ½‖A_i(θ − c_i)‖², noisy gradients, top-k with memory, an error on the mean: means over many rounds and seeds must
stay below the bound; G² is measured along the way, as the largest mean square that occurred.
"""

import numpy as np
import pytest

from dsp.sparsify import top_k
from fl.theory.convergence import Constants, gradient_norm_bound, memory_limit

AGENTS, LENGTH, ROUNDS, RUNS = 4, 20, 150, 8
NOISE = 0.3


class Problem:
    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.factors = rng.standard_normal((AGENTS, LENGTH, LENGTH)) / np.sqrt(LENGTH)
        self.squares = np.einsum("nij,nik->njk", self.factors, self.factors)
        self.centres = rng.standard_normal((AGENTS, LENGTH))
        self.smoothness = np.linalg.eigvalsh(self.squares.mean(0)).max()
        linear = np.einsum("nij,nj->i", self.squares, self.centres) / AGENTS
        self.best = np.linalg.solve(self.squares.mean(0), linear)

    def value(self, theta):
        return 0.5 * np.mean([np.sum((f @ (theta - c)) ** 2) for f, c in zip(self.factors, self.centres, strict=True)])

    def gradients(self, theta):
        return np.einsum("nij,nj->ni", self.squares, theta - self.centres)


def run(problem, rate, kept, error, seed):
    """Return (1/T)Σ‖∇F‖², the powers of gradients (rounds, agents), of memories and of the errors (rounds,)."""
    rng = np.random.default_rng(seed)
    theta, memory = np.zeros(LENGTH), np.zeros((AGENTS, LENGTH))
    norms, powers, memories, wrong = [], [], [], []
    for _ in range(ROUNDS):
        exact = problem.gradients(theta)
        noisy = exact + NOISE * rng.standard_normal(exact.shape)
        total = memory + rate * noisy
        sent = top_k(total, kept)
        memory = total - sent
        mean = sent.mean(0)
        off = error(mean, rng)
        theta = theta - mean - off
        norms.append(np.sum(exact.mean(0) ** 2))
        powers.append(np.sum(noisy**2, axis=1))
        memories.append(np.sum(memory**2, axis=1))
        wrong.append(np.sum(off**2))
    return np.mean(norms), np.array(powers), np.array(memories), np.array(wrong)


def noise(mean, rng):
    return 0.03 * rng.standard_normal(mean.shape)


def shrink(mean, rng):
    return -0.2 * mean


def nothing(mean, rng):
    return 0 * mean


def share_of_update(nmse, delta, rate, power):
    """ε of a sum received with this NMSE, as docs/theory.md has it: NMSE·2(1 + 4(1−δ)/δ²)η²G²."""
    return nmse * 2 * (1 + 4 * (1 - delta) / delta**2) * rate**2 * power


@pytest.mark.parametrize("kept", [LENGTH, 5, 2])
@pytest.mark.parametrize(("error", "biased"), [(nothing, False), (noise, False), (shrink, True)])
def test_the_mean_square_of_the_gradient_stays_below_the_template(kept, error, biased):
    problem = Problem(1)
    rate = 0.2 / problem.smoothness
    found = [run(problem, rate, kept, error, seed) for seed in range(RUNS)]
    power = np.mean([powers for _, powers, _, _ in found], axis=0).max()
    start = problem.value(np.zeros(LENGTH)) - problem.value(problem.best)
    constants = Constants(problem.smoothness, start, LENGTH * NOISE**2, power, AGENTS)
    wrong = np.mean([wrong for *_, wrong in found], axis=0).max()
    delta = kept / LENGTH
    assert np.mean([norm for norm, *_ in found]) <= gradient_norm_bound(constants, ROUNDS, rate, delta, wrong, biased)
    assert np.mean([memories for _, _, memories, _ in found], axis=0).max() <= memory_limit(delta, rate, power) + 1e-12
    if error is shrink:
        assert wrong <= share_of_update(0.2**2, delta, rate, power)


def test_without_loss_it_is_the_rate_of_gradient_descent_on_the_worst_parabola():
    """No noise, all entries, η = 1/(2L): the bound is 8L(F_0 − F*)/T; of ½Lθ² from 1 the mean of ‖∇F‖² is
    L²Σ4^{−t}/T = 4L²/(3T), F_0 − F* = ½L, so the template gives 4L²/T: three times as much, and no more."""
    smoothness, rounds = 2.0, 50
    constants = Constants(smoothness, 0.5 * smoothness, 0.0, 1.0, 1)
    bound = gradient_norm_bound(constants, rounds, 1 / (2 * smoothness), 1.0)
    exact = smoothness**2 * sum(0.25**index for index in range(rounds)) / rounds
    assert bound == pytest.approx(3 * exact)


def test_a_memory_costs_the_square_of_how_far_it_holds_the_model_back():
    """F(θ − m̄) against F(θ): 2L²·E‖m̄‖² on the scale of ‖∇F‖²."""
    constants = Constants(2.0, 1.0, 1.0, 3.0, 5)
    late = gradient_norm_bound(constants, 100, 0.1, 0.04) - gradient_norm_bound(constants, 100, 0.1, 1.0)
    assert late == pytest.approx(2 * 2.0**2 * memory_limit(0.04, 0.1, 3.0))


def test_an_error_that_is_a_share_of_the_update_vanishes_with_the_rate_only_if_it_has_no_bias():
    constants = Constants(1.0, 1.0, 1.0, 1.0, 10)

    def at(rate, biased):
        error = share_of_update(0.1, 0.25, rate, constants.gradient_power)
        return gradient_norm_bound(constants, round(1000 / rate**2), rate, 0.25, error, biased)

    assert at(1e-4, False) < 0.05 * at(1e-2, False)
    floor = 2 * share_of_update(0.1, 0.25, 1.0, 1.0)
    assert at(1e-4, True) == pytest.approx(floor, rel=0.01)


def test_a_rate_beyond_the_derivation_is_refused():
    with pytest.raises(ValueError, match=r"rate must be in \(0, 0.25\]"):
        gradient_norm_bound(Constants(2.0, 1.0, 1.0, 1.0, 1), 10, 0.3, 1.0)
    with pytest.raises(ValueError, match=r"delta must be in"):
        gradient_norm_bound(Constants(2.0, 1.0, 1.0, 1.0, 1), 10, 0.1, 0.0)
