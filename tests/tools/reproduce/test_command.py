"""`airmeta reproduce` as a user meets it: dry runs, what is printed and written, overrides on the page."""

import json

import numpy as np
import pytest

from fl.config import dump
from tests.tools.cli import call, refused
from tests.tools.reproduce.made import material, recipes
from tools.reproduce.command import _public
from tools.reproduce.judged import Judged
from tools.reproduce.p3 import PAPER, judge
from tools.sweep import results


def accuracy(sweep, job, rounds):
    return 0.9 - 0.3 / np.sqrt(rounds) + 0.01 * np.sin(job.seed + rounds) + np.array([0.0, 0.01, 0.02])


def lines(path):
    return path.read_text().splitlines()


def files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def done(tmp_path, monkeypatch):
    """A folder in which all runs of P3's short form look finished."""

    def header(path):
        return {"rounds": len(lines(path / "history.jsonl")), "config_hash": path.name}

    monkeypatch.setattr(results.checkpoint, "header", header)
    return material(tmp_path / "p3", PAPER, accuracy)


@pytest.fixture
def judged(done, monkeypatch):
    monkeypatch.setattr("tools.reproduce.judged.judged", lambda *arguments: Judged(done, judge(done)))
    return done


def test_a_dry_run_says_what_there_is_to_do_and_writes_nothing(tmp_path):
    planned = recipes(PAPER, True)
    found = json.loads(call("reproduce", "p3", "--dry-run", "--json", "--out", tmp_path / "none").stdout)
    assert {one["sweep"]: one["runs"] for one in found["sweeps"]} == {name: len(jobs) for name, jobs in planned.items()}
    assert all(one["finished"] == 0 for one in found["sweeps"])
    assert found["sweeps"][0]["rounds"] == sum(job.config.rounds for job in planned["table"])
    assert not (tmp_path / "none").exists()


def test_a_dry_run_counts_what_is_finished(done):
    jobs = done.sweeps["table"].jobs
    lost = results.run_folder(done.folder / "table", jobs[0])  # a run that was killed before its first checkpoint
    lost.config.write_text(dump(jobs[0].config))
    lost.history.write_text("\n".join(lines(lost.history)[:3]) + "\n")
    before = files(done.folder)
    said = call("reproduce", "p3", "--dry-run", "--out", done.folder).stdout
    assert f"table: {len(jobs)} runs, {len(jobs) - 1} finished, {jobs[0].config.rounds} rounds to do" in said
    assert "roles: 5 runs, 5 finished, 0 rounds to do" in said
    assert "nothing was run or written" in said
    assert files(done.folder) == before


def test_an_override_that_no_recipe_has_is_refused_by_a_dry_run_too(tmp_path):
    assert "rouns" in refused("reproduce", "p3", "--dry-run", "--set", "rouns=3", "--out", tmp_path, says="rounds")


def test_the_page_has_the_command_and_its_overrides_in_the_setting_but_not_where_data_lie(judged, tmp_path):
    said = call("reproduce", "p3", "--set", "data_root=/home/me/data", "--set", "task.new_agents=30", "--out", tmp_path)
    assert "C1: shown." in said.stdout
    for page in (tmp_path / "index.html", tmp_path / "docs" / "p3.md"):
        text = page.read_text()
        assert "airmeta reproduce p3 --quick --set data_root=FOLDER --set task.new_agents=30" in text
        setting = text[text.index("Setting.") :].splitlines()[0]
        assert "task.new_agents=30" in setting[setting.index("Set otherwise than this says:") :]
        assert "/home/me" not in text
        assert "data_root" not in setting.split("Set otherwise")[1].split("</p>")[0]
    verdicts = json.loads((tmp_path / "verdicts.json").read_text())
    assert [one["item"] for one in verdicts] == [f"C{number}" for number in range(1, 8)]


def test_a_page_without_overrides_says_nothing_of_them(judged, tmp_path):
    call("reproduce", "p3", "--set", "data_root=/home/me/data", "--out", tmp_path)
    assert "Set otherwise" not in (tmp_path / "index.html").read_text()


def test_calls_add_up_and_verdicts_can_be_read_by_machines(judged, tmp_path):
    for calls in (1, 2):
        found = json.loads(call("reproduce", "p3", "--json", "--out", tmp_path).stdout)
        assert f"in {calls} call" in (tmp_path / "index.html").read_text()
    assert found["page"] == str(tmp_path / "index.html")
    assert found["verdicts"][0].keys() >= {"item", "claim", "outcome", "numbers", "analysis", "changed"}


def test_where_data_lie_is_not_published():
    assert _public("data_root=/home/me/data") == "data_root=FOLDER"
    assert _public("rounds=5") == "rounds=5"
