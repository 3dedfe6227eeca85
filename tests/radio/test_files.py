import pytest

from radio.files import atomic_path, remove_partial, write_text


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(UnicodeEncodeError), atomic_path(target) as temporary:
        temporary.write_text("half" + chr(0xD800), encoding="utf-8")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_killed_processes_have_left_is_removed_and_nothing_else(tmp_path):
    whole = [tmp_path / name for name in ("state", ".state.lock", ".other.17", "state.17")]
    left = [tmp_path / name for name in (".state.17", ".state.18")]
    for path in [*whole, *left]:
        path.write_text("")
    remove_partial(tmp_path, "state")
    assert sorted(tmp_path.iterdir()) == sorted(whole)
