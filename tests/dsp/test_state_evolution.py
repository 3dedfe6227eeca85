import numpy as np
import pytest

from dsp.denoise import BernoulliGaussian, GaussianMixture
from dsp.state_evolution import mmse, predict

DENSE = BernoulliGaussian(np.array([1.0]), np.array([2.0]))


def test_a_gaussian_has_the_error_of_the_wiener_filter():
    assert np.isclose(mmse(DENSE, 0.5), 2.0 * 0.5 / 2.5, rtol=1e-6)


def test_the_error_is_the_mean_posterior_variance():
    """Mean of 10⁶ posterior variances, each at most about t + r²/4: five standard errors below 2 %."""
    prior, rng = GaussianMixture(np.array([[0.1], [0.05]]), np.array([[0.5], [6.0]])), np.random.default_rng(0)
    variance = rng.choice([0.0, 0.5, 6.0], 1_000_000, p=[0.85, 0.1, 0.05])
    r = rng.standard_normal(1_000_000) * np.sqrt(variance + 0.2)
    assert np.isclose(mmse(prior, 0.2), prior.posterior(r, np.array([0.2])).variance[0], rtol=0.02)


def test_errors_fall_with_every_iteration_to_a_fixed_point():
    errors = predict(BernoulliGaussian(np.array([0.2]), np.array([1.0])), 0.8, 0.01)
    assert (np.diff(errors) <= 1e-12).all()
    assert errors[-1] < 0.2 * errors[0]
    assert np.isclose(errors[-1], errors[-2], rtol=1e-6)


def test_with_an_orthogonal_operator_one_iteration_is_all():
    errors = predict(BernoulliGaussian(np.array([0.2]), np.array([1.0])), 1.0, 0.1)
    assert np.allclose(errors, errors[0])


@pytest.mark.parametrize(("ratio", "noise_var"), [(0.0, 1.0), (1.1, 1.0), (0.5, 0.0)])
def test_what_cannot_be_is_refused(ratio, noise_var):
    with pytest.raises(ValueError, match=r"ratio|noise_var"):
        predict(DENSE, ratio, noise_var)


@pytest.mark.parametrize("prior", [BernoulliGaussian(1.0, 2.0), GaussianMixture([[0.4], [0.6]], [[2.0], [2.0]])])
def test_a_prior_without_zeros_is_allowed(prior):
    assert np.isclose(mmse(prior, 0.5), 2.0 * 0.5 / 2.5, rtol=1e-6)
