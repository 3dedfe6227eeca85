"""What becomes of radios at the end of the process."""

import threading

import pytest

from radio import exits
from radio.base import RadioError


class Radio:
    """Something to be closed, and what that takes."""

    def __init__(self, close):
        self.close = close


@pytest.fixture
def opened(monkeypatch):
    monkeypatch.setattr(exits, "_open", set())

    def register(close):
        exits._open.add(Radio(close))

    return register


def test_a_radio_that_does_not_answer_keeps_none_of_the_others_sending(opened):
    """Each waits until all the others are being closed: one after the other, that would take for ever."""
    together = threading.Barrier(3, timeout=10)
    closed = []
    for _ in range(3):
        opened(lambda: closed.append(together.wait()))
    exits._close_all()
    assert sorted(closed) == [0, 1, 2]


def test_radios_that_cannot_be_closed_are_told_of_after_the_others_are_closed(opened, caplog):
    closed = []

    def fail():
        raise RadioError("may still be transmitting")

    for close in (fail, fail, lambda: closed.append(True)):
        opened(close)
    with pytest.raises(RadioError, match="may still be transmitting"):
        exits._close_all()
    assert closed == [True]
    assert caplog.text.count("may still be transmitting") == 1
