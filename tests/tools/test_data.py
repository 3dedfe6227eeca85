import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from tools.data import command

DATA = Path(__file__).parent.parent.parent.parent / "shared" / "data"


def call(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_the_list_says_what_is_here(tmp_path):
    rows = {row["name"]: row["state"] for row in json.loads(call("list", "--cache", tmp_path, "--json").stdout)}
    assert rows == {"glyphs": "made on first use", "omniglot": "missing", "mnist": "missing"}


def test_glyphs_are_made_shown_and_verified(tmp_path):
    assert call("fetch", "glyphs", "--cache", tmp_path).exit_code == 0
    assert "agree" in call("verify", "glyphs", "--cache", tmp_path).stdout
    sheet = tmp_path / "sheet.png"
    call("show", "glyphs", "--cache", tmp_path, "--classes", 6, "--out", sheet)
    with Image.open(sheet) as image:
        assert image.size == (20 * 56, 6 * 56)
    assert "ready" in call("list", "--cache", tmp_path).stdout


def test_a_changed_cache_is_found(tmp_path):
    call("fetch", "glyphs", "--cache", tmp_path)
    (path,) = tmp_path.glob("glyphs-*/images.npy")
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    result = call("verify", "glyphs", "--cache", tmp_path)
    assert result.exit_code == 1
    assert "differ" in result.stderr


@pytest.mark.parametrize("verb", ["fetch", "verify", "show"])
def test_missing_files_say_how_to_get_them(verb, tmp_path):
    result = call(verb, "mnist", "--cache", tmp_path)
    assert result.exit_code == 1
    assert "idx" in result.stderr


@pytest.mark.skipif(not DATA.exists(), reason="needs the real data files in ../shared/data")
def test_files_are_copied_checked_and_ready(tmp_path):
    assert call("fetch", "omniglot", "--from", DATA, "--cache", tmp_path).exit_code == 0
    rows = {row["name"]: row["state"] for row in json.loads(call("list", "--cache", tmp_path, "--json").stdout)}
    assert rows["omniglot"] == "ready"
    assert call("verify", "omniglot", "--cache", tmp_path).exit_code == 0
