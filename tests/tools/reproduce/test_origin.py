"""A page names the code of its runs, whoever draws it."""

import json

import pytest

from tests.tools.reproduce.made import material
from tools.reproduce import machine, origin
from tools.reproduce.p4 import PAPER
from tools.sweep.results import run_folder


@pytest.fixture
def made(tmp_path):
    return material(tmp_path, PAPER, lambda sweep, job, rounds: [0.5, 0.6])


def sign(made, commit, version="0.1.0", sweeps=None):
    for name, found in made.sweeps.items():
        if sweeps is None or name in sweeps:
            for job in found.jobs:
                about = {"versions": {"airmeta": version}, "git": commit}
                (run_folder(found.folder, job).path / "manifest.json").write_text(json.dumps(about))


def test_the_commit_of_the_runs_is_named_and_not_that_of_the_process_that_draws(made, monkeypatch):
    monkeypatch.setattr(origin, "git_hash", lambda: "0dd0dd")
    sign(made, "abcdef")
    runs, drawn = origin.origin(made).split(". Judged")
    assert runs == "Runs: airmeta 0.1.0, commit abcdef"
    assert "commit 0dd0dd" in drawn
    assert machine.machine() in drawn


def test_several_commits_are_all_named_with_their_runs(made):
    sign(made, "abcdef")
    sign(made, "fedcba-dirty", sweeps=["exact"])
    every = sum(len(found.jobs) for found in made.sweeps.values())
    said = origin.origin(made)
    assert f"airmeta 0.1.0, commit abcdef ({every - 5} of {every})" in said
    assert f"airmeta 0.1.0, commit fedcba-dirty (5 of {every})" in said


def test_runs_whose_code_is_not_known_are_said_to_be(made):
    assert f"Runs: {origin.UNKNOWN}." in origin.origin(made)
    sign(made, None, sweeps=["exact"])
    assert "airmeta 0.1.0, commit not recorded (5 of " in origin.origin(made)
    sign(made, None, version=None)
    assert f"Runs: {origin.UNKNOWN}." in origin.origin(made)


def test_code_that_is_not_installed_has_the_version_of_its_source(monkeypatch):
    monkeypatch.setattr(origin, "version", lambda: "unknown")
    assert "unknown" not in origin.this_code()
    assert origin.this_code().startswith("airmeta 0.")


def test_a_processor_has_its_name_and_another_source_another_hash(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: B\n")
    monkeypatch.setattr(machine, "PROCESSORS", tmp_path / "cpuinfo")
    assert machine.machine().startswith("A Processor @ 2 GHz, ")
    (tmp_path / "fl").mkdir()
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    hashes = []
    for text in ("a = 1", "a = 2", "a = 1"):
        (tmp_path / "fl" / "one.py").write_text(text)
        hashes.append(machine.code.__wrapped__())
    assert hashes[0] == hashes[2] != hashes[1]
