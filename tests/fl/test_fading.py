import numpy as np
import pytest

from fl.fading import BlockFading

LAWS = [BlockFading("rayleigh"), BlockFading("rician", 0.5), BlockFading("rician", 10.0), BlockFading("none")]
DRAWS = 400_000


@pytest.mark.parametrize("law", LAWS)
def test_power_is_one_and_the_mean_amplitude_is_the_formula(law):
    """Var|h|² <= 1 and Var|h| <= 1: five standard errors of 4·10⁵ draws are 0.008."""
    h = law.draw((DRAWS,), np.random.default_rng(0))
    assert abs((np.abs(h) ** 2).mean() - 1) < 0.008
    assert abs(np.abs(h).mean() - law.mean_amplitude) < 0.008


def test_rayleigh_gains_survive_a_threshold_exponentially():
    """P(|h|² >= g) = e^{−g}; five standard errors of a proportion are at most 0.004."""
    gains = np.abs(BlockFading("rayleigh").draw((DRAWS,), np.random.default_rng(1))) ** 2
    for threshold in (0.1, 0.5, 2.0):
        assert abs((gains >= threshold).mean() - np.exp(-threshold)) < 0.004


@pytest.mark.parametrize("law", LAWS[:3])
def test_phases_are_uniform_and_draws_independent(law):
    h = law.draw((DRAWS // 2, 2), np.random.default_rng(2))
    assert abs(h.mean()) < 0.01
    assert abs((h[:, 0] * np.conj(h[:, 1])).mean()) < 5 / np.sqrt(DRAWS // 2)


def test_without_fading_the_gain_is_one():
    assert (BlockFading("none").draw((3, 2), np.random.default_rng(0)) == 1).all()
