"""Threads that keep streams running: what ends one is told to whoever waits, one that does not end is not hidden."""

import threading
from dataclasses import dataclass, field

import pytest

from radio.base import RadioError
from radio.streaming import threads
from radio.streaming.threads import Threads, await_count


@dataclass(eq=False)
class Pump:
    failure: RadioError | None = None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def fail(self, error):
        with self.changed:
            self.failure = self.failure or error
            self.changed.notify_all()


def broken(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize("error", [ValueError("planted"), MemoryError("planted"), SystemExit("planted")])
def test_whatever_ends_a_thread_is_a_failure_that_names_radio_and_thread(error):
    pump, running = Pump(), Threads()
    running.start(pump, "R1", {"hear": broken(error)})
    await_count(pump, "R1", lambda: 0, 1, 1e6)
    assert "radio R1: hear broke off" in str(pump.failure)
    assert pump.failure.__cause__ is error
    assert running.stop(pump, "R1", lambda: None)


def test_an_error_of_the_radio_is_told_as_it_is():
    pump, running, error = Pump(), Threads(), RadioError("radio R1: planted")
    running.start(pump, "R1", {"hear": broken(error)})
    await_count(pump, "R1", lambda: 0, 1, 1e6)
    assert pump.failure is error
    assert running.stop(pump, "R1", lambda: None)


def test_what_breaks_because_it_was_stopped_is_no_failure():
    pump, running, stopped = Pump(), Threads(), threading.Event()

    def cut_off():
        stopped.wait()
        raise RadioError("the buffer was cancelled")

    running.start(pump, "R1", {"hear": cut_off})
    assert running.stop(pump, "R1", stopped.set)
    assert pump.failure is None


def test_a_thread_that_does_not_end_is_named_and_its_streams_may_not_be_closed(monkeypatch, caplog):
    pump, running, leave = Pump(), Threads(), threading.Event()
    inside = threading.Event()

    def stuck():
        inside.set()
        leave.wait()

    monkeypatch.setattr(threads, "PATIENCE", 0.05)
    running.start(pump, "R1", {"send": stuck, "hear": lambda: None})
    inside.wait()
    _, both = running._running[pump]
    assert not running.stop(pump, "R1", lambda: None)
    assert "radio R1: send must end within 0.1 s, got nothing" in caplog.text
    leave.set()
    for thread in both:
        thread.join()


def test_samples_that_do_not_come_are_a_failure_that_says_how_many(monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE", 0.05)
    pump = Pump()
    await_count(pump, "R1", lambda: 3, 10, 1e6)
    assert "radio R1: 7 samples must come within 0.1 s, got fewer" in str(pump.failure)
