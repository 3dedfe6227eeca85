"""The bench of a testbed runs, and reports what it measures; its figures are not tested here."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from fl.models import parameter_count
from fl.testbed.stopwatch import Stopwatch
from tools.bench.group import command
from tools.bench.testbed.control import WIDTH, control_plane
from tools.bench.testbed.small import Coarse


def test_agents_of_one_process_register_with_a_server_in_another_and_are_heard(tmp_path):
    arguments = ["testbed", "--only", "agents", "--agents", "30", "--rounds", "8", "--json", "--cache", str(tmp_path)]
    result = json.loads(CliRunner().invoke(command, arguments, catch_exceptions=False).stdout)["population"]
    assert result["registered"] == 30
    assert result["heard"] == [20] * 8
    assert result["registrations_per_s"] > 0


@pytest.mark.slow
def test_the_stages_of_a_round_add_up(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[task]\ndataset = "glyphs"\n[algorithm]\norder = "first"\n')
    result = control_plane(config, "symbol", 3, tmp_path)
    assert set(result["seconds"]) == {"local", "decide", "decode", "commit", "control"}
    assert 0 < result["control_share"] < 1


def test_the_model_of_the_control_planes_bench_is_the_one_that_is_claimed():
    assert parameter_count("cnn", WIDTH, 5) == 112_005


def test_a_model_that_costs_nothing_learns_from_pictures():
    model = Coarse(3)
    assert model.init(np.random.default_rng(0)).shape == (model.dimension,) == (51,)


def test_what_is_no_stage_is_the_control_planes(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock = Stopwatch()
    for agent_s in (2.0, 3.0):
        now[0] += agent_s
        clock.learnt(agent_s)
    for stage in ("decode", "commit", "commit"):
        with clock.stage(stage):
            now[0] += 1
    assert clock.seconds() == {"total": 8.0, "local": 3.0, "decode": 1.0, "commit": 2.0, "control": 2.0}


def test_an_agent_cannot_have_learned_for_longer_than_the_round():
    clock = Stopwatch()
    clock.learnt(1e9)
    assert clock.seconds()["local"] < 1e3
    assert clock.seconds()["control"] >= 0
