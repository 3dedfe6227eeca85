import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from dsp.denoise import BernoulliGaussian, GaussianMixture

BERNOULLI = BernoulliGaussian(np.array([0.2]), np.array([1.5]))
MIXTURE = GaussianMixture(np.array([[0.1], [0.05]]), np.array([[0.5], [6.0]]))
COMPONENTS = {
    "bernoulli": (BERNOULLI, [(0.8, 0.0), (0.2, 1.5)]),
    "mixture": (MIXTURE, [(0.85, 0.0), (0.1, 0.5), (0.05, 6.0)]),
}


def draw(components, n, seed=0):
    rng = np.random.default_rng(seed)
    which = rng.choice(len(components), n, p=[weight for weight, _ in components])
    return rng.standard_normal(n) * np.sqrt([components[index][1] for index in which])


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_mean_equals_numerical_integration(name):
    prior, components = COMPONENTS[name]
    t, x = 0.3, np.linspace(-25, 25, 400_001)
    for r in (-4.0, -0.5, 0.0, 0.7, 3.0):
        likelihood = np.exp(-((r - x) ** 2) / (2 * t))
        top = bottom = 0.0
        for weight, variance in components:
            if variance == 0:
                bottom += weight * np.exp(-(r**2) / (2 * t))
                continue
            density = weight * np.exp(-(x**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
            top += trapezoid(x * density * likelihood, x)
            bottom += trapezoid(density * likelihood, x)
        found = prior.posterior(np.array([r]), np.array([t])).mean[0]
        assert np.isclose(found, top / bottom, atol=1e-7)


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_variance_is_the_error_that_is_made(name):
    """Mean of 4·10⁵ squared errors; heavy tails bound their relative spread by 6: five standard errors are 5 %."""
    prior, components = COMPONENTS[name]
    x = draw(components, 400_000)
    r = x + np.sqrt(0.2) * np.random.default_rng(9).standard_normal(x.size)
    found = prior.posterior(r, np.array([0.2]))
    assert np.isclose(((found.mean - x) ** 2).mean(), found.variance[0], rtol=0.05)
    assert np.isclose((x**2).mean(), found.energy[0], rtol=0.05)


def test_em_stays_at_the_truth_and_comes_to_it():
    """ε from 4·10⁵ entries: five standard errors of a proportion .2 are .003; the posterior adds as much again."""
    x = draw(COMPONENTS["bernoulli"][1], 400_000)
    r = x + 0.1 * np.random.default_rng(9).standard_normal(x.size)
    prior = BernoulliGaussian.start(np.array([(x**2).mean()]), 0.8)
    for _ in range(60):
        prior = prior.posterior(r, np.array([0.01])).prior
    assert abs(prior.sparsity[0] - 0.2) < 0.006
    assert abs(prior.variance[0] - 1.5) < 0.05


@pytest.mark.parametrize("prior", [BERNOULLI, MIXTURE], ids=["bernoulli", "mixture"])
def test_single_precision_survives_vanishing_noise(prior):
    parts = {key: value.astype(np.float32) for key, value in vars(prior).items()}
    r = np.array([0.0, 1e-8, 0.5, 100.0], np.float32)
    found = type(prior)(**parts).posterior(r, np.array([1e-12], np.float32))
    assert np.isfinite(found.mean).all()
    assert np.allclose(found.mean[2:], r[2:], rtol=1e-5)
    assert found.mean.dtype == np.float32


def test_a_mixture_of_one_is_bernoulli_gaussian():
    mixture = GaussianMixture(np.array([[0.2]]), np.array([[1.5]]))
    r, t = np.linspace(-5, 5, 101), np.array([0.3])
    one, other = mixture.posterior(r, t), BERNOULLI.posterior(r, t)
    assert np.allclose(one.mean, other.mean)
    assert np.allclose(one.variance, other.variance)
    assert np.allclose(one.prior.weights[0], other.prior.sparsity)


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_small_error_is_not_lost_in_single_precision(name):
    """A variance 70 dB below the energy is the difference of two numbers that single precision cannot tell apart."""
    prior, components = COMPONENTS[name]
    t = np.array([1e-7])
    r = draw(components, 100_000) + np.sqrt(t) * np.random.default_rng(9).standard_normal(100_000)
    exact = prior.posterior(r, t).variance[0]
    parts = {key: value.astype(np.float32) for key, value in vars(prior).items()}
    narrow = type(prior)(**parts).posterior(r.astype(np.float32), t.astype(np.float32)).variance[0]
    assert np.isclose(narrow, exact, rtol=0.05, atol=0)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("prior", [BernoulliGaussian(0.2, 1.5), GaussianMixture([[0.2]], [[1.5]])])
def test_parameters_may_be_plain_numbers_and_do_not_change_the_precision(convert, prior):
    r, t = convert(np.linspace(-5, 5, 101).astype(np.float32)), convert(np.array([0.3], np.float32))
    mean = prior.posterior(r, t).mean
    assert mean.dtype == r.dtype
    assert np.allclose(mean, BERNOULLI.posterior(np.linspace(-5, 5, 101), np.array([0.3])).mean, atol=1e-5)
