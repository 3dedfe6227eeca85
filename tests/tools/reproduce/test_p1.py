"""P1: verdicts follow from the numbers, whatever these are, and the recipes hold what the verdicts ask for."""

import re
from zlib import crc32

import numpy as np
import pytest
import torch

from fl.fading import BlockFading
from fl.theory.floors import phase_only_floor
from fl.theory.tasks import training_tasks
from tests.tools.reproduce.made import recipes, written
from tools.bench.oamp import SNRS_DB, TABLE
from tools.reproduce import p1_bound, p1_drawings, p1_gap, p1_heard, p1_link, p1_power, p1_receiver, p1_setting
from tools.reproduce.p1 import PAPER, judge
from tools.reproduce.p1_receiver import Cell
from tools.reproduce.verdict import CHANGED, Mean, Outcome
from tools.sweep.results import Results

SHORT = ["rounds=10", "evaluation.every=5"]
LOSSES = {
    "10 dB": 1.2,
    "19 dB": 1.0,
    "30 dB": 0.9,
    "M/d = .2": 1.1,
    "M/d = .8": 0.9,
    "no memory": 1.5,
    "no noise": 0.95,
}
ACCURACIES = {"FedAvg": 0.6, "ideal": 0.805, "LMMSE": 0.75}
GAPS = {"ideal": 0.5, "30 dB": 0.5, "10 dB": 0.3}
FITS = {"10 dB": 1.05}
"""Loss on training images."""


SCATTER = 0.002


def deviation(sweep, job):
    """What a setting's seed has of its own: −1 to 1, of mean 0 over the seeds, in an order of the setting's own."""
    seeds = 10 if sweep == "gap" else 5
    order = np.random.default_rng(crc32(job.point.encode())).permutation(seeds)
    return 2 * order[job.seed - 1] / (seeds - 1) - 1


def record(losses=LOSSES, accuracies=ACCURACIES, gaps=GAPS, fits=FITS, weakest=1.0, scatter=SCATTER):
    """A round of a run in which means over seeds are as in the tables; seeds share one deviation and have another."""

    def keys(sweep, job, rounds):
        point, shared, own = job.point, 0.01 * job.seed, scatter * deviation(sweep, job)
        found = {
            "outcome": "ok", "train_loss": losses.get(point, 1.0) + shared + own, "agents_scheduled": [0, 1],
            "agents_heard": [0] if point == "10 dB" and rounds <= 4 else [0, 1],
            "oracle_nmse_db": -20.0, "receive_snr_db": 20.0, "channel_uses": 700,
            "transmit_power": {0: 0.5, 1: weakest},
        }  # fmt: skip
        if rounds % job.config.evaluation.every and rounds != job.config.rounds:
            return found
        last = accuracies.get(point, 0.8) + shared + own
        early = 0.05 * (rounds < job.config.rounds)
        gap = gaps.get(point, 0.5) + 0.02 * (job.seed % 3) + early + own if sweep == "gap" else 0.1
        fit = fits.get(point, 1.0)
        return found | {
            "new_agent_accuracy": last, "accuracy_by_step": [0.2, last - 0.1, last],
            "new_agent_loss": fit + gap, "train_agent_loss": fit,
        }  # fmt: skip

    return keys


@pytest.fixture(scope="module")
def floor():
    return p1_power.measured_floor(40)


@pytest.fixture
def made(tmp_path, monkeypatch, floor):
    monkeypatch.setattr(p1_power, "measured_floor", lambda: floor)
    count = iter(range(100))
    return lambda **changed: written(tmp_path / str(next(count)), PAPER, record(**changed), SHORT)


@pytest.fixture
def cells(monkeypatch):
    """A table in which OAMP is as in the reference, give or take."""
    spread = np.linspace(-0.05, 0.05, 5)

    def table(worse=0.0):
        return tuple(
            Cell(
                row,
                snr,
                row.oamp[place] + spread + worse,
                row.lmmse[place] - spread,
                (row.oamp[place], row.lmmse[place]),
            )
            for row in TABLE
            for place, snr in enumerate(SNRS_DB)
        )

    monkeypatch.setattr(p1_receiver, "table", table)
    return table


def test_what_p1_says_is_shown_where_the_numbers_say_so(made, cells):
    verdicts = judge(made())
    assert [verdict.item for verdict in verdicts] == ["A1", "A2", "A3", "A4", "A5", "A6"]
    assert all(re.match(r"\[[ATRC](, [ATRC])*\] ", verdict.claim) for verdict in verdicts)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.SHOWN] * 6


def test_a_loss_that_rises_with_snr_is_enough_against_a1(made):
    found = p1_link.a1(made(losses=LOSSES | {"30 dB": 1.3}).sweeps["link"])
    assert found.outcome is Outcome.NOT_SHOWN
    assert "Over the whole SNR ladder the training loss rises" in found.analysis


def test_three_points_less_than_ideal_are_enough_against_a1(made):
    found = p1_link.a1(made(accuracies=ACCURACIES | {"ideal": 0.83}).sweeps["link"])
    assert found.outcome is Outcome.NOT_SHOWN
    assert "At 19 dB new agents lose more than two points" in found.analysis


def test_noise_that_costs_more_than_the_memory_is_worth_is_enough_against_a3(made):
    results = made(losses=LOSSES | {"no memory": 1.1, "no noise": 0.5}).sweeps["link"]
    assert p1_link.a3(results).outcome is Outcome.NOT_SHOWN


def test_fedavg_that_is_better_is_enough_against_a5(made):
    assert p1_link.a5(made(accuracies={"FedAvg": 0.9}).sweeps["link"]).outcome is Outcome.NOT_SHOWN


def test_what_a_round_costs_either_is_read_from_the_recipe(made):
    said = p1_link.a5(made().sweeps["link"]).analysis
    assert "FedAvg takes 4 steps of SGD on 25 images each" in said
    assert "a gradient of 15 images, one of 15, and a product with the Hessian of 15" in said


@pytest.mark.parametrize(
    ("accuracy", "words"), [(0.9, "ahead"), (0.7, "behind"), (0.8, "not told apart")], ids=["ahead", "behind", "alike"]
)
def test_fedavg_of_as_many_images_is_said_to_be_where_its_interval_has_it(made, accuracy, words):
    """Meta-learning has 80 %; seeds of a setting differ by .2 points of their own."""
    results = made(accuracies=ACCURACIES | {p1_link.EQUAL: accuracy}).sweeps["link"]
    difference = p1_link.accuracy_change(results, p1_link.USUAL, p1_link.EQUAL)
    found = p1_link.a5(results).analysis
    assert f"With 3 steps on 15 images FedAvg is {words}: meta-pFL's difference to it is " in found
    assert f"{difference.points(sign=True)} points." in found


@pytest.mark.parametrize(
    ("changes", "theirs", "ours", "words"),
    [
        ([], 45, 45, "equal in images, not in computing"),
        (["task.shots=1", "task.queries=2"], 45, 5 + 5 + 10, "equal neither in images nor computing"),
    ],
)
def test_images_of_a_round_are_counted_from_the_recipe(tmp_path, changes, theirs, ours, words):
    """A support set is taken twice, by its gradient and by the product with its Hessian; a query set once."""
    results = written(tmp_path, PAPER, record(), [*SHORT, *changes]).sweeps["link"]
    found = p1_link.a5(results).analysis
    assert f"It takes {theirs} images a round, meta-learning {ours}, where a product with the Hessian" in found
    assert f"the two are {words}. FedAvg's rate, 0.4, was not tuned for it." in found


def test_a1_and_a2_say_what_was_run_as_the_recipe_has_it(made, tmp_path):
    """The short form has narrower models for A2, and fewer rounds, which `SHORT` sets here."""
    sweeps = made().sweeps
    assert p1_link.a1(sweeps["link"]).numbers.startswith(
        "Of 10 agents, 3 shots, 8 filters a layer, α = 0.4, 10 rounds, 5 seeds. "
    )
    short = p1_gap.a2(sweeps["gap"])
    assert short.numbers.startswith("Of 4 agents, 5 shots, 8 filters a layer, α = 0.4, 10 rounds, 10 seeds. ")
    assert "It is 4 agents, 5 shots, 8 filters a layer, α = 0.4, 10 rounds, 10 seeds. Pilots" in short.changed
    full = recipes(PAPER, quick=False)["gap"]
    assert p1_setting.runs_read(Results(tmp_path, full)) == (
        "4 agents, 5 shots, 16 filters a layer, α = 0.4, 200 rounds, 16 seeds"
    )
    assert {job.config.task.classes_per_agent for job in full} == {5}


def test_how_far_training_had_come_is_said_beside_a2(made):
    results = made().sweeps["gap"]
    noisy, ideal = (p1_link.late_loss(results, point).mean() for point in ("10 dB", "ideal"))
    said = f"Here T is 10 rounds, in whose last fifth the training loss is {noisy:.2f} nats at 10 dB and {ideal:.2f}"
    assert said in p1_gap.a2(results).analysis


@pytest.mark.parametrize(
    "gaps", [{"10 dB": 0.7}, {"ideal": 0.2, "30 dB": 0.5, "10 dB": 0.3}, {}], ids=["larger", "ideal smaller", "same"]
)
def test_a_gap_that_is_not_below_both_others_is_enough_against_a2(made, gaps):
    assert p1_gap.a2(made(gaps=gaps).sweeps["gap"]).outcome is Outcome.NOT_SHOWN


def test_one_rule_of_power_is_enough_for_a2(made):
    found = p1_gap.a2(made(gaps={"phase only, 10 dB": 0.3}).sweeps["gap"])
    assert found.outcome is Outcome.SHOWN
    assert "With inversion the gap at 10 dB is not told apart" in found.analysis
    assert "With phase_only the gap at 10 dB is smaller than at 30 dB and smaller than" in found.analysis


def test_the_gap_counts_over_the_second_half_of_a_run(made):
    """Of evaluations after 5 and 10 rounds, the second alone."""
    results = made().sweeps["gap"]
    rounds, every = p1_gap.gaps(results, "ideal")
    assert rounds.tolist() == [5, 10]
    assert np.allclose(p1_gap.late_gap(results, "ideal"), every[:, 1])


def test_the_bound_grows_as_the_root_of_information(made):
    """700 uses a round at 20 dB and two doubles by wire; four tasks, or fewer where agents drew the same character."""
    results = made().sweeps["gap"]
    nats = np.arange(1, 11) * (700 * np.log(101) + 2 * 64 * np.log(2))
    expected = np.log(5) / 2 * np.sqrt(2 * nats / 4)
    limits = p1_bound.bound(results, "10 dB")
    tasks = [training_tasks(job.config) for job in results.of("10 dB")]
    assert max(tasks) == 4
    assert all(np.allclose(row, expected * np.sqrt(4 / n)) for row, n in zip(limits, tasks, strict=True))
    assert f"for {min(tasks)} to 4 independent tasks" in p1_bound.bound_read(results, "10 dB")


def test_oamp_that_loses_where_it_should_win_is_enough_against_a4(made, cells, monkeypatch):
    monkeypatch.setattr(p1_receiver, "table", lambda: cells(worse=40.0))
    assert p1_receiver.a4(made().sweeps["link"]).outcome is Outcome.NOT_SHOWN


def test_receivers_that_differ_where_the_reference_has_them_alike_are_said_to(made, cells, monkeypatch):
    """LMMSE of the fixture is the reference's, which has 1 − 2M/d at 30 dB to within .1 dB."""
    results = made().sweeps["link"]
    alike = p1_receiver.a4(results).analysis
    assert "In the 4 cells that the reference has alike the prior of OAMP gains nothing" in alike
    assert "at 30 dB its median is within 0.1 dB of that." in alike
    monkeypatch.setattr(p1_receiver, "table", lambda: cells(worse=3.0))
    found = p1_receiver.a4(results).analysis
    assert "unlike the reference, they differ: OAMP is better by -3.0" in found


def test_what_is_within_its_interval_is_not_shown(made, cells):
    """The same means as where all is shown, with seeds that scatter more than settings differ."""
    sweeps = made(scatter=0.5).sweeps
    assert p1_gap.a2(sweeps["gap"]).outcome is Outcome.NOT_SHOWN
    for judged in (p1_link.a1, p1_link.a3, p1_link.a5):
        assert judged(sweeps["link"]).outcome is Outcome.NOT_SHOWN, judged


def test_a_loss_that_rises_within_its_interval_is_not_held_against_a1(made):
    results = made(losses=LOSSES | {"30 dB": 1.002}, scatter=0.006).sweeps["link"]
    step = p1_link.loss_change(results, "30 dB", "19 dB")
    assert step.value > 0 > step.low
    assert p1_link.a1(results).outcome is Outcome.SHOWN


def test_each_of_two_rules_is_held_at_97_5_percent(made):
    """A gap that is smaller by 1.1 half widths of 95 %, of 97.5 % (t .9875 over t .975, 9 degrees: 1.19) is not."""

    def half(results, other):
        change = p1_gap.gap_change(results, "10 dB", other)
        return (change.high - change.low) / 2

    alike = made(gaps={}).sweeps["gap"]
    others = ("30 dB", "ideal")
    for factor, outcome in ((1.1, Outcome.NOT_SHOWN), (1.3, Outcome.SHOWN)):
        results = made(gaps={other: 0.5 + factor * half(alike, other) for other in others}).sweeps["gap"]
        assert all(p1_gap.gap_change(results, "10 dB", other).high < 0 for other in others)
        assert p1_gap.a2(results).outcome is outcome


def test_what_compression_does_and_what_noise_does_are_told_apart(made):
    """Compression takes .1 off the gap of ideal links, noise of 10 dB another .2, of 30 dB nothing."""
    gaps = {"ideal": 0.5, "no noise": 0.4, "30 dB": 0.4, "10 dB": 0.2}
    results = made(gaps=gaps).sweeps["gap"]
    found = {name: p1_gap.gap_change(results, *pair).value for name, pair in p1_gap.parts(results).items()}
    assert found == pytest.approx({"compression alone": -0.1, "noise of 30 dB": 0.0, "noise of 10 dB": -0.2})
    verdict = p1_gap.a2(results)
    assert "compression alone -0.100" in verdict.numbers
    for words in (
        "compression alone makes the gap smaller",
        "noise of 30 dB makes no difference",
        "noise of 10 dB makes the gap smaller",
    ):
        assert words in verdict.analysis


def test_the_losses_of_which_a_gap_is_made_stand_beside_that_of_guessing(made):
    """A gap of .5 in five ways; what seeds and rounds add, they add to both losses."""
    results = made().sweeps["gap"]
    new, training = (p1_gap.late(results, "ideal", key).mean() for key in p1_gap.LOSSES)
    found = p1_gap.a2(results).numbers
    assert f"Loss on new agents and training images, means: ideal {new:.2f} and {training:.2f}," in found
    assert found.endswith("guessing has 1.61.")


def test_agents_that_sit_out_at_10_db_are_said_to(made):
    """One of two agents in four of ten rounds: two of ten, where noise is not all that differs from 30 dB."""
    results = made().sweeps["gap"]
    assert p1_heard.sat_out(results, "10 dB") == pytest.approx(0.2)
    found = p1_gap.a2(results).analysis
    assert "of the agents of a round 20.0 % sit out at 10 dB, 0.0 % at 30 dB" in found.split("With phase_only")[0]
    assert "(0.0 % at 30 dB, 20.0 % at 10 dB)" in found.split("Apart,")[1]


def test_who_sits_out_along_the_snr_ladder_is_said_beside_a1(made):
    """One of two agents in four of ten rounds at 10 dB; where as many sit out at each SNR, only noise differs."""
    results = made().sweeps["link"]
    found = p1_link.a1(results).analysis
    assert "Of the agents of a round 20.0 % at 10 dB, 0.0 % at 19 dB, 0.0 % at 30 dB sit out" in found
    assert "the SNR ladder is one of who is heard as well as of noise." in found
    assert p1_heard.ladder_read(results, ("19 dB", "30 dB")).endswith("the SNR ladder is one of noise alone.")


def test_shares_that_differ_by_less_than_is_printed_are_not_the_same(monkeypatch):
    shares = {"19 dB": 0.02501, "30 dB": 0.02502}
    monkeypatch.setattr(p1_heard, "sat_out", lambda results, point: shares[point])
    said = p1_heard.ladder_read(None, ("19 dB", "30 dB"))
    assert "2.5 % at 19 dB, 2.5 % at 30 dB" in said
    assert said.endswith("who is heard as well as of noise.")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Mean(0.2, 0.1, 0.3), "rises beyond its interval"),
        (Mean(-0.2, -0.3, -0.1), "falls beyond its interval"),
        (Mean(-0.2, -0.5, 0.1), "changes by no more than is resolved"),
    ],
)
@pytest.mark.parametrize("name", ["new agents", "training images"])
def test_each_loss_is_said_to_do_what_its_interval_says(name, change, words):
    said = p1_gap.cause(name, change)
    assert said.startswith(f"the loss on {name} {words}")
    assert change.text() in said


def test_a_training_loss_that_falls_with_noise_is_not_called_unresolved(made):
    fits = {"phase only, 10 dB": 0.9}
    found = p1_gap.a2(made(gaps={"phase only, 10 dB": 0.6}, fits=fits).sweeps["gap"]).analysis
    said = found.split("With phase_only")[1].split("Apart,")[0]
    assert "the loss on training images falls beyond its interval (-0.100" in said
    assert "the loss on new agents changes by no more than is resolved" in said


def test_rules_that_changed_after_figures_say_so(made, cells):
    changed = {verdict.item for verdict in judge(made()) if CHANGED in verdict.reading}
    assert changed == {"A2", "A4", "A6"}


@pytest.mark.parametrize("power", [0.9, 1.1])
def test_a_strongest_agent_off_p_is_enough_against_a6(made, power):
    sweeps = made(weakest=power).sweeps
    found = p1_power.a6(sweeps["link"], sweeps["power"])
    assert found.outcome is Outcome.NOT_SHOWN
    assert "Off the limit: inversion, phase only, inversion, waveform" in found.analysis


def test_the_ideal_limit_is_exact_and_compression_is_not():
    exact = p1_power.deviations()
    assert exact[torch.float64] < 1e-10 < exact[torch.float32] < 1e-5


def test_the_measured_floor_of_phase_only_is_that_of_theory(floor):
    assert floor.low < phase_only_floor(BlockFading("rayleigh")) < floor.high


@pytest.mark.parametrize("quick", [True, False])
def test_recipes_have_the_settings_and_seeds_that_verdicts_ask_for(quick):
    planned = recipes(PAPER, quick)
    settings = {name: {job.point for job in jobs} for name, jobs in planned.items()}
    wanted = {*p1_link.SNR, *p1_link.USES, *p1_drawings.COMPARED, *p1_drawings.CURVES, p1_receiver.LINEAR}
    assert wanted | set(p1_power.RULES.values()) == settings["link"]
    pairs = {point for pair in p1_gap.PAIRS.values() for point in pair}
    assert settings["gap"] == {"ideal", "no noise", *pairs, *(() if quick else ("0 dB",))}
    assert settings["power"] == {*p1_power.RULES, p1_power.SELECTIVE}
    assert {job.seed for job in planned["link"]} == set(range(1, 6))
    assert {job.seed for job in planned["gap"]} == set(range(1, 11 if quick else 17))


def test_all_figures_are_drawn(made, cells):
    results = made()
    for drawing in PAPER.drawings:
        assert drawing.draw(results).axes
