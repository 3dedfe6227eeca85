"""Threads of USRPs: whatever ends one is a failed radio, and streams that one is stuck in are left alone."""

import threading
import time

import pytest

from radio.base import RadioError
from radio.streaming import threads
from radio.usrp.hearing import Hearing
from radio.usrp.pace import FreeRunning
from radio.usrp.sending import Sending
from tests.radio.usrp.virtual import Virtual


@pytest.fixture
def host():
    host = Virtual(1, rate=1e6, block=4096, is_real_time=True)
    host.open(manner=host.manner(pace=FreeRunning(), pause=time.sleep, lead=0.05))
    yield host
    host.close()


def test_a_thread_that_breaks_off_for_whatever_reason_is_a_failed_radio(host, monkeypatch):
    (radio,) = host.radios

    def broken(_stream, _patience):
        raise ValueError("planted")

    monkeypatch.setattr(Hearing, "pull", broken)
    with pytest.raises(RadioError, match=r"radio S0:0 .*usrp-hear broke off \(ValueError\('planted'\)\)"):
        radio.receive(2_000_000, radio.now())
    monkeypatch.undo()
    radio.receive(10, radio.now())


def test_streams_that_a_thread_is_stuck_in_are_not_closed_and_the_next_ones_share_nothing_with_them(
    host, monkeypatch, caplog
):
    (radio,) = host.radios
    inside, leave, pump = threading.Event(), threading.Event(), radio._upkeep.pump
    failures = Sending.failures

    def stuck(stream):
        if stream is pump.sending:
            inside.set()
            leave.wait()
        return failures(stream)

    monkeypatch.setattr(Sending, "failures", stuck)
    inside.wait()
    monkeypatch.setattr(threads, "PATIENCE", 0.25)
    _, both = radio.manner.pace._threads._running[pump]
    pump.fail(RadioError("planted"))
    with pytest.raises(RadioError, match="planted"):
        radio.receive(10, radio.now())
    assert "usrp-send must end within 0.5 s, got nothing" in caplog.text
    assert pump.hearing._streamer is not None
    monkeypatch.setattr(threads, "PATIENCE", 5.0)
    radio.receive(10, radio.now())
    assert radio._upkeep.pump is not pump
    radio.close()
    leave.set()
    for thread in both:
        thread.join()
