"""The watchdog itself: it starts or says why not, tries whatever happens, and ends when it is told to."""

import io
import signal
import sys

import pytest

from radio.base import RadioError
from radio.pluto import watchdog
from radio.pluto.watchdog import QUIT, TRIES, Watchdog
from tests.drivers import need_libiio


class Pipe:
    """Of text, but the bytes are what counts."""

    def __init__(self, data=b""):
        self.buffer = io.BytesIO(data)

    def flush(self):
        pass


@pytest.fixture
def parent(monkeypatch):
    """Return what lets a watchdog of this process live through what its parent says."""
    need_libiio()
    monkeypatch.setattr(watchdog, "PAUSE", 0.0)
    monkeypatch.setattr(sys, "argv", ["watchdog", "ip:1"])
    monkeypatch.setattr(sys, "stdout", Pipe())

    def says(data, mute):
        monkeypatch.setattr(sys, "stdin", Pipe(data))
        monkeypatch.setattr(watchdog, "mute", mute)
        watchdog.main()

    return says


@pytest.mark.parametrize("error", [RadioError("no answer"), OSError("no route"), ValueError("no number")])
def test_it_tries_again_whatever_goes_wrong(parent, error):
    tries = []

    def mute(uri, timeout):
        tries.append(uri)
        if len(tries) < 3:
            raise error

    parent(b"", mute)
    assert tries == ["ip:1"] * 3


def test_it_gives_up_in_the_end_and_says_so_by_its_exit_status(parent):
    tries = []

    def mute(uri, timeout):
        tries.append(uri)
        raise RadioError("no answer")

    with pytest.raises(SystemExit, match="1"):
        parent(b"", mute)
    assert len(tries) == TRIES


def test_it_mutes_nothing_when_told_to_leave(parent):
    parent(QUIT, lambda uri, timeout: pytest.fail("muted"))


def stub(monkeypatch, folder, text):
    """Let every Python that is started find something else in place of libiio."""
    (folder / "iio.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_one_that_hangs_while_it_starts_is_an_error_and_is_ended(monkeypatch, tmp_path):
    stub(monkeypatch, tmp_path, "import time\ntime.sleep(600)\n")
    monkeypatch.setattr(watchdog, "START_TIMEOUT", 0.2)
    with pytest.raises(RadioError, match=r"radio ip:1: the watchdog, .* does not start"):
        Watchdog("ip:1")


def test_one_that_does_not_leave_is_ended(monkeypatch, tmp_path, caplog):
    stub(monkeypatch, tmp_path, "")
    monkeypatch.setattr(watchdog, "END_TIMEOUT", 0.2)
    found = Watchdog("ip:1")
    found._process.send_signal(signal.SIGSTOP)
    found.leave()
    assert "does not end, and is killed" in caplog.text
    assert found._process.returncode == -signal.SIGKILL
