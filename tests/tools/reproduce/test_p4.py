"""P4: verdicts follow from the numbers, whatever these are; measurements see what they are for."""

import numpy as np
import pytest
import torch

from fl.config import check
from fl.gradients import Loss
from fl.models import Cnn, Mlp
from tests.fl.analytic.world import EXPERIMENT
from tests.tools.reproduce.made import recipes
from tools.bench.analytic.air import VARIANTS
from tools.reproduce import p4_exact, p4_kept
from tools.reproduce.p4 import PAPER
from tools.reproduce.p4_exact import BackwardKernels, backward_work
from tools.reproduce.p4_heterogeneity import SKEWS, d3, d4
from tools.reproduce.p4_kept import kept
from tools.reproduce.p4_measured import CLASSES, DIRICHLET, over_the_air
from tools.reproduce.p4_skew import METHODS
from tools.reproduce.p4_verdicts import air, d1, d2, d5, log_mean
from tools.reproduce.paper import Material
from tools.reproduce.verdict import Mean, Outcome
from tools.sweep.results import Results

NOISE = np.array([-2.0, -1.0, 0.0, 1.0, 2.0]) / 1000
"""Of each seed."""


def measured(**changes):
    """Accuracy by way of dealing and method; changes are (way of dealing, method) = accuracy."""
    plain = dict.fromkeys(METHODS, 0.9) | {"own": 0.97, "local": 0.95}
    skew = {setting: {name: value + NOISE for name, value in plain.items()} for setting in (*CLASSES, *DIRICHLET)}
    for count, accuracy in (("2", 0.8), ("1", 0.6)):
        skew[f"task.classes_per_agent={count}"]["apart, FedAvg"] = accuracy + NOISE
    return skew


def test_d3_and_d4_are_shown_where_the_numbers_say_so():
    assert d3(measured()).outcome is Outcome.SHOWN
    assert d4(measured()).outcome is Outcome.SHOWN


@pytest.mark.parametrize("name", SKEWS)
def test_a_skew_without_four_points_or_above_which_local_ridge_is_is_named(name):
    little, beaten = measured(), measured()
    little[SKEWS[name]]["FedACnnL"] = 0.94 + NOISE
    beaten[SKEWS[name]]["local"] = 0.98 + NOISE
    for skew, words in (
        (little, "Not 4 points over FedACnnL with an interval above 0"),
        (beaten, "Not above local ridge"),
    ):
        found = d3(skew)
        assert found.outcome is Outcome.NOT_SHOWN
        assert f"{name}." in found.analysis.split(words)[1]
    assert "Not 4 points" not in d3(measured()).analysis


def test_six_points_that_scatter_are_not_called_less_than_four():
    skew = measured()
    skew[SKEWS["two classes"]]["own"] = 0.96 + 50 * NOISE
    found = d3(skew)
    assert found.outcome is Outcome.NOT_SHOWN
    assert "two classes: FedACnnL 90.0%, pFedACnnL 96.0%, +6.0 [" in found.numbers
    assert "Not 4 points over FedACnnL with an interval above 0: two classes." in found.analysis
    assert "Less than" not in found.analysis


def test_an_accuracy_that_changes_or_a_fedavg_that_does_not_fall_is_not_d4():
    unsteady, robust = measured(), measured()
    unsteady["task.classes_per_agent=1"]["apart"] = 0.87 + NOISE
    robust["task.classes_per_agent=2"]["apart, FedAvg"] = 0.9 + NOISE
    assert "does not stay" in d4(unsteady).analysis
    assert "does not fall" in d4(robust).analysis
    assert "too few to tell" not in d4(unsteady).analysis
    noisy = measured()
    noisy["task.classes_per_agent=5"]["apart"] = 0.9 + 20 * NOISE
    assert "though all means do: 5 seeds are too few to tell" in d4(noisy).analysis
    assert {d4(skew).outcome for skew in (unsteady, robust)} == {Outcome.NOT_SHOWN}


def rows(*errors):
    found = [{"error": error, "agents": 10, "batch_size": 5, "samples": 20} for error in errors]
    return {"rows": found, "scarce": {"1e-05": 2e-8, "0.001": 2e-10}}


def test_one_setting_that_is_not_exact_is_enough_against_d1():
    assert d1(rows(1e-12, 1e-9)).outcome is Outcome.SHOWN
    assert d1(rows(1e-12, 2e-8)).outcome is Outcome.NOT_SHOWN


def test_an_error_that_does_not_grow_as_gamma_shrinks_is_not_said_to():
    found = rows(1e-12)
    assert "the error grows as γ shrinks: 2.0e-08 with γ = 1e-05, 2.0e-10 with γ = 0.001" in d1(found).analysis
    assert "the error does not grow" in d1(found | {"scarce": {"0.001": 2e-8, "1e-05": 2e-10}}).analysis


def raced(*ratios, reached=True):
    found = [
        {"ratio": ratio, "processor_ratio": ratio / 2, "reached": reached, "fedavg_rounds": 10 + index}
        for index, ratio in enumerate(ratios)
    ]
    return {"rows": found, "seconds": 1.0, "fedavg_seconds": 9.0, "accuracy": 0.9, "fedavg_rounds": 20.0}


def test_the_interval_of_the_ratio_has_to_be_below_what_is_claimed_for_each_size():
    fast, scattered = raced(0.1, 0.11, 0.12), raced(0.05, 0.1, 0.4)
    assert d2({"small": fast}).outcome is Outcome.SHOWN
    found = d2({"small": fast, "large": scattered})
    assert found.outcome is Outcome.NOT_SHOWN
    assert "with its interval: large." in found.analysis
    assert "small: 10 to 12; large: 10 to 12." in found.analysis


def test_races_that_fedavg_lost_count_as_bounds_and_not_among_its_rounds():
    """One race of three that ended after 60 rounds without the accuracy; then all."""
    found = raced(0.1, 0.11, 0.12)
    assert "FedAvg in 20 rounds" in d2({"small": found}).numbers
    assert "did not get there" not in d2({"small": found}).analysis
    found["rows"][2] |= {"reached": False, "fedavg_rounds": 60}
    some = d2({"small": found, "large": raced(0.1, 0.1, 0.11)})
    assert "small: 10 to 11, not within 60 in 1 of 3 races; large: 10 to 12." in some.analysis
    assert "Races in which FedAvg did not get there, whose ratios are bounds: 1." in some.analysis
    assert some.numbers.count("FedAvg in at least 20 rounds") == 1
    none = d2({"small": raced(0.1, 0.1, 0.11, reached=False)}).analysis
    assert "small: not within 60 in 3 of 3 races." in none
    assert "bounds: 3." in none


def test_a_geometric_mean_does_not_ask_which_of_two_is_the_unit():
    value, low, high = log_mean([0.1, 0.4, 0.2])
    assert value == pytest.approx(0.2)
    assert log_mean([10, 2.5, 5]) == pytest.approx((1 / value, 1 / high, 1 / low))


def test_no_gradient_says_nothing_unless_one_would_be_seen():
    assert d5({"FedACnnL": 0, "FedAvg": 9}).outcome is Outcome.SHOWN
    assert d5({"FedACnnL": 1, "FedAvg": 9}).outcome is Outcome.NOT_SHOWN
    assert d5({"FedACnnL": 0, "FedAvg": 0}).outcome is Outcome.NOT_SHOWN


def test_gradients_are_seen_by_autograd_and_written_out_and_nothing_else_is():
    images, labels = torch.rand(6, 1, 28, 28), torch.arange(6) % 3
    for model in (Cnn(4, 3), Mlp(3)):
        loss, theta = Loss(model), model.init(np.random.default_rng(0))
        with BackwardKernels() as seen:
            loss.value(theta, (images, labels))
        assert seen.count == 0
        with BackwardKernels() as seen:
            loss.gradient(theta, (images, labels))
        assert seen.count > 0


def test_a_backward_pass_is_seen_whatever_its_kernels_are_called():
    """The gradient of a sum of products runs products, of which none is named for a backward pass."""
    weights, rows = torch.rand(3, 2, requires_grad=True), torch.rand(4, 3)
    with BackwardKernels() as seen:
        total = (rows @ weights).sum()
        assert seen.count == 0
        torch.autograd.grad(total, weights)
    assert seen.count > 0


def test_a_torch_that_does_not_tell_backward_passes_is_said_to_be_too_other(monkeypatch):
    monkeypatch.delattr(torch._C, p4_exact.PASS)
    with pytest.raises(RuntimeError, match=r"torch \S+ has no such call; install a version that has it"):
        BackwardKernels()


def test_agents_of_several_threads_are_counted_as_those_of_one(cache):
    several = check(EXPERIMENT | {"run": {"threads": 2}})
    assert backward_work(several, cache) == backward_work(check(EXPERIMENT), cache)


def test_closed_form_training_and_personalisation_have_no_backward_pass_and_fedavg_s_are_counted(cache):
    found = backward_work(check(EXPERIMENT), cache)
    assert found["FedACnnL"] == 0
    assert found["FedAvg"] > 0


def test_what_was_measured_is_kept_until_it_is_about_something_else(tmp_path, monkeypatch):
    calls = []

    def measure():
        calls.append(1)
        return {"n": len(calls), "pair": (1.0, 2.0)}

    first = kept(tmp_path, "time", "a", measure)
    assert kept(tmp_path, "time", "a", measure) == first == {"n": 1, "pair": [1.0, 2.0]}
    assert kept(tmp_path, "time", "b", measure)["n"] == 2
    assert len(calls) == 2
    for part, other in (("machine", "another processor, 64 cores"), ("code", "0123"), ("libraries", "torch 9.9")):
        monkeypatch.setattr(p4_kept, part, lambda other=other: other)
        assert kept(tmp_path, "time", "b", measure) == kept(tmp_path, "time", "b", measure)
    assert len(calls) == 5


def test_what_was_kept_before_keys_were_is_measured_again(tmp_path):
    (tmp_path / "measured").mkdir()
    (tmp_path / "measured" / "time.json").write_text('{"about": "a", "found": 7}')
    assert kept(tmp_path, "time", "a", lambda: 8) == 8


def swept(*means):
    curve = [[mean - 0.01, mean + 0.01] for mean in means]
    return {"snrs_db": [0.0, 10.0, 20.0], "exact": [0.9, 0.9], "curves": dict.fromkeys(VARIANTS, curve)}


@pytest.mark.parametrize(
    ("means", "outcome"),
    [((0.1, 0.86, 0.89), Outcome.SHOWN), ((0.1, 0.2, 0.3), Outcome.NOT_SHOWN), ((0.9, 0.9, 0.9), Outcome.NOT_SHOWN)],
)
def test_a_threshold_is_one_that_some_snr_is_below_and_another_above(means, outcome):
    assert air(swept(*means)).outcome is outcome


def test_the_loss_to_error_free_links_is_paired_by_seed():
    """Seeds differ by 20 points, and by .2 in what the air costs them."""
    found = {"snrs_db": [0.0, 10.0], "exact": [0.7, 0.9], "curves": {"both": [[0.499, 0.701], [0.7, 0.9]]}}
    cost = Mean.of(np.array([0.499, 0.701]) - np.array(found["exact"]))
    said = air(found).numbers
    assert cost.high - cost.low < 0.05
    assert f"0 dB 60.0% (-20.0 [{100 * cost.low:.1f}, {100 * cost.high:.1f}]), 10 dB 80.0% (+0.0 [" in said
    assert "paired over 2 seeds" in said


def test_clipping_and_gamma_are_said_to_be_needed_only_where_each_alone_has_no_threshold():
    found = swept(0.1, 0.2, 0.9)
    both, *others = VARIANTS
    assert "There is a threshold with both, and without both as well: γ at the noise scale, clipped, neither." in (
        air(found).analysis
    )
    flat = [[0.1, 0.1]] * 3
    alone = found | {"curves": {name: found["curves"][both] if name == both else flat for name in VARIANTS}}
    assert (
        f"There is a threshold with both, and none in these SNRs without: {', '.join(others)}." in air(alone).analysis
    )
    harmed = found | {"curves": {name: flat if name == both else found["curves"][both] for name in VARIANTS}}
    assert (
        f"There is no threshold in these SNRs with both, but there is one otherwise: {', '.join(others)}."
        in air(harmed).analysis
    )
    none = found | {"curves": dict.fromkeys(VARIANTS, flat)}
    assert "There is no threshold in these SNRs, with both or without." in air(none).analysis


@pytest.mark.parametrize("quick", [True, False])
def test_recipes_have_what_is_measured_with_as_many_seeds_for_each(quick):
    jobs = recipes(PAPER, quick)
    points = {name: {job.point for job in planned} for name, planned in jobs.items()}
    for name, settings in (("classes", CLASSES), ("dirichlet", DIRICHLET)):
        assert points[name] == {f"{method}, {one}" for method in ("FedACnnL", "4 groups", "FedAvg") for one in settings}
        assert {job.config.run.threads for job in jobs[name]} == {1}
    for name, planned in jobs.items():
        for point in points[name]:
            assert [job.seed for job in planned if job.point == point] == list(range(1, 6 if quick else 11))
    for point in CLASSES:
        count = int(point.split("=")[1])
        assert {job.config.task.classes_per_agent for job in jobs["classes"] if job.point.endswith(point)} == {count}


def test_error_free_links_have_one_run_a_seed_with_the_data_of_those_over_the_air():
    planned = recipes(PAPER, quick=False)
    assert {job.config.uplink.kind for job in planned["air"]} == {"symbol"}
    assert {job.config.uplink.kind for job in planned["exact"]} == {"ideal"}
    assert len(planned["exact"]) == len({job.seed for job in planned["air"]})
    assert {(job.seed, job.config.task) for job in planned["exact"]} == {
        (job.seed, job.config.task) for job in planned["air"]
    }


def test_accuracy_over_the_air_is_read_by_snr_and_variant(tmp_path, monkeypatch):
    planned = recipes(PAPER, quick=False)
    sweeps = {name: Results(tmp_path / name, planned[name]) for name in ("exact", "air")}

    def accuracy(self, point):
        if point == "error-free":
            return np.full((5, 2), 0.911)
        snr = float(point.split(" dB")[0])
        clipped = "clip_eigenvalues=true" in point
        ridge = "noise_ridge=1.0" in point
        return np.full((5, 2), snr / 100 + 0.01 * clipped + 0.001 * ridge)

    monkeypatch.setattr(Results, "by_step", accuracy)
    found = over_the_air(Material(sweeps, tmp_path, tmp_path, False, print))
    assert found["snrs_db"] == [0, 10, 20, 30, 40, 50]
    assert set(found["curves"]) == set(VARIANTS)
    assert found["curves"]["neither"][3] == pytest.approx([0.3] * 5)
    assert found["curves"]["clipped"][5] == pytest.approx([0.51] * 5)
    assert found["exact"] == pytest.approx([0.911] * 5)
