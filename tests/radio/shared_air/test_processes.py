"""Units in processes of their own: what they hear, and what becomes of the others when one ends, stops or starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from radio.loopback import LoopbackRadio
from radio.shared_air.radio import state_of
from tests.radio.shared_air.device import do
from tests.radio.shared_air.host import ABOUT, Host, drifting_air

ROOT = Path(__file__).parents[3]
CALL = [(0, "transmit", 1, 1000), (0, "expect", [1, 2, 3])]
ROUND = [
    *((unit, "transmit", 1 + unit, 5000 + 200 * unit) for unit in (1, 2, 3)),
    *((unit, "receive", 3000, 1000 + 100 * unit) for unit in (1, 2, 3)),
    *((unit, "deliver") for unit in (1, 2, 3)),
    (0, "receive", 4000, 4500),
]
LOOKS = 5000
ORDERS = (0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)
"""Sums of two are the same in whatever order, those of three are not."""


class Device:
    """A process with a unit."""

    def __init__(self, uri, unit):
        self.unit = unit
        command = [sys.executable, "-m", "tests.radio.shared_air.device", uri, str(unit), json.dumps(ABOUT)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": "."},
        )

    def tell(self, *call):
        self.process.stdin.write(json.dumps(call) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, *call):
        self.tell(*call)
        return self.answer()

    def end(self):
        self.process.kill()
        self.process.communicate()


class Bench:
    """An air and the devices on it."""

    def __init__(self, step_timeout=60.0):
        self.host = Host(drifting_air(), 4, step_timeout=step_timeout)
        self.devices = []

    def open(self, *units):
        opened = [Device(self.host.uri, unit) for unit in units]
        self.devices += opened
        return opened

    def until(self, condition):
        """Wait until the air is in some state, a few thousand looks at most."""
        for _ in range(LOOKS):
            state = state_of(self.host.uri)
            if condition(state):
                return state
        raise AssertionError(f"the air never came there; it is {state}")

    def close(self):
        for device in self.devices:
            device.end()
        self.host.close()


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def impatient():
    bench = Bench(step_timeout=0.5)
    yield bench
    bench.close()


def opened(bench, *units):
    devices = bench.open(*units)
    assert [device.answer() for device in devices] == ["open"] * len(units)
    return devices


@pytest.fixture(scope="module")
def alone():
    """What each unit hears when one process does everything in turn."""
    air = drifting_air()
    radios = [LoopbackRadio(air, unit) for unit in range(4)]
    heard = {}
    for unit, method, *arguments in CALL + ROUND:
        if method not in ("expect", "deliver"):
            heard.setdefault(unit, []).append(do(radios[unit], method, *arguments))
    return {unit: [found for found in answers if found is not None] for unit, answers in heard.items()}


def test_processes_hear_what_one_process_hears_to_the_bit_in_whatever_order_they_come(alone):
    for order in ORDERS:
        bench = Bench()
        try:
            devices = opened(bench, 0, 1, 2, 3)
            for unit, *call in CALL:
                devices[unit].ask(*call)
            for unit in order:
                calls = [call for who, *call in ROUND if who == unit]
                for call in calls:
                    devices[unit].tell(*call)
                bench.until(lambda state, unit=unit: unit in state.waiting or unit not in state.owing)
            for unit, device in enumerate(devices):
                answers = [device.answer() for who, *_ in ROUND if who == unit]
                assert [found for found in answers if found is not None] == alone[unit]
        finally:
            bench.close()


def test_nobody_hears_past_a_unit_that_owes_and_a_killed_one_frees_them_at_once(bench):
    server, agent, other = opened(bench, 0, 1, 2)
    assert server.ask("expect", [1, 2]) == []
    server.tell("receive", 1000, 5000)
    other.ask("deliver")
    state = bench.until(lambda state: 0 in state.waiting)
    assert (state.owing, state.frontier) == ((1,), 0.0)
    agent.process.kill()
    assert server.answer()[0] == 5000
    assert bench.until(lambda state: state.connected == (0, 2)).hung == ()


def test_a_stopped_process_is_given_up_and_may_not_send_until_it_is_expected_again(impatient):
    server, agent = opened(impatient, 0, 1)
    agent.process.send_signal(signal.SIGSTOP)
    server.ask("expect", [1])
    assert server.ask("receive", 1000, 5000)[0] == 5000
    assert impatient.until(lambda state: state.hung == (1,)).owing == ()
    agent.process.send_signal(signal.SIGCONT)
    kind, name, text = agent.ask("transmit", 2, 50_000)
    assert (kind, name) == ("error", "LateError")
    assert "was given up" in text
    assert server.ask("expect", [1]) == []
    assert agent.ask("transmit", 2, 50_000) is None


def test_who_sends_into_what_was_heard_is_late_as_in_one_process(bench):
    server, agent = opened(bench, 0, 1)
    server.ask("receive", 1000, 5000)
    assert agent.ask("transmit", 2, 3000)[1] == "LateError"


def test_a_unit_is_had_by_one_process_at_a_time_and_again_when_that_is_dead(bench):
    (first,) = opened(bench, 1)
    (second,) = bench.open(1)
    kind, name, text = second.answer()
    assert (kind, name) == ("error", "RadioError")
    assert f"open in process {first.process.pid}" in text
    now = first.ask("now")
    first.end()
    (third,) = opened(bench, 1)
    assert third.ask("now") == now


def test_when_the_air_goes_away_whoever_waits_is_told_what_to_do(bench):
    server, agent = opened(bench, 0, 1)
    server.ask("expect", [1])
    server.tell("receive", 1000, 5000)
    bench.until(lambda state: 0 in state.waiting)
    bench.host.close()
    kind, name, text = server.answer()
    assert (kind, name) == ("error", "LostRadioError")
    assert "start airmeta radio air" in text
    assert agent.ask("now")[1] == "LostRadioError"
