"""`airmeta search` as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tools.cli import call, refused
from tests.tools.small import plain
from tools.search.folder import SearchFolder

ROOT = Path(__file__).parents[3]
SMALL = plain(
    "uplink = { sparsity = 0.04, measurements = 0.4, min_headroom_db = 0.0 }",
    "evaluation = { tasks = 2, queries = 2, steps = 1 }",
)
TWO = "--only", "--vary", "uplink.sparsity=0.01:0.2:log", "--vary", "server.lr=0.5,2"


class Found(NamedTuple):
    """A folder, what was called, and what was said on stdout and stderr."""

    folder: Path
    arguments: tuple
    said: dict
    words: str


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory, cache):
    """A whole search."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "small.toml").write_text(SMALL)
    common = ("search", folder / "small.toml", "--total", "0.9d", "--workers", "1", "--cache", cache, "--json")
    arguments = (*common, "--trials", "3", "--seeds", "1", "--confirm", "2", "--out", folder / "found", *TWO)
    result = call(*arguments)
    return Found(folder / "found", arguments, json.loads(result.stdout), result.stderr)


def test_a_search_leaves_trials_front_confirmation_and_a_report(done):
    folder, said = done.folder, done.said
    assert len(said["trials"]) == 3
    assert said["own"] is None  # 1 is none of the rates that were asked for
    assert said["front"]
    assert len(said["confirmed"]["accuracies"]["best"]) == 2
    assert said["confirmed"]["uses"]["own"] <= said["search"]["budget"]["uses"]
    assert json.loads((folder / "result.json").read_text()) == said
    text = (folder / "report.html").read_text()
    assert all(f"<h2>{name}</h2>" in text for name in ("Accuracy against channel uses", "What was varied", "Trials"))
    assert "best − own" in text
    assert {path.stem for path in (folder / "figures").iterdir()} == {"front", "course", "axes", "confirmation"}


def test_the_same_command_again_runs_nothing_and_says_the_same(done):
    folder, arguments, said, _ = done
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/history.jsonl")}
    assert json.loads(call(*arguments).stdout) == said
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/history.jsonl")} == before


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("--total", "1.3d"), "budget.uses"),
        (("--sampler-seed", "3"), "sampler_seed: 3 here, 0 there"),
        (("--set", "uplink.snr_db=10"), "experiment:"),
        (("--vary", "uplink.measurements=0.1:0.4"), "axes.uplink.measurements"),
    ],
)
def test_the_folder_of_another_search_is_refused_with_what_differs(done, changed, says):
    arguments = done.arguments
    assert "--out" in refused(*arguments, *changed, says=("the folder of another search", says))


def test_the_folder_of_a_sweep_is_refused(base, tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    refused("search", base, "--out", tmp_path / "sweep", says="holds a sweep, not a search")


@pytest.mark.parametrize(
    ("text", "says"), [("{", "damaged"), ('{"schema": 9, "search": {}}', "schema 9, this version reads 1")]
)
def test_a_damaged_search_is_refused(base, tmp_path, text, says):
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "search.json").write_text(text)
    refused("search", base, "--out", tmp_path / "found", says=says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--vary", "uplink.sparsty=0.1:0.2"), "did you mean uplink.sparsity"),
        (("--vary", "uplink.sparsity=0.2:0.1"), "LOW must be below HIGH"),
        (("--vary", "rounds=2:8", "--total", "9d"), "they follow from --total"),
        (("--total", "10"), "less than one round of the experiment as it is"),
        (("--total", "4d", "--per-round", "1d"), "one or the other"),
        (("--set", "uplink.kind=ideal"), "ideal has no channel uses"),
        (("--only",), "vary something with --vary"),
        (("--fix", "uplink.min_gain"), "not varied anyway"),
        (("--set", "uplink.sparsty=0.1"), "did you mean uplink.sparsity"),
    ],
)
def test_what_cannot_be_searched_is_named_before_anything_is_written(base, tmp_path, arguments, says):
    refused("search", base, "--out", tmp_path / "found", *arguments, says=says)
    assert not (tmp_path / "found").exists()


def test_a_folder_that_another_search_holds_is_refused_by_name(done):
    folder, arguments, _, _ = done
    with SearchFolder(folder).held():
        refused(*arguments, says=(str(folder), "another airmeta search works there", "--out"))


def test_the_words_at_the_start_say_what_is_searched_and_each_trial_ends_with_a_line(done):
    assert "uplink.sparsity=0.01:0.2:log" in done.words
    assert "3 trials of 1 run, and 4 to confirm: at most 7 runs, on 1 worker" in done.words
    for number in range(3):
        assert (
            f"  trial {number}, seed 1001: finished after " in done.words
            or f"trial {number}: does not fit" in done.words
        )
        assert f"\ntrial {number}: " in done.words


def test_ctrl_c_while_modules_are_imported_ends_it_with_words_at_once(base, tmp_path):
    script = """
import os, signal, sys, tools.cli, tools.search.command as command
signal.signal(signal.SIGINT, signal.default_int_handler)
command.import_module = lambda name: os.kill(os.getpid(), signal.SIGINT)
tools.cli.main(["search", *sys.argv[1:]])
"""
    words = [sys.executable, "-c", script, str(base), "--out", str(tmp_path / "found")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 130
    assert ended.stderr.startswith("Stopped before any run began. Go on with: airmeta search ")
    assert "Traceback" not in ended.stderr


def test_ctrl_c_before_the_first_run_says_so(base, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.search.arguments.planned", stop)
    said = refused("search", base, "--out", tmp_path / "found", code=130)
    assert said.startswith("Stopped before any run began. Go on with: airmeta search ")
    assert not (tmp_path / "found").exists()


def test_one_confirming_seed_is_refused(base):
    refused("search", base, "--confirm", "1", says="at least 2 seeds", code=2)


def test_a_rehearsal_says_what_would_be_searched_and_writes_nothing(base, tmp_path):
    said = json.loads(call("search", base, "--total", "4d", "--dry-run", "--json", "--out", tmp_path / "found").stdout)
    assert said["own"]["rounds"] == 10
    assert said["runs"] == 40 * 2 + 2 * 5
    assert "uplink.sparsity=0.01:0.16:log" in said["varied"]
    assert not (tmp_path / "found").exists()
