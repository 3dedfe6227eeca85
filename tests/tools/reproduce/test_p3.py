"""P3: verdicts follow from the numbers, whatever these are, and the recipes hold what the verdicts ask for."""

from itertools import product

import numpy as np
import pytest

from tests.tools.reproduce.made import material, recipes
from tools.reproduce.p3 import PAPER, judge
from tools.reproduce.p3_drawings import switch_of
from tools.reproduce.p3_numbers import (
    AGENTS,
    PASSES,
    Curves,
    against_central,
    cell,
    common_target,
    over_matched,
    personalised_at,
    spread_difference,
)
from tools.reproduce.p3_table import c1, c2, c3, c4
from tools.reproduce.p3_training import CONTROL, STAGED, c5, c6, c7
from tools.reproduce.verdict import CHANGED, Outcome

ROUNDS = np.array([10, 20, 30, 40])
EVERY, DENSE = 10, 0
SEEDS = 5
DEVIATIONS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None] / 100


def curve(start, end, spread=1.0):
    """Accuracy that rises in a straight line, with deviations of seeds that stay."""
    return np.linspace(start, end, len(ROUNDS)) + spread * DEVIATIONS


def made(initial=0.8, gain=0.05, spread=0.5):
    return Curves(ROUNDS, curve(0.5, initial), curve(0.5 + gain, initial + gain, spread))


def table(initial=lambda agents, passes: 0.8, **others):
    return {(agents, passes): made(initial(agents, passes), **others) for agents, passes in product(AGENTS, PASSES)}


def peaked(agents, passes):
    return 0.7 + 0.05 * (agents == 20) + {2: 0.0, 5: 0.04, 10: 0.03, 20: 0.01}[passes]


def test_what_p3_says_is_shown_where_the_numbers_say_so():
    cells = table(peaked)
    verdicts = c1(cells, {"text": made()}), c2(cells), c3(cells), c4(cells), c5(cells, EVERY, DENSE)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.SHOWN] * 5
    assert [verdict.item for verdict in verdicts] == ["C1", "C2", "C3", "C4", "C5"]


def test_one_setting_without_a_gain_is_named_and_enough_against_c1():
    cells = table() | {(5, 10): made(gain=0.0)}
    found = c1(cells, {"text": made()})
    assert found.outcome is Outcome.NOT_SHOWN
    assert "Not so in: 5 agents, E = 10." in found.analysis
    assert "Not so in: text." in c1(table(), {"text": made(gain=-0.02)}).analysis


def test_a_gain_that_is_lost_in_the_course_of_training_can_be_seen_in_c1():
    initial = curve(0.5, 0.8)
    lost = Curves(ROUNDS, initial, initial + np.array([0.03, 0.02, 0.01, 0.0]))
    said = c1(table(), {"text": lost}).analysis
    assert "text gains, in points, +3.0 [3.0, 3.0] after 10 rounds, +2.0 [2.0, 2.0] after 20 rounds" in said
    assert said.endswith("+0.0 [0.0, 0.0] after 40 rounds.")


@pytest.mark.parametrize("spread", [0.5, 1.0, 2.0])
def test_the_spread_over_runs_has_to_be_smaller(spread):
    cells = table(spread=spread)
    difference, own, initial = spread_difference(list(cells.values()), 2)
    assert initial == pytest.approx(np.abs(DEVIATIONS).mean())
    assert own == pytest.approx(spread * initial)
    assert difference.value == pytest.approx(own - initial)
    assert c2(cells).outcome is (Outcome.SHOWN if spread < 1 else Outcome.NOT_SHOWN)


def test_spreads_that_differ_by_chance_alone_are_rarely_found_to_differ():
    """Of 400 draws 5 % are outside an honest interval; five standard errors are allowed."""
    rng, outside = np.random.default_rng(0), 0
    for _ in range(400):
        cells = [Curves(ROUNDS[:1], rng.normal(size=(SEEDS, 1)), rng.normal(size=(SEEDS, 1))) for _ in range(8)]
        difference, _, _ = spread_difference(cells, 0)
        outside += not difference.low < 0 < difference.high
    assert outside < 400 * (0.05 + 5 * np.sqrt(0.05 * 0.95 / 400))


def test_a_peak_at_the_smallest_or_largest_e_is_no_peak_and_a_flat_one_neither():
    for rising in (lambda agents, passes: 0.7 + passes / 200, lambda agents, passes: 0.8 - passes / 200):
        assert c3(table(rising)).outcome is Outcome.NOT_SHOWN
    assert c3(table()).outcome is Outcome.NOT_SHOWN
    assert "E = 20 (+9.0" in c3(table(lambda agents, passes: 0.7 + passes / 200)).numbers


def test_rules_that_changed_after_figures_say_so():
    cells = table()
    for verdict in (c2(cells), c7(cells, central(), made())):
        assert CHANGED in verdict.reading
    assert CHANGED not in c1(cells, {}).reading


def test_more_agents_that_are_no_better_are_not_shown_to_be():
    assert c4(table()).outcome is Outcome.NOT_SHOWN


def test_every_run_reaches_the_common_target_and_one_does_not_reach_a_percent_more():
    cells = table(peaked).values()
    target = common_target(cells)
    least = min(one.initial.max(1).min() for one in cells)
    assert least - 0.01 - 1e-9 < target <= least


def test_without_a_gain_personalised_models_need_as_many_rounds():
    found = c5(table(gain=0.0, spread=1.0), EVERY, DENSE)
    assert found.outcome is Outcome.NOT_SHOWN
    assert "1.00 [1.00, 1.00] times the rounds" in found.numbers


def test_coarse_evaluations_are_beside_c5_and_do_not_decide_it():
    """Initial accuracy is at .8 after 20 rounds of 40, personalised accuracy after 2, which only dense rounds show."""
    rounds = np.array([1, 2, 3, 4, 5, 10, 20, 30, 40])
    own = np.array([0.5, 0.8, 0.85, 0.85, 0.85, 0.85, 0.9, 0.9, 0.9]) + DEVIATIONS / 100
    initial = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.8, 0.8]) + np.zeros_like(DEVIATIONS)
    cells = {(agents, passes): Curves(rounds, initial, own) for agents, passes in product(AGENTS, PASSES)}
    found = c5(cells, 10, 5)
    assert found.outcome is Outcome.SHOWN
    assert "to 80%: 0.10 [" in found.numbers
    coarsely = np.log(10 * 0.8 / (0.85 + DEVIATIONS / 100) / 20).mean()
    assert f"it is {np.exp(coarsely):.2f} [" in found.analysis


def stages(end, own):
    """FedAvg to .8 after 20 rounds, and what comes of it after 40."""
    rows = np.array([0.7, 0.8, (0.8 + end) / 2, end]), np.array([0.8, 0.85, (0.85 + own) / 2, own])
    return Curves(ROUNDS, *(row + DEVIATIONS for row in rows))


@pytest.mark.parametrize(
    ("staged", "control", "outcome"),
    [
        ((0.9, 0.9), (0.8, 0.85), Outcome.SHOWN),
        ((0.9, 0.9), (0.9, 0.9), Outcome.NOT_SHOWN),  # as FedAvg does, too
        ((0.8, 0.85), (0.8, 0.85), Outcome.NOT_SHOWN),
        ((0.9, 0.8), (0.8, 0.85), Outcome.NOT_SHOWN),
    ],
)
def test_the_reptile_stage_has_to_do_more_than_further_rounds_and_cost_nothing(staged, control, outcome):
    found = c6(stages(*staged), stages(*control), 20)
    assert found.outcome is outcome
    assert ("a part of the rise is mere training" in found.analysis) == (control[0] > 0.8)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((0.02, 0.02), "moves by 2.0 points, less than that of FedAvg in these rounds (5.0; difference -3.0"),
        ((0.09, 0.09), "moves by 9.0 points, more than that of FedAvg in these rounds (5.0; difference +4.0"),
        ((0.05, 0.05), "moves by 5.0 points, not told apart from that of FedAvg in these rounds (5.0; difference +0.0"),
    ],
)
def test_the_stage_is_called_calmer_than_fedavg_only_where_it_is(steps, words):
    """From .8 after 20 rounds, up by the first step and down by the second; seeds move alike, FedAvg by .05."""

    def moved(up, down):
        rows = np.array([0.7, 0.8, 0.8 + up, 0.8 + up - down])
        return Curves(ROUNDS, rows + DEVIATIONS, rows + DEVIATIONS)

    found = c6(moved(*steps), moved(0.05, 0.05), 20).analysis
    assert words in found
    assert "which of the two does what, if any, is not tested here" in found


def test_what_c1_and_c2_say_of_runs_is_counted():
    """Gains of .05 in each cell but one, which has .02; three seeds."""
    found = c1(table() | {(5, 10): made(gain=0.02)}, {"text": made(gain=0.3)}).analysis
    assert "gain 2.0 to 5.0 points by cell" in found
    few = {key: Curves(one.rounds, one.initial[:3], one.personalised[:3]) for key, one in table().items()}
    assert "At a single evaluation 3 runs say little" in c2(few).analysis


def central(offset=0.02):
    """Initial accuracy from .5 to .9, a wobble in it, and personalised accuracy on a line above it."""
    initial = np.array([0.5, 0.6, 0.72, 0.69, 0.8, 0.9]) + DEVIATIONS
    return Curves(np.arange(1, 7), initial, initial + offset)


def test_central_training_is_read_where_its_initial_accuracy_is_the_same():
    for level in (0.55, 0.7, 0.85):
        assert personalised_at(central(), 2, level) == pytest.approx(level + 0.02)


def test_a_level_that_central_training_never_had_is_compared_with_nothing():
    for level in (0.49, 0.91):
        assert np.isnan(personalised_at(central(), 2, level))


def test_an_evaluation_that_is_high_by_chance_does_not_move_the_comparison_by_as_much():
    """One evaluation of seven has .03 more initial accuracy than personalised accuracy knows of."""
    honest = np.linspace(0.78, 0.84, 7)
    lucky = honest + np.array([0, 0, 0.03, 0, 0, 0, 0])
    found = personalised_at(Curves(np.arange(7), lucky[None], honest[None] + 0.02), 0, 0.82)
    assert abs(found - 0.84) < 0.01


def test_a_gain_over_central_training_is_the_difference_at_equal_initial_accuracy():
    cells = table(gain=0.05, spread=1.0)
    assert against_central(cells.values(), central(0.02)) == pytest.approx(np.full((8, SEEDS), 0.03))
    assert c7(cells, central(0.02), made()).outcome is Outcome.SHOWN
    assert c7(cells, central(0.06), made()).outcome is Outcome.NOT_SHOWN
    calm = c7(cells, central(0.02), made(gain=0.02, spread=1.0))
    assert "20 agents a round +3.0" in calm.analysis
    assert "after the Reptile stage +0.0" in calm.analysis or "after the Reptile stage -0.0" in calm.analysis
    assert "All 40 runs ended within" in calm.analysis


def test_runs_beyond_central_training_are_left_out_and_counted():
    """Cells of 20 agents end above all that central training had, those of 5 agents .03 above it at equal initial."""
    cells = table(lambda agents, passes: 0.95 if agents == 20 else 0.8, gain=0.05, spread=1.0)
    differences = against_central(cells.values(), central(0.02))
    assert np.isnan(differences[4:]).all()
    assert over_matched(differences).value == pytest.approx(0.03)
    found = c7(cells, central(0.02), made())
    assert found.outcome is Outcome.SHOWN
    assert (
        "20 of 40 runs ended with an initial accuracy that central training of their seed never had" in found.analysis
    )
    assert "20 runs of 5 seeds are compared" in found.analysis
    assert "20 agents a round not to be compared" in found.analysis


def test_where_nothing_can_be_compared_nothing_is_said_to_be_shown_or_not():
    found = c7(table(lambda agents, passes: 0.95), central(), made())
    assert found.outcome is Outcome.NOT_TESTABLE
    assert "nothing to compare" in found.numbers
    assert over_matched(np.array([[0.1, np.nan], [0.3, np.nan]])) is None  # a single seed has no interval


@pytest.mark.parametrize("quick", [True, False])
def test_recipes_have_five_seeds_of_every_setting_and_differ_in_nothing_else(quick):
    jobs = recipes(PAPER, quick)
    assert {job.point for job in jobs["table"]} == {cell(*one) for one in product(AGENTS, PASSES)}
    for name, planned in jobs.items():
        for point in {job.point for job in planned}:
            assert [job.seed for job in planned if job.point == point] == [1, 2, 3, 4, 5], name
    for job in jobs["table"]:
        agents, passes = job.config.agents.per_round, job.config.algorithm.local_epochs
        assert job.point == cell(agents, passes)
    common = {
        (job.config.task, job.config.agents.count, job.config.evaluation.tasks, job.config.algorithm.local_lr,
         job.config.algorithm.batch_size, job.config.evaluation.steps)
        for name in ("table", "stages", "central") for job in jobs[name]
    }  # fmt: skip
    assert len(common) == 1
    staged = next(job.config for job in jobs["stages"] if job.point == STAGED)
    control = next(job.config for job in jobs["stages"] if job.point == CONTROL)
    assert staged.rounds == control.rounds
    assert staged.algorithm.reptile_from % staged.evaluation.every == 0


def test_histories_become_seven_verdicts_and_all_figures(tmp_path):
    def accuracy(sweep, job, rounds):
        initial = 0.9 - 0.3 / np.sqrt(rounds) + 0.01 * np.sin(job.seed + rounds)
        return initial + np.array([0.0, 0.01, 0.02])

    found = material(tmp_path, PAPER, accuracy)
    assert [verdict.item for verdict in judge(found)] == [f"C{number}" for number in range(1, 8)]
    assert switch_of(found) == 40
    drawn = {drawing.name: drawing.draw(found) for drawing in PAPER.drawings}
    assert len(drawn) == len(PAPER.drawings)
    assert len(drawn["rounds"].axes[0].lines) == 2 * len(PASSES)
    assert len(drawn["central"].axes[0].lines) == SEEDS + len(AGENTS)
