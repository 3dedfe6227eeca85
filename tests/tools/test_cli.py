"""The command line as a user meets it: exit codes, messages, streams."""

import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fl.run_folder import StoppedError
from tests.tools.cli import call, refused
from tests.tools.small import plain
from tools.cli import COMMANDS

ROOT = Path(__file__).parent.parent.parent
SMALL = plain("rounds = 4", "algorithm.inner_lr = 0.1", "evaluation = { every = 2, tasks = 4, queries = 2, steps = 2 }")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return str(path)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help_with_an_example(verb):
    result = call(verb, "--help")
    assert f"airmeta {verb}" in result.output


def test_a_run_says_what_came_out_and_writes_a_report(config, cache, tmp_path):
    result = call("run", config, "--out", tmp_path / "run", "--cache", cache)
    assert "New agents, 2 fine-tuning steps:" in result.stdout
    assert "round 4/4" in result.stderr
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000


def test_progress_can_be_turned_off_or_into_json_lines(config, cache, tmp_path):
    quiet = call("run", config, "--out", tmp_path / "a", "--cache", cache, "--quiet")
    assert quiet.stderr == ""
    lines = call("run", config, "--out", tmp_path / "b", "--cache", cache, "--json").stdout.splitlines()
    assert [json.loads(line)["round"] for line in lines] == [0, 1, 2, 3]


def test_a_dry_run_writes_nothing(config, cache, tmp_path):
    result = call("run", config, "--out", tmp_path / "run", "--cache", cache, "--dry-run", "--json")
    assert json.loads(result.stdout)["channel_uses_per_round"] > 0
    assert not (tmp_path / "run").exists()


def test_a_wrong_configuration_lists_everything_and_leaves_no_folder(config, cache, tmp_path):
    arguments = "--set", "uplink.snrdb=3", "--set", "rounds=0"
    said = ["2 problem(s)", "did you mean uplink.snr_db?"]
    refused("run", config, "--out", tmp_path / "run", "--cache", cache, *arguments, says=said)
    assert not (tmp_path / "run").exists()


def test_missing_data_says_where_it_looked_and_how_to_get_it(config, cache, tmp_path):
    sets = ["--set", "task.dataset=omniglot", "--set", f"data_root={tmp_path}"]
    refused("run", config, *sets, "--cache", cache, says=[str(tmp_path), "brendenlake/omniglot"])


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_folder_of_data_that_is_not_there_is_refused_although_the_cache_has_them(config, cache, tmp_path, more):
    call("run", config, "--dry-run", "--cache", cache)
    nowhere, file = tmp_path / "nowhere", tmp_path / "file"
    file.write_text("")
    for root, why in ((nowhere, "there is no such folder"), (file, "a file, not a folder")):
        sets = ["--set", f"data_root={root}", "--out", tmp_path / "run"]
        refused("run", config, *sets, "--cache", cache, *more, says=["data_root", str(root), why])
    assert not (tmp_path / "run").exists()


def test_evaluating_again_with_more_tasks_and_steps(config, cache, tmp_path):
    call("run", config, "--out", tmp_path / "run", "--cache", cache, "--quiet")
    result = call("evaluate", tmp_path / "run", "--cache", cache, "--tasks", 6, "--steps", 3, "--json")
    assert len(json.loads(result.stdout)["accuracy_by_step"]) == 4
    refused("evaluate", tmp_path, "--cache", cache, says="not the folder of a run")


def test_two_runs_are_compared_on_the_same_tasks(config, cache, tmp_path):
    for seed in (1, 2):
        call("run", config, "--out", tmp_path / str(seed), "--cache", cache, "--quiet", "--set", f"seed={seed}")
    compared = ["--cache", cache, "--tasks", 6, "--json", "--against"]
    itself = json.loads(call("evaluate", tmp_path / "1", *compared, tmp_path / "1").stdout)
    assert itself == {"accuracy": [0.0, 0.0, 0.0], "loss": [0.0, 0.0, 0.0]}
    there = json.loads(call("evaluate", tmp_path / "1", *compared, tmp_path / "2").stdout)
    back = json.loads(call("evaluate", tmp_path / "2", *compared, tmp_path / "1").stdout)
    assert there["loss"][0] == -back["loss"][0] != 0
    assert there["loss"][1] < there["loss"][0] < there["loss"][2]


def test_runs_are_drawn_over_one_another(config, cache, tmp_path):
    call("run", config, "--out", tmp_path / "air", "--cache", cache, "--quiet")
    call("run", config, "--out", tmp_path / "wire", "--cache", cache, "--quiet", "--set", "uplink.kind=ideal")
    call("report", tmp_path / "air", tmp_path / "wire", "--out", tmp_path / "both.html")
    page = (tmp_path / "both.html").read_text()
    assert "uplink.kind: ideal here, symbol there" in page
    assert "<script" not in page
    assert 'src="http' not in page
    assert page.count("<svg") >= 9


def test_a_damaged_history_is_named(config, cache, tmp_path):
    call("run", config, "--out", tmp_path / "run", "--cache", cache, "--quiet")
    path = tmp_path / "run" / "history.jsonl"
    path.write_text(path.read_text().replace('"round":1', '"round"1'))
    refused("report", tmp_path / "run", says="line 2 is damaged")


def test_a_run_without_an_evaluation_is_drawn_as_far_as_it_is(config, cache, tmp_path):
    call("run", config, "--out", tmp_path / "run", "--cache", cache, "--quiet")
    path = tmp_path / "run" / "history.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    (tmp_path / "run" / "samples.npz").unlink()
    call("report", tmp_path / "run")
    assert "1 of 4" in (tmp_path / "run" / "report.html").read_text()


def test_ctrl_c_saves_the_round_and_the_line_it_prints_resumes(config, cache, tmp_path):
    command = [sys.executable, "-m", "tools.cli", "run", config, "--set=rounds=150", "--set=evaluation.every=150"]
    command += ["--out", str(tmp_path / "run"), "--cache", str(cache)]
    call("data", "fetch", "glyphs", "--cache", cache)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    history, deadline = tmp_path / "run" / "history.jsonl", time.monotonic() + 60
    while not (history.exists() and history.read_bytes().count(b"\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    line = shlex.split(errors.strip().splitlines()[-1].split("Go on with: ")[1])
    assert line[:2] == ["airmeta", "run"]
    before = history.read_bytes()
    call(*line[1:], "--cache", cache, "--quiet")
    assert history.read_bytes().startswith(before)
    assert history.read_bytes().count(b"\n") == 150


@pytest.mark.parametrize(
    ("ending", "code"), [(StoppedError("the server's radio is lost"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_run_that_stops_at_once_says_the_whole_command_that_resumes_it(
    config, cache, tmp_path, monkeypatch, ending, code
):
    def stopped(*_, **__):
        raise ending

    monkeypatch.setattr("fl.experiment.run", stopped)
    given = [config, "--set", "rounds=9", "--out", tmp_path / "run", "--record", "2", "--cache", cache, "--quiet"]
    for arguments in (given, [*given, "--resume"]):
        result = call("run", *arguments, code=code)
        words = shlex.split(result.stderr.strip().splitlines()[-1].partition("Go on with: ")[2])
        assert words[:2] + words[-1:] == ["airmeta", "run", "--resume"]
        assert sorted(words[2:-1]) == sorted(str(one) for one in given)


def test_resuming_needs_to_know_what(config):
    refused("run", config, "--resume", code=2, says="--out")


def test_the_doctor_finds_a_healthy_installation(cache):
    result = call("doctor", "--cache", cache, "--json")
    findings = json.loads(result.stdout)
    assert [item["name"] for item in findings if not item["good"]] == []
