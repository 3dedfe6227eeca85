"""A page names the code of its runs, whoever draws it."""

import ast
import json

import pytest

from tests.tools.reproduce.made import material
from tools.reproduce import machine, origin, p4_kept
from tools.reproduce.p4 import PAPER
from tools.reproduce.p4_kept import kept
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


def measure(made, monkeypatch, name, commit, about="a"):
    monkeypatch.setattr(p4_kept, "git_hash", lambda: commit)
    return kept(made.folder, name, about, lambda: commit)


def test_what_was_kept_has_the_commit_that_measured_it_and_not_the_one_that_judges(made, monkeypatch):
    monkeypatch.setattr(origin, "git_hash", lambda: "0dd0dd")
    assert measure(made, monkeypatch, "time", "abcdef") == measure(made, monkeypatch, "time", "later") == "abcdef"
    measured, judged = origin.origin(made).split(". Measured where no run is: ")[1].split("; judged: ")
    assert measured == "commit abcdef"
    assert "commit 0dd0dd" in judged
    assert machine.machine() in judged


def test_several_commits_that_measured_are_all_named(made, monkeypatch):
    for name, commit in (("time", "abcdef"), ("distances", "abcdef"), ("backward", None)):
        measure(made, monkeypatch, name, commit)
    said = origin.origin(made)
    assert "Measured where no run is: commit abcdef (2 of 3); not recorded (1 of 3); judged: airmeta" in said


def test_what_other_code_libraries_or_machines_measured_is_not_on_the_page(made, monkeypatch):
    for part in ("code", "libraries", "machine"):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(p4_kept, part, lambda: "another")
            measure(made, elsewhere, part, "abcdef")
    assert ". Judged, and measured where no run is: airmeta" in origin.origin(made)
    assert measure(made, monkeypatch, "code", "fedcba") == "fedcba"
    assert "Measured where no run is: commit fedcba; judged" in origin.origin(made)


def test_code_that_is_not_installed_has_the_version_of_its_source(monkeypatch):
    monkeypatch.setattr(origin, "version", lambda: "unknown")
    assert "unknown" not in origin.this_code()
    assert origin.this_code().startswith("airmeta 0.")


def test_a_processor_has_its_name_and_another_source_another_hash(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor @ 2 GHz\nmodel name\t: B\n")
    monkeypatch.setattr(machine, "PROCESSORS", tmp_path / "cpuinfo")
    assert machine.machine().startswith("A Processor @ 2 GHz, ")
    hashes = [hash_with(tmp_path, monkeypatch, "fl/one.py", text) for text in ("a = 1", "a = 2", "a = 1")]
    assert hashes[0] == hashes[2] != hashes[1]


def hash_with(folder, monkeypatch, name, text):
    """The hash of a source in which a file has this text."""
    monkeypatch.setattr(machine, "ROOT", folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return machine.code.__wrapped__()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("dsp/sensing.py", True),
        ("fl/analytic/solve.py", True),
        ("radio/files.py", True),
        ("tools/bench/analytic/race.py", True),
        ("tools/reproduce/p4_exact.py", True),
        ("tools/reproduce/p4_verdicts.py", False),
        ("tools/reproduce/p4_drawings.py", False),
        ("tools/reproduce/p1_link.py", False),
        ("tools/bench/oamp.py", False),
        ("tools/cli.py", False),
        ("calibration/gains.py", False),
    ],
)
def test_a_measurement_is_made_again_for_a_change_of_what_it_runs_and_of_nothing_else(
    name, counts, tmp_path, monkeypatch
):
    before, after = (hash_with(tmp_path, monkeypatch, name, text) for text in ("a = 1", "a = 2"))
    assert (before != after) == counts


def test_all_that_p4_s_measurements_import_is_in_the_hash():
    """But what plans runs and finds their files, the machine itself, and calibration, of which no run of P4 has any."""
    apart = {
        "calibration",
        "tools/sweep",
        "tools/reproduce/machine.py",
        "tools/reproduce/paper.py",
        "tools/reproduce/verdict.py",
    }
    found, left = set(), [machine.ROOT / "tools/reproduce/p4_measured.py"]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += imported(path)
    assert machine.ROOT / "fl/analytic/solve.py" in found
    missing = {str(path.relative_to(machine.ROOT)) for path in found - set(machine.sources())}
    assert {name for name in missing if name not in apart and name.rsplit("/", 1)[0] not in apart} == set()


def imported(path):
    """The files of this project that a file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names += [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        elif isinstance(node, ast.Import):
            names += [name.name for name in node.names]
    places = [machine.ROOT / name.replace(".", "/") for name in names]
    return [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()]
