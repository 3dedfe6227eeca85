import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.cli import call, refused

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"


def test_the_list_says_what_is_here(tmp_path):
    rows = {row["name"]: row["state"] for row in json.loads(call("data", "list", "--cache", tmp_path, "--json").stdout)}
    missing = ("omniglot", "mnist", "emnist", "femnist", "shakespeare")
    assert rows == {"glyphs": "made on first use"} | dict.fromkeys(missing, "missing")


def test_glyphs_are_made_shown_and_verified(tmp_path):
    call("data", "fetch", "glyphs", "--cache", tmp_path)
    assert "agree" in call("data", "verify", "glyphs", "--cache", tmp_path).stdout
    sheet = tmp_path / "sheet.png"
    call("data", "show", "glyphs", "--cache", tmp_path, "--classes", 6, "--out", sheet)
    with Image.open(sheet) as image:
        assert image.size == (20 * 56, 6 * 56)
    assert "ready" in call("data", "list", "--cache", tmp_path).stdout


def test_a_changed_cache_is_found(tmp_path):
    call("data", "fetch", "glyphs", "--cache", tmp_path)
    (path,) = tmp_path.glob("glyphs-*/images.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    refused("data", "verify", "glyphs", "--cache", tmp_path, says=f"{path.parent}: the cached glyphs differ")


def test_a_fetch_from_files_replaces_what_was_prepared(tmp_path):
    call("data", "fetch", "glyphs", "--cache", tmp_path)
    (path,) = tmp_path.glob("glyphs-*/images.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    call("data", "fetch", "glyphs", "--from", tmp_path, "--cache", tmp_path)
    assert "agree" in call("data", "verify", "glyphs", "--cache", tmp_path).stdout


@pytest.mark.parametrize("verb", ["fetch", "verify", "show"])
def test_missing_files_say_how_to_get_them(verb, tmp_path):
    refused("data", verb, "mnist", "--cache", tmp_path, says="idx")


@pytest.mark.skipif(not DATA.exists(), reason="needs the real data files in ../shared/data")
def test_files_are_copied_checked_and_ready(tmp_path):
    call("data", "fetch", "omniglot", "--from", DATA, "--cache", tmp_path)
    rows = {row["name"]: row["state"] for row in json.loads(call("data", "list", "--cache", tmp_path, "--json").stdout)}
    assert rows["omniglot"] == "ready"
    call("data", "verify", "omniglot", "--cache", tmp_path)


EXPERIMENT = """
[agents]
count = 3
[task]
partition = "iid"
new_agents = 2
samples = 50
[algorithm]
order = "first"
"""


@pytest.fixture
def experiment(tmp_path):
    call("data", "fetch", "glyphs", "--cache", tmp_path)
    path = tmp_path / "e.toml"
    path.write_text(EXPERIMENT)
    return path


def test_a_partition_is_kept_and_shown_as_the_experiment_shows_it(tmp_path, experiment):
    cache, kept = ("--cache", tmp_path), tmp_path / "p.json"
    call("data", "partition", experiment, *cache, "--out", kept)
    pictures = []
    shown = []
    for what in (kept, experiment):
        picture = tmp_path / f"{what.suffix[1:]}.png"
        about = json.loads(call("data", "show", what, *cache, "--json", "--out", picture).stdout)
        assert about.pop("picture") == str(picture)
        shown.append(about)
        pictures.append(np.asarray(Image.open(picture)))
    assert shown[0] == shown[1]
    assert shown[0]["samples per agent"] == [50, 50, 50]
    assert shown[0]["train samples"] == [30, 30, 30]
    assert np.array_equal(*pictures)
    assert len(np.unique(pictures[0].reshape(-1, pictures[0].shape[-1]), axis=0)) > 10
    assert "digest" in call("data", "show", kept, *cache, "--out", tmp_path / "again.png").stdout


def test_a_partition_by_class_is_shown_too(tmp_path, experiment):
    about = json.loads(
        call("data", "show", experiment, "--set", "task.partition=class", "--cache", tmp_path, "--json", "--out",
             tmp_path / "class.png").stdout
    )  # fmt: skip
    assert (about["form"], about["agents"], about["new agents"]) == ("by class", 3, 1)
    assert about["classes per agent"] == [133, 133.5, 160]


def test_what_cannot_be_shown_or_kept_says_why(tmp_path, experiment):
    cache = "--cache", tmp_path
    refused("data", "show", tmp_path / "none.json", *cache, says="cannot be read")
    refused("data", "show", "kanji", *cache, says="cannot be read")
    refused("data", "show", experiment, *cache, "--set", "task.samples=3", says="task.support: leaves agent 0 0")
    refused("data", "partition", experiment, *cache, "--out", tmp_path / "none" / "p.json", says="name another file")
    (tmp_path / "bad.json").write_text("{}")
    refused("data", "show", tmp_path / "bad.json", *cache, says="not a partition")
