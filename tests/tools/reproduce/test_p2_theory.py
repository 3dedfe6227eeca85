"""What the page of P2 draws of theory: measured on softmax regression, and not above its limits."""

import numpy as np
import pytest
import torch

from tools.reproduce import p2_drawings, p2_theory
from tools.reproduce.logistic import Logistic


@pytest.mark.parametrize("nu", p2_theory.DESCENDED)
def test_the_gradient_is_that_of_the_objective(nu):
    """∇F·v is the slope of F along v, by central differences of error O(h²)."""
    rng = np.random.default_rng(nu)
    theta, along = (torch.from_numpy(rng.standard_normal(Logistic.dimension)) for _ in range(2))
    h = 1e-5
    ahead, behind = (p2_theory.value_and_gradient(nu, theta + side * h * along)[0] for side in (1, -1))
    assert float(p2_theory.value_and_gradient(nu, theta)[1] @ along) == pytest.approx((ahead - behind) / (2 * h), 1e-6)


@pytest.mark.parametrize("nu", p2_theory.DESCENDED)
def test_descent_stays_below_its_template_and_the_gradient_below_its_limit(nu):
    found = p2_theory.descent(nu)
    assert (found.measured <= found.template).all()
    assert found.measured[0] <= found.constants.gradient_power
    assert found.measured[-1] < found.measured[0]


def test_a_template_of_too_small_a_constant_would_be_broken(monkeypatch):
    """With a fiftieth of L_F steps are too long, and the mean square is above its limit."""
    monkeypatch.setattr(p2_theory, "smoothness_bound", lambda nu: 0.02)
    found = p2_theory.descent.__wrapped__(2)
    assert (found.measured > found.template).any()


def test_slopes_are_below_their_bound_which_grows_with_every_inner_step():
    found = p2_theory.smoothness()
    assert list(found) == [0, 1, 2, 3, 4, 5]
    slopes, bounds = np.array(list(found.values())).T
    assert (slopes <= bounds).all()
    assert (slopes > 0.1 * bounds[0]).all()  # of the loss itself: something was found
    assert (np.diff(bounds) > 0).all()


def test_the_figures_print_the_constants_that_were_used():
    found, figure = p2_theory.descent(5), p2_drawings.convergence(None)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    printed = next(label for label in labels if label.startswith("template [R], ν = 5"))
    for value in (f"L_F = {found.constants.smoothness:.3g}", f"η = {found.rate:.2g}"):
        assert value in printed
    drawn = {line.get_label(): line.get_ydata() for line in p2_drawings.smoothness(None).axes[0].lines}
    assert np.allclose(drawn["L_F(ν), bound [R]"], [limit for _, limit in p2_theory.smoothness().values()])
