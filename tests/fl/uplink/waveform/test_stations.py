"""When a round begins, and what is still known of radios whose time runs on."""

from dataclasses import dataclass

import pytest
import torch

from fl.calibrated import Dropped
from fl.radio_config import Waveform
from fl.radios import modem
from fl.uplink.codec import Codec
from fl.uplink.waveform.agent import Clock
from fl.uplink.waveform.agent_role import WaveformAgent
from fl.uplink.waveform.stations import ServerStation
from radio.base import OverrunError

ABOUT = modem(Waveform(), 2.4e9)
CODEC = Codec(100, 40, "partial_dft", "oamp", "bernoulli_gaussian", 1)
KNOWN = Clock(0.0, 0, 0.0)


@dataclass
class Running:
    """A radio whose time a test sets; a broken one is opened again at the call after the one that finds out."""

    time: int = 0
    lead_time: int = 1000
    session: str = "1"
    is_broken: bool = False

    def now(self):
        if self.is_broken == "found":
            self.is_broken, self.session = False, "2"
        return self.time

    def receive(self, count, at):
        if self.is_broken:
            self.is_broken = "found"
            raise OverrunError("lost")


def stations(runs_on=True):
    radios = [Running() for _ in range(3)]
    return ServerStation(ABOUT, lambda: radios[0], runs_on), radios


def agent_of(radio, runs_on=True):
    return WaveformAgent(CODEC, 10, ABOUT, radio, runs_on)


def test_where_time_stands_every_round_begins_at_its_own_instant():
    found, radios = stations(runs_on=False)
    radios[0].time = 3 * ABOUT.period
    assert found.begin(3, (0, 1)) == found.due(3)
    assert found.begin(7, (0, 1)) == found.due(7)


def test_an_instant_that_has_gone_by_makes_this_round_and_all_after_it_later():
    """As for a server that was started again and does a round once more, on an air that has gone on."""
    found, radios = stations(runs_on=False)
    radios[0].time = 10 * ABOUT.period
    assert [found.begin(index, (0, 1)) for index in (3, 4)] == [found.due(10), found.due(11)]


@pytest.mark.parametrize("passed", [0.0, 0.5, 7.9, 8.1])
def test_where_time_runs_on_a_round_begins_in_the_first_period_that_can_be_reached(passed):
    found, radios = stations()
    radios[0].time = round(passed * ABOUT.period)
    start = found.begin(0, (0, 1))
    assert start >= radios[0].time + radios[0].lead_time
    assert start - ABOUT.period < radios[0].time + radios[0].lead_time
    assert (start - found.due(0)) % ABOUT.period == 0


def test_no_two_rounds_begin_in_one_period():
    found, _ = stations()
    starts = [found.begin(index, (0, 1)) for index in (5, 6, 7)]
    assert starts == [found.due(0), found.due(1), found.due(2)]


@pytest.mark.parametrize("broken", [0, 2])
def test_streams_that_broke_are_started_again_ahead_of_the_beacon_and_their_clocks_forgotten(broken):
    found, radios = stations()
    agents = [agent_of(lambda radio=radio: radio) for radio in radios[1:]]
    for agent in agents:
        agent.remember(KNOWN, radios[0].session)
    radios[broken].is_broken = True
    for agent in agents:
        agent.offer(torch.zeros(100), 0)
    found.begin(0, (0, 1))
    assert radios[broken].session == "2"
    for agent in agents:
        agent.forget_unless(radios[0].session)
    assert [agent.clock for agent in agents] == ([None, None] if broken == 0 else [KNOWN, None])


def test_nothing_is_known_of_the_clock_of_an_agent_that_calibration_leaves_out():
    left_out, radio = set(), Running()

    def radio_of():
        if left_out:
            raise Dropped("left out by calibration: too weak")
        return radio

    agent = agent_of(radio_of)
    agent.remember(KNOWN, "1")
    left_out.add(0)
    for act in (agent.forget_unless, lambda server: agent.remember(KNOWN, server)):
        with pytest.raises(Dropped):
            act("1")
        assert agent.clock is None
    left_out.clear()
    agent.forget_unless("1")
    assert agent.clock is None
    agent.remember(KNOWN, "1")
    agent.forget_unless("1")
    assert agent.clock == KNOWN


def test_every_break_is_counted_once():
    found, _ = stations()
    found.breaks = lambda: 3
    assert [found.new_breaks(), found.new_breaks()] == [3, 0]
