"""Benches run and report what they measure; their figures are not tested here."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
import torch

from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss
from fl.models import Cnn
from tests.drivers import need_gnuradio
from tests.tools.cli import call, refused
from tools.bench.air import find_gnuradio, linear, one_core
from tools.bench.inner_steps import compare
from tools.bench.local import INNER_LR, plain_meta_gradient
from tools.bench.oamp import problem


@pytest.mark.parametrize("order", ["exact", "first"])
def test_the_plain_loop_computes_what_is_measured_against_it(order):
    model, rng = Cnn(8, 5), np.random.default_rng(0)
    theta = model.init(rng).double()
    sets = [(torch.from_numpy(rng.random((10, 1, 28, 28))), torch.arange(5).repeat(2)) for _ in range(3)]
    step = OuterStep(sets[:1], sets[1], sets[2:])
    ours = MetaLearner(Loss(model), INNER_LR, 0.1, order).meta_gradient(theta, step)[1]
    assert torch.allclose(plain_meta_gradient(model, theta, step, order), ours, atol=1e-9)


def test_the_round_bench_reports_stages_and_memory(cache, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[model]\nkind = "mlp"\n[agents]\ncount = 3\n')
    result = json.loads(call("bench", "round", config, "--rounds", 3, "--json", "--cache", cache).stdout)
    assert {"local", "link_and_server", "residuals_to_disk", "link_share", "peak_mib"} <= set(result)
    assert 0 < result["link_share"] < 1


def test_the_table_is_measured_at_the_snr_it_says():
    """3,277 symbols: five standard errors of the noise power are 9 %, 0.4 dB."""
    x, sensing, received, _, support = problem(10, 0.04, 0.4, 10, 0)
    clean = sensing.forward(x)
    measured = 10 * np.log10((np.abs(clean) ** 2).mean() / (np.abs(received - clean) ** 2).mean())
    assert abs(measured - 10) < 0.4
    assert abs(support - 0.334) < 0.02


def test_inner_steps_are_compared_at_their_own_number_of_steps_and_paired():
    """Seed 1 and 2; column ν of a curve is accuracy after ν steps, one row for every second round."""
    one, two, rounds = np.zeros((3, 6)), np.zeros((3, 6)), np.array([2, 4, 6])
    one[:, 2], two[:, 2] = [0.2, 0.7, 0.8], [0.5, 0.8, 0.9]
    found = compare({(1, 1): one, (2, 1): one - 0.01, (1, 2): two, (2, 2): two}, 2, 2, rounds)
    assert found["gain"] == pytest.approx(0.105)
    assert found["gain_low"] < 0.1
    assert found["gain_high"] > 0.11
    assert (found["rounds"], found["rounds_of_one"]) == (6.0, None)
    found = compare({(1, 1): one, (2, 1): one, (1, 2): two - 0.05, (2, 2): two - 0.05}, 2, 2, rounds)
    assert (found["rounds"], found["rounds_of_one"]) == (6.0, 6.0)


def test_the_inner_steps_bench_runs_every_number_of_steps(cache, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(
        'rounds = 2\nrun = {threads = 1}\nagents = {count = 2}\nmodel = {kind = "mlp"}\nuplink = {kind = "ideal"}\n'
        'task = {ways = 3, shots = 1, queries = 2, holdout = 2}\nalgorithm = {order = "first"}\n'
        "evaluation = {every = 1, tasks = 2, queries = 2}\n"
    )
    result = json.loads(call("bench", "inner-steps", config, "--seeds", 2, "--json", "--cache", cache).stdout)
    assert [row["nu"] for row in result["rows"]] == [2, 3, 5]
    assert {np.shape(one) for one in result["curves"].values()} == {(2, 6)}


@pytest.fixture(scope="module")
def air_result():
    return json.loads(call("bench", "air", "--repeats", 1, "--samples", 10_000, "--json").stdout)


def test_the_air_bench_reports_rates_and_how_linear_they_are(air_result):
    assert {(row["agents"], row["samples"]) for row in air_result["rows"]} >= {(1, 10_000), (20, 10_000), (10, 2500)}
    for row in air_result["rows"]:
        assert np.isclose(row["rate"], row["agents"] * row["samples"] / row["seconds"])
    for name in ("linear_in_agents", "linear_in_samples"):
        assert {"fixed", "each", "deviation"} == set(air_result[name])


def test_the_air_is_measured_against_gnu_radio_or_the_bench_says_why_not(air_result):
    theirs = air_result["gnuradio"]
    if find_gnuradio() is None:
        assert "apt install gnuradio" in theirs["skipped"]
        need_gnuradio("gnuradio")
    assert theirs["agents"] == 10
    assert theirs["ratio"] > 0 < theirs["cpu_ratio"]


def test_without_gnu_radio_there_is_nothing_to_measure_against(monkeypatch):
    """/bin/false stands for a Python without it."""
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/false")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    assert find_gnuradio() is None


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux to hold a process on one core")
def test_one_core_is_one_core_and_given_back():
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_a_line_is_fitted_to_the_costs_with_its_largest_relative_error():
    rows = [{"agents": n, "samples": 100, "cpu_seconds": 3.0 + 2e-2 * 100 * n} for n in (1, 2, 5)]
    line = linear(rows)
    assert np.allclose([line["fixed"], line["each"], line["deviation"]], [3.0, 2e-2, 0.0], atol=1e-12)
    rows[1]["cpu_seconds"] *= 1.5
    assert 0.1 < linear(rows)["deviation"] < 0.5


def test_the_bridge_bench_without_gnuradio_says_which_pythons_were_tried():
    told = refused("bench", "gnuradio", "--python", "nothing-like-this", says="no Python with GNU Radio")
    assert "nothing-like-this: cannot be run" in told


def test_the_bridge_bench_sends_samples_through_gnuradio_and_counts_time_on_both_sides():
    need_gnuradio("gnuradio.zeromq")
    told = call("bench", "gnuradio", "--samples", 20_000, "--repeats", 1, "--units", 2, "--json").stdout
    (row,) = json.loads(told)["rows"]
    assert row["units"] == 2
    assert row["total"] == pytest.approx(2 * row["rate"])
    assert 0 <= row["cpu"] < 1e-3
