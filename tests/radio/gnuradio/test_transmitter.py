"""The transmitter of a unit where something goes wrong half-way: only a silence that was confirmed counts."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from radio.base import RadioError
from radio.gnuradio.controls import Digital
from radio.settings import Change, SettingError
from radio.unit import Unit
from tests.radio.gnuradio.behind import CARRIER, RATE, channel_of, digital, radios

OTHER = 0.2  # seconds in which another thread does what it can


@dataclass
class Switched(Digital):
    """Controls of a radio with a switch, which can fail."""

    cuts_off: bool = True
    fails: set[str] = field(default_factory=set)
    is_on: bool = False

    def _check(self, what):
        if what in self.fails:
            raise RadioError(f"planted: {what}")

    def switch_on(self):
        self.is_on = True
        self._check("switch_on")

    def silence(self):
        self._check("silence")
        self.is_on = False

    def apply(self, change, after, is_sending):
        if after.tx_attenuation_db in self.fails:
            raise SettingError(f"planted: {after.tx_attenuation_db}")
        return super().apply(change, after, is_sending)


@pytest.fixture
def pair():
    """Return a radio with a switch, its controls, and one that hears it."""
    controls = [Switched("unit 0", CARRIER, RATE), *digital(1)]
    graph = channel_of([Unit(), Unit()], controls=controls)
    sender, hearer = radios(graph)
    yield sender, controls[0], hearer
    controls[0].fails.clear()
    graph.close()


def transmit(radio):
    at = radio.now() + radio.lead_time + 100
    radio.transmit(np.full(2000, 0.5, np.complex64), at)
    return at


@pytest.mark.parametrize("how", ["mute", "close"])
def test_a_silence_that_failed_is_tried_again_by_every_call(pair, how):
    sender, controls, _ = pair
    transmit(sender)
    controls.fails.add("silence")
    for _ in range(2):
        with pytest.raises(RadioError, match="planted: silence"):
            getattr(sender, how)()
    controls.fails.clear()
    getattr(sender, how)()
    assert not controls.is_on


def test_a_switch_that_went_half_way_is_taken_back_and_pressed_again_by_the_next_burst(pair):
    sender, controls, hearer = pair
    controls.fails.add("switch_on")
    with pytest.raises(RadioError, match="planted: switch_on"):
        transmit(sender)
    assert not controls.is_on
    controls.fails.clear()
    assert np.abs(hearer.receive(1000, transmit(sender) + 500).data).min() > 0.1
    assert controls.is_on


def test_who_mutes_while_a_burst_is_on_its_way_into_the_queue_has_the_last_word(pair, monkeypatch):
    sender, controls, hearer = pair
    muting, switch_on = threading.Thread(target=sender.mute), Switched.switch_on

    def meanwhile(self):
        muting.start()
        muting.join(OTHER)
        switch_on(self)

    monkeypatch.setattr(Switched, "switch_on", meanwhile)
    at = transmit(sender)
    muting.join()
    assert not controls.is_on
    assert not np.abs(hearer.receive(3000, at - 100).data).any()


def test_a_setting_that_cannot_be_taken_back_is_a_failed_flowgraph(pair):
    sender, controls, _ = pair
    transmit(sender)
    session = sender.session
    controls.fails |= {0.0, 6.0}
    with pytest.raises(RadioError, match=r"planted: 6.0; nor is it as before \(planted: 0.0\)"):
        sender.configure(Change(tx_attenuation_db=6.0))
    assert not controls.is_on
    controls.fails.clear()
    sender.receive(10, sender.now())
    assert sender.session != session
