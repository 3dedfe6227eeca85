"""What noise on the sums does to a layer, and what regularisation does about it."""

import numpy as np
import pytest
import torch

from fl.analytic.solve import Regularisation
from fl.analytic.statistics import Normal, entries, pack, unpack

INPUTS, CLASSES = 120, 4


def problem(seed=0, rows=2000):
    """Features of a few strong directions and a weak rest, and labels of which they know something."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, INPUTS)) @ np.diag(0.9 ** np.arange(INPUTS))
    labels = features @ rng.standard_normal((INPUTS, CLASSES)) + rng.standard_normal((rows, CLASSES))
    return torch.from_numpy(features), torch.from_numpy(labels)


def received(error_var, seed):
    features, labels = problem()
    exact = Normal(features.T @ features / len(features), features.T @ labels / len(features))
    message = pack(exact, entries(INPUTS, CLASSES))
    noise = np.sqrt(error_var) * np.random.default_rng(seed).standard_normal(len(message))
    return exact, unpack(message + torch.from_numpy(noise), INPUTS, CLASSES)


@pytest.mark.parametrize("error_var", [1e-6, 1e-4])
def test_the_noise_scale_bounds_the_eigenvalues_of_noise_alone(error_var):
    """Wigner's edge, 2√(p·v/2): the largest of 20 draws stays within 10 % of it, on either side (p = 120)."""
    rule = Regularisation(ridge=0.0, noise_ridge=2.0)
    worst = 0.0
    for seed in range(20):
        exact, noisy = received(error_var, seed)
        worst = max(worst, float(torch.linalg.eigvalsh(noisy.gram - exact.gram).abs().max()))
    assert worst == pytest.approx(rule.gamma(exact, error_var), rel=0.1)


def test_regularisation_keeps_the_error_bounded_where_plain_inversion_has_none():
    """Excess squared error of the predictions over exact least squares, mean of ten draws at v = 1e-4."""
    features, labels = problem()

    def excess(rule):
        found = []
        for seed in range(10):
            exact, noisy = received(1e-4, seed)
            best = Regularisation(1e-9).invert(exact, 0.0)
            weight = rule.invert(noisy, 1e-4)
            found.append(float((features @ (weight - best)).square().mean() / labels.square().mean()))
        return np.mean(found)

    plain = excess(Regularisation(1e-9, noise_ridge=0.0, clip=False))
    assert excess(Regularisation(1e-9)) < 0.2 < plain


def test_clipping_leaves_no_eigenvalue_below_gamma():
    """(Ĝ₊ + γI)⁻¹ has no eigenvalue above 1/γ: weights are at most ‖B̂‖/γ."""
    _, noisy = received(1e-2, 0)
    rule = Regularisation(0.0, noise_ridge=0.3)
    weight = rule.invert(noisy, 1e-2)
    limit = torch.linalg.matrix_norm(noisy.cross, 2) / rule.gamma(noisy, 1e-2)
    assert torch.linalg.matrix_norm(weight, 2) <= limit * (1 + 1e-12)
    unclipped = Regularisation(0.0, noise_ridge=0.3, clip=False).invert(noisy, 1e-2)
    assert torch.linalg.matrix_norm(unclipped, 2) > limit


def test_without_noise_the_noise_ridge_adds_nothing():
    exact, _ = received(0.0, 0)
    assert torch.equal(Regularisation(1e-6).invert(exact, 0.0), Regularisation(1e-6, 9.0, False).invert(exact, 0.0))
