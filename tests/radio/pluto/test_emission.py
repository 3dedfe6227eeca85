"""Only a silence that was read back counts: until then a radio is silenced again, by every call and by its watchdog."""

import threading

import numpy as np
import pytest

from radio import exits
from radio.base import ContactError, RadioError
from radio.emulation.protocol import Address
from radio.pluto import link as pluto_link
from radio.pluto.attributes import Attributes
from tests.radio.pluto.test_safety import chip, sound
from tests.radio.pluto.virtual import Virtual

WITHIN = 30.0  # seconds in which a watchdog has made all of its tries
POWERDOWN = Address("ad9361-phy", "OUTPUT", "altvoltage1", "powerdown")
ATTENUATION = Address("ad9361-phy", "OUTPUT", "voltage0", "hardwaregain")


@pytest.fixture
def bench():
    bench = Virtual(1)
    yield bench
    bench.close()


def unplugged(bench, radio):
    """Let a radio send, and find out that it is gone."""
    sound(bench, radio)
    bench.host.units[0].faults.unplug()
    with pytest.raises(ContactError, match="may still be transmitting, take its power away"):
        radio.receive(100, radio.now())
    assert not chip(bench).tx_lo_down


def interrupt(monkeypatch):
    """Let the next silencing be interrupted by Ctrl-C."""
    silence = pluto_link.silence

    def interrupted(_):
        monkeypatch.setattr(pluto_link, "silence", silence)
        raise KeyboardInterrupt

    monkeypatch.setattr(pluto_link, "silence", interrupted)


@pytest.mark.parametrize("how", ["mute", "close"])
def test_a_radio_whose_silencing_failed_is_silenced_as_soon_as_it_can_be_reached(bench, how):
    radio = bench.radio(0)
    unplugged(bench, radio)
    for _ in range(2):
        with pytest.raises(ContactError, match="may still be transmitting"):
            getattr(radio, how)()
    bench.host.units[0].faults.plug()
    getattr(radio, how)()
    assert bench.is_silenced(0)


def test_a_radio_that_never_sent_may_be_closed_although_it_is_gone(bench):
    radio = bench.radio(0)
    bench.host.units[0].faults.unplug()
    radio.close()
    with pytest.raises(RadioError, match="is closed"):
        radio.receive(100, 0)


def test_the_watchdog_goes_on_where_closing_failed(bench):
    radio = bench.radio(0, guarded=True)
    process = radio._transmitter._watchdog._process
    unplugged(bench, radio)
    with pytest.raises(ContactError, match="may still be transmitting"):
        radio.close()
    bench.host.units[0].faults.plug()
    assert process.wait(WITHIN) == 0
    assert bench.is_silenced(0)


def test_the_watchdog_goes_on_where_closing_was_interrupted(bench, monkeypatch):
    radio = bench.radio(0, guarded=True)
    process = radio._transmitter._watchdog._process
    sound(bench, radio)
    interrupt(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        radio.close()
    assert process.wait(WITHIN) == 0
    assert bench.is_silenced(0)


def test_the_watchdog_leaves_a_radio_alone_that_was_closed(bench):
    radio = bench.radio(0, guarded=True)
    process = radio._transmitter._watchdog._process
    sound(bench, radio)
    radio.close()
    assert process.returncode == 0
    assert radio not in exits._open


def test_closing_that_was_interrupted_can_be_done_again(bench, monkeypatch):
    radio = bench.radio(0)
    sound(bench, radio)
    interrupt(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        radio.close()
    assert radio in exits._open
    assert not bench.is_silenced(0)
    radio.close()
    assert bench.is_silenced(0)
    assert radio not in exits._open


def test_a_radio_whose_failure_was_being_dealt_with_at_an_interrupt_is_silenced_by_close(bench, monkeypatch):
    radio = bench.radio(0)
    sound(bench, radio)
    bench.host.call(bench.host.units[0].faults.overflow)
    interrupt(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        radio.receive(100, radio.now())
    assert not bench.is_silenced(0)
    radio.close()
    assert bench.is_silenced(0)


def test_muting_is_an_error_until_the_mixer_reads_back_without_power(bench):
    radio = bench.radio(0)
    sound(bench, radio)
    bench.host.units[0].faults.read_back[POWERDOWN] = "0"
    for _ in range(2):
        with pytest.raises(RadioError, match="may still be transmitting"):
            radio.mute()
    chip(bench).tx_lo_down = False
    bench.mend()
    radio.mute()
    assert bench.is_silenced(0)


def test_bursts_are_sent_again_once_the_attenuation_takes(bench):
    radio = bench.radio(0)
    bench.host.units[0].faults.read_back[ATTENUATION] = "-10.000000 dB"
    for _ in range(2):
        with pytest.raises(RadioError, match=r"tx_gain_db must read back .* got -10 dB"):
            sound(bench, radio)
        assert bench.is_silenced(0)
    bench.mend()
    sound(bench, radio)


@pytest.mark.parametrize("error", [RadioError("planted"), KeyboardInterrupt()])
def test_a_mixer_that_is_interrupted_while_it_gets_power_is_silenced(bench, monkeypatch, error):
    radio = bench.radio(0)
    put = Attributes.put

    def failing(attributes, setting, value, tolerance=0.0):
        if setting == "tx_gain_db" and value == 0.0:
            monkeypatch.setattr(Attributes, "put", put)
            raise error
        return put(attributes, setting, value, tolerance)

    monkeypatch.setattr(Attributes, "put", failing)
    with pytest.raises(type(error)):
        radio.transmit(np.full(100, 0.5, np.complex64), radio.now() + radio.lead_time)
    assert bench.is_silenced(0)
    sound(bench, radio)


def test_a_radio_whose_watchdog_dies_while_it_sends_is_silenced_by_the_next_burst(bench):
    radio = bench.radio(0, guarded=True)
    sound(bench, radio)
    process = radio._transmitter._watchdog._process
    process.kill()
    process.wait()
    with pytest.raises(RadioError, match=r"its watchdog has ended .*nothing may be sent without"):
        radio.transmit(np.full(100, 0.5, np.complex64), radio.now() + radio.lead_time)
    assert bench.is_silenced(0)


def test_a_radio_that_is_muted_while_a_burst_is_handed_over_sends_nothing_when_that_returns(bench, monkeypatch):
    radio, put = bench.radio(0), Attributes.put
    muting = threading.Thread(target=radio.mute)

    def put_and_mute(attributes, setting, value, tolerance=0.0):
        if setting == "tx_lo_powerdown" and value == 0.0:
            muting.start()
            muting.join(0.3)  # it has this long to get in between
        return put(attributes, setting, value, tolerance)

    monkeypatch.setattr(Attributes, "put", put_and_mute)
    radio.transmit(np.full(20_000, 0.5, np.complex64), radio.now() + radio.lead_time)
    muting.join()
    assert bench.is_silenced(0)
    radio.receive(2 * radio.lead_time, radio.now())
    assert bench.emitted(0) == 0


def test_muting_has_the_last_word_over_unmuting_that_still_waits(bench, monkeypatch):
    radio = bench.radio(0)
    sound(bench, radio)
    radio.mute()
    wait = radio.link.streams.wait

    def wait_and_mute(heard):
        wait(heard)
        radio.mute()

    monkeypatch.setattr(radio.link.streams, "wait", wait_and_mute)
    radio.unmute()
    radio.transmit(np.full(100, 0.5, np.complex64), radio.now() + radio.lead_time)
    assert bench.is_silenced(0)
