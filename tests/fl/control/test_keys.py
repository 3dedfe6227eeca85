import threading
from datetime import UTC, datetime

import pytest

from fl.control import allow_list
from fl.control.allow_list import Allowed
from fl.control.keys import KeyFileError, create, load, new_pair

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def entry(name, agents=None):
    return Allowed(new_pair().public, name, NOW, agents)


def test_a_list_that_was_never_written_lets_nobody_in(tmp_path):
    assert allow_list.load(tmp_path / "allowed.json") == ()


def test_what_is_allowed_is_read_back(tmp_path):
    path = tmp_path / "allowed.json"
    entries = [entry("a"), entry("b", (1, 2))]
    for one in entries:
        allow_list.allow(path, one)
    assert list(allow_list.load(path)) == entries
    assert entries[0].speaks_for(7)
    assert entries[1].speaks_for(2)
    assert not entries[1].speaks_for(3)


def test_a_key_allowed_again_has_its_new_name_alone(tmp_path):
    path, one = tmp_path / "allowed.json", entry("a")
    allow_list.allow(path, one)
    allow_list.allow(path, Allowed(one.key, "b", NOW))
    assert [found.name for found in allow_list.load(path)] == ["b"]


def test_two_keys_do_not_share_a_name(tmp_path):
    path = tmp_path / "allowed.json"
    allow_list.allow(path, entry("a"))
    with pytest.raises(KeyFileError, match="another key is called 'a'"):
        allow_list.allow(path, entry("a"))


def test_all_writers_find_their_keys_in_the_list(tmp_path):
    path = tmp_path / "allowed.json"
    threads = [threading.Thread(target=allow_list.allow, args=(path, entry(f"host-{i}"))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allow_list.load(path)) == 8


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "airmeta-allowed", "version": 1, "keys": [{}]}'])
def test_a_damaged_list_lets_nobody_in_and_says_so(tmp_path, text):
    (tmp_path / "allowed.json").write_text(text)
    with pytest.raises(KeyFileError, match="not a whole list"):
        allow_list.load(tmp_path / "allowed.json")


def test_a_file_that_holds_no_key_is_not_quoted(tmp_path):
    create(tmp_path / "key")
    secret = load(tmp_path / "key").secret
    (tmp_path / "key").write_text(secret[:-1])
    with pytest.raises(KeyFileError, match="not a secret key") as caught:
        load(tmp_path / "key")
    assert secret[:10] not in str(caught.value)
