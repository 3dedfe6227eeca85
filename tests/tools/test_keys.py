import json
import os
import stat

import pytest

from fl.control.keys import load, new_pair, public_path
from tests.tools.cli import call, refused


def keys(folder, verb, *rest):
    """Return the arguments of `airmeta keys` for the files of a folder."""
    options = {"new": ["--key"], "list": ["--key", "--allowed"], "allow": ["--allowed"], "revoke": ["--allowed"]}[verb]
    places = {"--key": folder / "key", "--allowed": folder / "allowed.json"}
    return ["keys", verb, *rest, *(part for name in options for part in (name, places[name]))]


def test_a_new_key_is_for_its_owner_alone_and_its_secret_is_shown_nowhere(tmp_path):
    old = os.umask(0)
    try:
        result = call(*keys(tmp_path, "new"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    pair = load(tmp_path / "key")
    assert result.stdout.strip() == pair.public == public_path(tmp_path / "key").read_text().strip()
    shown = result.output + repr(pair)
    shown += "".join(call(*keys(tmp_path, "list", *form)).output for form in ([], ["--json"]))
    assert pair.public in shown
    assert pair.secret not in shown


def test_a_key_is_not_replaced(tmp_path):
    call(*keys(tmp_path, "new"))
    before = (tmp_path / "key").read_text()
    refused(*keys(tmp_path, "new"), says="there is a key already")
    assert (tmp_path / "key").read_text() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_key_that_others_may_read_is_refused_with_the_remedy(tmp_path, mode):
    call(*keys(tmp_path, "new"))
    (tmp_path / "key").chmod(mode)
    refused(*keys(tmp_path, "list"), says=f"chmod 600 {tmp_path / 'key'}")


def test_keys_are_allowed_listed_and_revoked(tmp_path):
    public = call(*keys(tmp_path, "new")).stdout.strip()
    call(*keys(tmp_path, "allow", public, "--name", "bench-3", "--agent", "3"))
    listed = json.loads(call(*keys(tmp_path, "list", "--json")).output)
    (entry,) = listed["allowed"]
    assert (entry["key"], entry["name"], entry["agents"]) == (public, "bench-3", [3])
    call(*keys(tmp_path, "revoke", "bench-3"))
    assert json.loads(call(*keys(tmp_path, "list", "--json")).output)["allowed"] == []
    refused(*keys(tmp_path, "revoke", "bench-3"), says="airmeta keys list")


def test_what_is_no_key_is_not_allowed(tmp_path):
    refused(*keys(tmp_path, "allow", "short", "--name", "a"), says="40 characters")
    assert not (tmp_path / "allowed.json").exists()


def test_no_public_key_can_be_taken_for_an_option(monkeypatch):
    drawn = iter([(b"-" + b"a" * 39, b"s" * 40), (b"b" * 40, b"t" * 40)])
    monkeypatch.setattr("zmq.curve_keypair", lambda: next(drawn))
    assert new_pair().public == "b" * 40


@pytest.mark.parametrize("wrong", ["tcp://a", "5555", "udp://a:1", "tcp://a:70000", "tcp://a b:1", "tcp://:1"])
def test_an_address_that_is_none_is_refused_with_its_form(wrong):
    for words in (["serve", "--listen", wrong], ["device", "--id", "0", "--server", wrong]):
        verb, *rest = words
        refused(verb, "experiments/quickstart.toml", *rest, "--plaintext", says="an address is tcp://HOST:PORT")
    refused("status", wrong, "--plaintext", says="an address is tcp://HOST:PORT")


def test_a_server_key_that_is_neither_a_file_nor_a_key_is_called_so(tmp_path):
    missing = tmp_path / "server.pub"
    refused("status", "tcp://127.0.0.1:1", "--server-key", missing, says="is neither a file nor a public key")
