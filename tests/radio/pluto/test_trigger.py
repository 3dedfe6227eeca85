"""Streams that start at a pulse, and what happens where the firmware cannot, or the pulse does not come."""

import logging

import numpy as np
import pytest

from radio.base import RadioError
from radio.emulation.clock import RealTime
from radio.emulation.tdd import IDLE
from radio.pluto.contact import connect
from radio.unit import Unit
from tests.radio.pluto.test_faults import arrives, burst, place_of
from tests.radio.pluto.virtual import Virtual
from tests.real_time import real_time


@pytest.fixture
def bench():
    bench = Virtual(2, [Unit(), Unit(start=5000)], rate=1e6, has_tdd=True)
    yield bench
    bench.close()


def offsets(bench, trigger):
    found = []
    for _ in range(3):
        radio = bench.radio(0, trigger=trigger)
        found.append(radio.link.pump.offset)
        radio.close()
    return found


def test_the_offset_that_is_learned_is_none_at_every_start_by_a_pulse_and_random_otherwise(bench):
    assert offsets(bench, "auto") == [0, 0, 0]
    assert len(set(offsets(bench, "off"))) == 3


def test_bursts_leave_at_their_index_on_streams_that_a_pulse_started():
    bench = Virtual(2, rate=1e6, has_tdd=True)
    arrives(bench, bench.radio(0), bench.radio(1))
    bench.close()


@pytest.mark.parametrize("clock", [None, RealTime()], ids=["lock-step", "real-time"])
@real_time
def test_radios_count_from_one_external_pulse(clock):
    """The sender's index is the hearer's, without a beacon to compare them by: to the delay of the air, which is 0."""
    bench = Virtual(2, [Unit(), Unit(start=5000)], rate=1e6, clock=clock, block=16_384, has_tdd=True)
    sender, hearer = (bench.radio(unit, trigger="external") for unit in (0, 1))
    bench.host.call(bench.host.server.bench.pulse)
    for radio in (sender, hearer):
        radio.catch()
    at = max(sender.now(), hearer.now()) + 2 * sender.lead_time
    sender.transmit(burst(), at)
    assert place_of(burst(), hearer.receive(800, at - 100).data) == 100
    bench.close()


def test_a_firmware_that_cannot_is_used_as_it_is_or_refused_with_the_remedy():
    bench = Virtual(1)
    bench.radio(0).close()
    with pytest.raises(RadioError, match=r"radio ip:127.*trigger = external needs .*iio-axi-tdd-0.*0\.39.*= auto"):
        bench.radio(0, trigger="external")
    bench.close()


def test_a_pulse_that_does_not_come_is_an_error_that_says_where_to_look():
    bench = Virtual(1, timeout=0.5, has_tdd=True)
    radio = bench.radio(0, trigger="external")
    with pytest.raises(
        RadioError, match=r"radio ip:127.*within 0\.5 s, got state 1: no pulse came; check its source and the pin"
    ):
        radio.now()
    assert bench.host.units[0].chip.tx_lo_down
    assert bench.host.units[0].tdd.state == IDLE
    bench.close()


@pytest.mark.parametrize("trigger", ["auto", "external"])
def test_a_closed_radio_leaves_its_controller_so_that_streams_of_anybody_start(trigger):
    bench = Virtual(1, has_tdd=True)
    bench.radio(0, trigger=trigger).close()
    unit = bench.host.units[0]
    assert unit.tdd.state == IDLE
    assert unit.tdd.wait("cf-ad9361-lpc") == 0
    bench.close()


def test_a_controller_that_starts_nothing_is_done_without_and_said_to(caplog):
    bench = Virtual(1, timeout=0.5, has_tdd=True)
    bench.host.units[0].tdd.pulse = lambda: None
    with caplog.at_level(logging.WARNING):
        radio = bench.radio(0)
    assert "TDD controller does not start the streams" in caplog.text
    assert np.all(radio.receive(1000, radio.now()).data == 0)
    bench.close()


def test_a_controller_that_somebody_left_waiting_does_not_keep_streams_from_starting(bench):
    bench.radio(0, trigger="off").close()
    _, attributes = connect(bench.host.uris[0], bench.timeout)
    for setting, value in (("tdd_1_polarity", 0.0), ("tdd_enable", 1.0)):
        attributes.put(setting, value)
    assert bench.host.units[0].tdd.wait("cf-ad9361-lpc") is None
    again = bench.radio(0, trigger="off")
    assert again.receive(100, again.now()).data.size == 100
