"""The transmitter of a USRP where something goes wrong half-way: only a gain that reads back least is silence."""

import threading

import numpy as np
import pytest

from radio import exits
from radio.base import LostRadioError, RadioError
from radio.safety import Authorisation, NotAuthorisedError
from radio.settings import Change, SettingError
from tests.radio.usrp.bench import Channel
from tests.radio.usrp.virtual import CARRIER, Virtual

MOST, LEAST = 60.0, 0.0
OTHER = 0.2  # seconds in which another thread does what it can


@pytest.fixture
def host():
    host = Virtual(2)
    host.open()
    yield host
    host.close()


def transmit(radio):
    at = radio.now() + radio.lead_time
    radio.transmit(np.full(2000, 0.5, np.complex64), at)
    return at


def sound(radio, hearer):
    assert np.abs(hearer.receive(1000, transmit(radio) + 500).data).min() > 0.1


def before(monkeypatch, part, setting, action):
    """Do something ahead of every setting of a channel, with its value."""
    put = Channel.put

    def noted(self, name, value):
        if self is part and name == setting:
            action(value)
        put(self, name, value)

    monkeypatch.setattr(Channel, "put", noted)


def test_who_mutes_while_a_burst_is_on_its_way_into_the_queue_has_the_last_word(host, monkeypatch):
    radio, hearer = host.radios
    part, muting = host.parts[0], threading.Thread(target=radio.mute)

    def meanwhile(gain):
        if gain == MOST:
            muting.start()
            muting.join(OTHER)

    before(monkeypatch, part, "tx_gain", meanwhile)
    transmit(radio)
    muting.join()
    hearer.receive(4 * radio.lead_time, hearer.now())
    assert part.tx_gain == LEAST
    assert not part.radiated


def test_a_gain_that_was_raised_but_not_confirmed_is_lowered_again_and_raised_by_the_next_burst(host, monkeypatch):
    radio, hearer = host.radios
    part, put, fails = host.parts[0], Channel.put, [True]

    def failing(self, name, value):
        put(self, name, value)
        if self is part and (name, value) == ("tx_gain", MOST) and fails.pop(0):
            raise RuntimeError("RuntimeError: fifo ctrl timed out looking for acks")

    monkeypatch.setattr(Channel, "put", failing)
    with pytest.raises(RadioError, match=r"radio S0:0 .*UHD failed at tx_gain"):
        transmit(radio)
    assert part.tx_gain == LEAST
    fails.append(False)
    sound(radio, hearer)
    assert part.tx_gain == MOST


def test_a_gain_that_can_be_lowered_only_later_is_lowered_by_the_next_mute(host):
    radio, hearer = host.radios
    sound(radio, hearer)
    host.parts[0].refuses.add("tx_gain")
    for _ in range(2):
        with pytest.raises(RadioError, match="gain could not be lowered"):
            radio.mute()
    host.parts[0].refuses.clear()
    radio.mute()
    assert host.parts[0].tx_gain == LEAST


def test_a_radio_that_has_failed_is_silenced_by_the_next_mute(host):
    radio, hearer = host.radios
    sound(radio, hearer)
    host.parts[0].refuses |= {"tx_gain", "samples"}
    with pytest.raises(RadioError, match="gain could not be lowered"):
        radio.receive(10, radio.now())
    assert host.parts[0].tx_gain == MOST
    host.parts[0].refuses.clear()
    radio.mute()
    assert host.parts[0].tx_gain == LEAST


def test_closing_is_tried_again_until_the_gain_has_gone_down(host):
    radio, hearer = host.radios
    sound(radio, hearer)
    host.parts[0].refuses.add("tx_gain")
    for _ in range(2):
        with pytest.raises(RadioError, match="gain could not be lowered"):
            radio.close()
    assert radio in exits._open
    host.parts[0].refuses.clear()
    radio.close()
    assert host.parts[0].tx_gain == LEAST
    assert radio not in exits._open


def test_a_mixer_is_tuned_at_the_least_gain_only(host, monkeypatch):
    radio, hearer = host.radios
    part, gains = host.parts[0], []
    sound(radio, hearer)
    before(monkeypatch, part, "tx_freq", lambda _: gains.append(part.tx_gain))
    radio.configure(Change(lo_offset_hz=1e5, tx_attenuation_db=6.0))
    assert gains == [LEAST]
    assert part.tx_gain == MOST - 6


def test_a_retune_that_is_refused_leaves_carrier_and_level_as_they_were(host):
    radio, hearer = host.radios
    part = host.parts[0]
    sound(radio, hearer)
    part.stubborn["rx_freq"] = CARRIER
    with pytest.raises(SettingError, match="the rx mixer must read back"):
        radio.configure(Change(lo_offset_hz=1e5, tx_attenuation_db=6.0))
    assert (part.tx_freq, part.tx_gain) == (CARRIER, MOST)
    assert (radio.settings.lo_offset_hz, radio.settings.tx_attenuation_db) == (0, 0)


def test_a_mixer_that_cannot_be_tuned_back_is_a_failed_radio_that_is_silent_until_it_is(host):
    radio, hearer = host.radios
    part, session = host.parts[0], radio.session
    sound(radio, hearer)
    part.stubborn["tx_freq"] = CARRIER + 5e6
    with pytest.raises(RadioError, match=r"tx mixer must read back 2400100000 .*nor is it as before .*2400000000 Hz"):
        radio.configure(Change(lo_offset_hz=1e5))
    assert part.tx_gain == LEAST
    assert part.rx_next is None
    with pytest.raises(LostRadioError, match="tx mixer must read back 2400000000"):
        transmit(radio)
    assert part.tx_gain == LEAST
    part.stubborn.clear()
    part.tx_freq = CARRIER + 5e6
    hearer.receive(10, radio.now())
    sound(radio, hearer)
    assert part.tx_freq == CARRIER
    assert radio.session != session


def test_a_radio_that_does_not_send_yet_is_not_tuned_out_of_its_band_either():
    host = Virtual(2)
    radio, _ = host.open(allowed=Authorisation("cable", CARRIER - 2.5e6, CARRIER + 2.5e6))
    host.notes.calls.clear()
    with pytest.raises(NotAuthorisedError, match="must lie inside"):
        radio.configure(Change(lo_offset_hz=1e6))
    assert "set_tx_freq" not in host.notes.names()
    host.close()
