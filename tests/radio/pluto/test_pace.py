"""Threads that keep streams running: what they leave behind, and what becomes of whatever goes wrong in them."""

import gc
import threading
import weakref

import pytest

from radio.base import RadioError
from radio.emulation.clock import RealTime
from radio.pluto.stream import Stream
from radio.streaming import threads
from radio.streaming.pump import Pump
from tests.radio.pluto.virtual import Virtual


@pytest.fixture
def bench():
    bench = Virtual(1, rate=1e6, clock=RealTime(), block=16_384)
    yield bench
    bench.close()


def started_again(radio):
    """Break the streams of a radio, and start them again."""
    radio.link.pump.fail(RadioError("planted"))
    with pytest.raises(RadioError, match="planted"):
        radio.receive(10, radio.now())
    radio.receive(10, radio.now())


def test_streams_that_ended_are_not_kept(bench):
    radio = bench.radio(0)
    ended = []
    for _ in range(3):
        ended.append(weakref.ref(radio.link.pump))
        started_again(radio)
    gc.collect()
    assert [pump() for pump in ended] == [None] * 3


def test_a_thread_that_breaks_off_for_whatever_reason_is_a_failed_radio(bench, monkeypatch):
    radio = bench.radio(0)
    at = radio.now()

    def broken(_):
        raise ValueError("planted")

    monkeypatch.setattr(Pump, "pull", broken)
    with pytest.raises(RadioError, match=r"radio ip:127.*stream-hear broke off \(ValueError\('planted'\)\)"):
        radio.receive(2_000_000, at)
    monkeypatch.undo()
    radio.receive(10, radio.now())


def test_buffers_that_a_thread_does_not_leave_are_not_destroyed(bench, monkeypatch, caplog):
    radio, inside, leave = bench.radio(0), threading.Event(), threading.Event()
    pump, push = radio.link.pump, Stream.push

    def stuck(stream, data):
        inside.set()
        leave.wait()
        push(stream, data)

    monkeypatch.setattr(Stream, "push", stuck)
    monkeypatch.setattr(threads, "PATIENCE", 0.25)
    inside.wait()
    _, both = radio.link.pace._threads._running[pump]
    radio.close()
    assert "stream-send must end within 0.5 s, got nothing; its buffers are kept" in caplog.text
    assert pump.stream._sending is not None
    monkeypatch.undo()
    leave.set()
    for thread in both:
        thread.join()
    pump.stream.close()
    radio.link.pace._threads._stuck.clear()


def test_index_and_time_of_streams_that_are_stopped_are_of_the_same_block(bench, monkeypatch):
    radio = bench.radio(0)
    origin = radio.link.streams.shift()

    def after_some_blocks(pump):
        threading.Event().wait(0.2)
        return pump.stream.heard

    monkeypatch.setattr(radio.link.pace, "seconds", after_some_blocks)
    radio.link.stop()
    assert radio.link.streams.end == origin + radio.link.streams._left
