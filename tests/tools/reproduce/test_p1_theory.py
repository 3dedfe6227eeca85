"""What the page of P1 draws of convergence: measured on softmax regression, below templates that could be broken."""

import numpy as np
import pytest
import torch

from fl.theory.convergence import gradient_norm_bound, memory_limit
from tools.reproduce import p1_drawings, p1_theory
from tools.reproduce.logistic import Logistic
from tools.reproduce.p1_theory import Setting, descents
from tools.reproduce.p2_theory import value_and_gradient

FASTEST = Setting("memory", 2, 4), Setting("no memory", 2, 4, memory=False)
"""At 1/(4L_F), the largest rate of the template with a bias: what is left out shows after few rounds."""
ENOUGH = 3000


def late(squares):
    """The means of ‖∇F‖² over the third and the last quarter of the rounds."""
    return squares.reshape(4, -1).mean(1)[2:]


def test_many_descents_side_by_side_take_the_gradients_of_the_objective():
    points = torch.from_numpy(np.random.default_rng(0).standard_normal((3, Logistic.dimension)))
    found = p1_theory.Gradients(3)(points).mean(1)
    assert torch.allclose(found, torch.stack([value_and_gradient(1, point)[1] for point in points]), rtol=1e-12)


@pytest.mark.parametrize("place", range(len(p1_theory.NOISE + p1_theory.BIAS)))
def test_every_descent_stays_below_its_template_and_its_memory_below_the_limit(place):
    found = descents()[place]
    about = found.descent.constants
    assert (found.descent.measured <= found.descent.template).all()
    assert found.memory <= memory_limit(found.setting.delta, found.descent.rate, about.gradient_power)
    assert found.squares.max() <= about.gradient_power


def test_noise_leaves_a_floor_where_without_it_the_gradient_vanishes():
    none, little, much = (late(one.squares) for one in descents()[:3])
    assert none[1] < 0.6 * none[0]
    assert much[1] > 0.6 * much[0]
    assert much[1] > 5 * none[1]
    assert none[1] < little[1] < 2 * none[1]


def test_noise_adds_its_term_to_the_template_and_the_term_stays():
    none, _, much = (one.descent.template for one in descents()[:3])
    used = descents()[2]
    term = 2 * used.descent.constants.smoothness * used.error_power / used.descent.rate
    assert np.allclose(much - none, term)
    assert 0 < term <= much[-1]


def test_what_is_not_kept_leaves_a_floor_and_a_template_without_its_bias_would_be_broken():
    memory, lost = descents(FASTEST, ENOUGH)
    assert late(memory.squares)[1] < 0.7 * late(memory.squares)[0]
    assert late(lost.squares)[1] > 0.8 * late(lost.squares)[0]
    assert (lost.descent.measured <= lost.descent.template).all()
    broken = gradient_norm_bound(lost.descent.constants, ENOUGH, lost.descent.rate, 1.0, 0.0, biased=True)
    assert lost.descent.measured[-1] > broken


def test_a_memory_limit_without_its_share_of_entries_would_be_broken():
    """4(1−δ)η²G²/δ² without the 1/δ²: what is kept for long comes to more than what one round leaves out."""
    found = descents()[len(p1_theory.NOISE)]
    limit = memory_limit(found.delta, found.descent.rate, found.descent.constants.gradient_power)
    assert limit * found.delta**2 < found.memory < limit


def test_the_memory_costs_the_template_less_than_the_bias_and_the_gradient_as_well():
    memory, lost, _ = (one.descent for one in descents()[len(p1_theory.NOISE) :])
    assert memory.template[-1] < lost.template[-1]
    assert memory.measured[-1] < 0.5 * lost.measured[-1]


def test_the_caption_says_which_templates_promise_something():
    promises = [one.descent.template[-1] < one.squares[0] for one in descents()]
    assert promises == [False, False, False, False, False, True]


def test_noise_is_drawn_from_the_seed(monkeypatch):
    settings = p1_theory.NOISE[2:]
    first, again = (descents.__wrapped__(settings, 20)[0].squares for _ in range(2))
    assert np.array_equal(first, again)
    monkeypatch.setattr(p1_theory, "SEED", 2)
    assert not np.allclose(descents.__wrapped__(settings, 20)[0].squares[1:], first[1:])


def test_the_figure_prints_the_constants_of_each_template():
    panels = p1_drawings.convergence(None).axes
    for axis, settings in zip(panels, (p1_theory.NOISE, p1_theory.BIAS), strict=True):
        shown = [one for one in descents() if one.setting in settings]
        labels = [text.get_text() for text in axis.get_legend().get_texts() if "template" in text.get_text()]
        for one, label in zip(shown, labels, strict=True):
            assert label.startswith(f"template [R]: δ = {one.delta:.2g}, ε = {one.error_power:.2g}, G² = ")
            assert label.endswith("biased") == (not one.setting.memory)
        assert f"= {shown[0].descent.rate:.3g}, L_F = {shown[0].descent.constants.smoothness:.3g}" in axis.get_title()
