import numpy as np
import pytest
from scipy.stats import norm

from dsp.soft_threshold import passed, risk, soft_threshold, sure

R = np.random.default_rng(0).standard_normal((3, 500))
ONE = np.ones((3, 1))


def test_it_is_the_minimiser_of_the_lasso_of_one_entry():
    """η(r; θ) minimises ½(r − x)² + θ|x|: no step from it lowers the sum."""
    found = soft_threshold(R, 0.7 * ONE)

    def cost(x):
        return 0.5 * (R - x) ** 2 + 0.7 * np.abs(x)

    for step in (1e-3, -1e-3, 0.5, -0.5):
        assert (cost(found + step) >= cost(found)).all()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.5])
def test_what_passes_is_its_mean_derivative(level):
    nudged = (soft_threshold(R + 1e-7, level * ONE) - soft_threshold(R - 1e-7, level * ONE)) / 2e-7
    assert np.allclose(nudged.mean(-1, keepdims=True), passed(R, level * ONE), atol=1e-6)


@pytest.mark.parametrize("level", [0.2, 1.0, 2.5])
def test_the_estimate_of_the_risk_is_unbiased_and_the_risk_has_a_closed_form(level):
    """400,000 entries that are 0, N(0, 0.3) or N(0, 4); both differ from the error by at most five standard errors."""
    rng, t = np.random.default_rng(1), 0.5
    weights, variances = np.array([0.7, 0.2, 0.1]), np.array([0.0, 0.3, 4.0])
    x = rng.standard_normal(400_000) * np.sqrt(rng.choice(variances, 400_000, p=weights))
    r = x + rng.standard_normal(400_000) * np.sqrt(t)
    squares = (soft_threshold(r, np.array([level])) - x) ** 2
    estimates = np.minimum(np.abs(r), level) ** 2 + (2.0 * (np.abs(r) > level) - 1) * t
    spread = squares.std() / np.sqrt(squares.size)
    assert abs(squares.mean() - risk(weights, variances, level, t)) < 5 * spread
    assert abs(float(sure(r, np.array([level]), np.array([t]))[0]) - squares.mean()) < 5 * np.hypot(
        spread, estimates.std() / np.sqrt(estimates.size)
    )


@pytest.mark.parametrize("multiple", [0.5, 1.4, 3.0])
def test_at_zero_entries_the_risk_is_that_of_donoho_and_johnstone(multiple):
    """2t[(1 + a²)Q(a) − a·φ(a)], a = θ/√t; with entries far above the threshold it is t(1 + a²)."""
    t = 0.3
    level = multiple * np.sqrt(t)
    zeros = 2 * t * ((1 + multiple**2) * norm.sf(multiple) - multiple * norm.pdf(multiple))
    assert np.isclose(risk(np.ones(1), np.zeros(1), level, t), zeros)
    assert np.isclose(risk(np.ones(1), np.array([1e12]), level, t), t * (1 + multiple**2), rtol=1e-4)
