"""P2: verdicts follow from the numbers, whatever these are, and the recipes hold what the verdicts ask for."""

import re

import numpy as np
import pytest

from tests.tools.reproduce.made import material, recipes, written
from tools.reproduce import p2_drawings, p2_gradients, p2_speed, p2_steps
from tools.reproduce.p2 import PAPER, judge
from tools.reproduce.verdict import Outcome


def accuracy(gains=(0.01, 0.02, 0.04), early=0.3, fast=(0.0, 0.0, 0.0)):
    """Accuracy by step: gains of the partitions after as many steps as in training; `early` is gained speed.

    `fast` are the gains at ten times the inner rate.
    """

    def by_step(sweep, job, rounds):
        family, nu = job.point.rsplit(", ν = ", 1)
        families = (*p2_steps.PARTITIONS, *p2_steps.FAST_PARTITIONS)
        of_family = dict(zip(families, (*gains, *fast), strict=True)).get(family, 0.0)
        grown = 1 - np.exp(-rounds / (10 * (1 - early * (int(nu) > 1))))
        return [(0.8 + of_family * (step == int(nu) > 1) + 0.002 * job.seed) * grown for step in range(6)]

    return by_step


@pytest.fixture
def made(tmp_path):
    count = iter(range(100))

    def make(by_step=None, quick=True, **changed):
        return material(tmp_path / str(next(count)), PAPER, by_step or accuracy(**changed), quick)

    return make


def test_what_p2_says_is_shown_where_the_numbers_say_so(made):
    verdicts = judge(made())
    assert [verdict.item for verdict in verdicts] == ["B1", "B2", "B3", "B4", "B5"]
    assert all(re.match(r"\[[ATRC](, [ATRC])*\] ", verdict.claim) for verdict in verdicts)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.SHOWN] * 5
    assert "Training with as many steps pays at ν = 2, 3, 5." in verdicts[0].analysis


def test_a_cost_under_class_skew_is_enough_against_b1(made):
    found = p2_steps.b1(made(gains=(0.0, -0.02, 0.05), early=0.0).sweeps["steps"])
    assert found.outcome is Outcome.NOT_SHOWN
    assert "It costs at ν = 2, 3, 5." in found.analysis


def test_models_alike_after_as_many_steps_are_not_said_to_be_alike_after_one(made):
    """Trained with ν > 1 and with one step they are as good after ν steps, and 30 points apart after one."""

    def by_step(sweep, job, rounds):
        several = int(job.point.rsplit("= ", 1)[1]) > 1
        return [0.8 - 0.3 * (step == 1 and several) + 0.002 * job.seed for step in range(6)]

    found = p2_steps.b1(made(by_step).sweeps["steps"])
    assert "No difference after as many steps is resolved at ν = 2, 3, 5. That the gain" in found.analysis
    assert "differ from those trained for one by -30.0 [-30.0, -30.0] at ν = 2" in found.analysis


def test_a_gain_that_does_not_grow_with_heterogeneity_is_enough_against_b1(made):
    found = p2_steps.b1(made(gains=(0.03, 0.03, 0.01), early=0.0).sweeps["steps"])
    assert found.outcome is Outcome.NOT_SHOWN
    assert "shrinks from iid to two classes" in found.analysis


def test_more_rounds_are_enough_against_b2(made):
    found = p2_speed.b2(made(early=-0.5).sweeps["steps"])
    assert found.outcome is Outcome.NOT_SHOWN
    assert "more rounds at ν = 2, 3, 5" in found.analysis


@pytest.mark.parametrize(
    ("fast", "early", "of_b1", "of_b2"),
    [
        ((0.01, 0.02, 0.04), 0.3, "two classes minus iid +3.0 [3.0, 3.0]: there the statement holds", "holds"),
        ((0.04, 0.02, 0.01), -0.5, "two classes minus iid -3.0 [-3.0, -3.0]: there the statement does not", "does not"),
        ((0.01, -0.02, 0.04), 0.0, "-2.0 [-2.0, -2.0] at ν = 5 points under class skew", "does not"),
    ],
)
def test_ten_times_the_rate_is_judged_by_the_same_rule_beside_the_usual_one(made, fast, early, of_b1, of_b2):
    results = made(quick=False, gains=(0.0, 0.0, 0.0), fast=fast, early=early).sweeps["steps"]
    found = p2_steps.b1(results)
    assert found.outcome is Outcome.NOT_SHOWN
    assert of_b1 in found.analysis
    assert f"there the statement {of_b2}" in p2_speed.b2(results).analysis


def test_runs_at_ten_times_the_rate_that_diverged_are_named(tmp_path):
    def record(sweep, job, rounds):
        lost = job.point == "α = .1, two classes, ν = 5" and job.seed < 4 and rounds > 7
        accuracy = [0.1 if lost else 0.9] * 6
        return {"new_agent_accuracy": 0.9, "accuracy_by_step": accuracy, "train_loss": None if lost else 0.2}

    results = written(tmp_path, PAPER, record, quick=False)
    found = p2_steps.b1(results.sweeps["steps"]).analysis
    assert "Training diverged, to a loss that is no number, in 3 of 5 runs of 'α = .1, two classes, ν = 5'." in found
    for draw in (p2_drawings.gains, p2_drawings.rounds):
        drawn = {label.get_text() for label in draw(results).axes[0].get_yticklabels()}
        assert "α = .1, ν = 5" in drawn
        assert "α = .1, two classes, ν = 5" not in drawn


def test_a_gradient_without_its_hessian_fails_b4_and_b3(monkeypatch):
    whole = p2_gradients.learner
    monkeypatch.setattr(p2_gradients, "learner", lambda order: whole("first"))
    assert p2_gradients.b4().outcome is Outcome.NOT_SHOWN
    assert p2_gradients.b3().outcome is Outcome.NOT_SHOWN
    assert p2_gradients.b5().outcome is Outcome.NOT_SHOWN


@pytest.mark.parametrize(
    ("costs", "scatter", "words"),
    [
        ({1: 0.01, 5: 0.04}, 0.0, "grows with ν (ν = 5 minus ν = 1, paired over seeds: +3.0 [3.0, 3.0] points)"),
        ({1: 0.03, 5: 0.0}, 0.0, "shrinks with ν (ν = 5 minus ν = 1, paired over seeds: -3.0 [-3.0, -3.0] points)"),
        ({1: 0.01, 5: 0.02}, 0.02, "is not seen to grow (ν = 5 minus ν = 1, paired over seeds: +1.0 ["),
    ],
)
def test_what_first_order_costs_in_training_is_said_to_grow_only_where_it_does(made, costs, scatter, words):
    """Costs of ν = 1 and 5; of seeds 1 to 5 the cost at ν = 5 scatters about its mean."""

    def by_step(sweep, job, rounds):
        nu = int(job.point.rsplit("= ", 1)[1])
        lost = (costs[nu] + scatter * (job.seed - 3) * (nu == 5)) if "first order" in job.point else 0.0
        return [0.8 - lost + 0.002 * job.seed] * 6

    said = p2_steps.first_order_trained(made(by_step).sweeps["steps"])
    assert f"{100 * costs[1]:+.1f} [" in said[0]
    assert f"this cost {words}" in said[0]
    assert said[0] in p2_gradients.b5(said).analysis


def test_the_figure_by_steps_has_the_same_evaluations_as_b1(made):
    results = made()
    lines = p2_drawings.by_step(results).axes[0].lines
    for line, nu in zip(lines, p2_steps.NUS, strict=True):
        ends = [p2_steps.end(results.sweeps["steps"], p2_steps.USUAL, nu, step).mean() for step in line.get_xdata()]
        assert np.allclose(line.get_ydata(), ends)


@pytest.mark.parametrize("quick", [True, False])
def test_recipes_have_the_settings_and_seeds_that_verdicts_ask_for(quick):
    jobs = recipes(PAPER, quick)["steps"]
    settings = {job.point for job in jobs}
    usual = {p2_steps.point(p2_steps.USUAL, nu) for nu in p2_steps.NUS}
    others = {p2_steps.point(family, nu) for family in (p2_steps.UNIFORM, p2_steps.STRONG) for nu in (1, 5)}
    assert settings >= usual | others
    assert {job.seed for job in jobs} == set(range(1, 6))
    assert all(job.config.evaluation.steps >= max(p2_steps.NUS) for job in jobs)


def test_all_figures_are_drawn(made):
    results = made()
    for drawing in p2_drawings.DRAWINGS:
        assert drawing.draw(results).axes
