"""When a round begins, and what is still known of radios whose time runs on."""

from dataclasses import dataclass

import pytest

from fl.calibrated import Dropped
from fl.radio_config import Waveform
from fl.radios import modem
from fl.uplink.waveform.agent import Clock
from fl.uplink.waveform.stations import Stations
from radio.base import OverrunError

ABOUT = modem(Waveform(), 2.4e9)
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
    return Stations(ABOUT, radios[0], lambda agent: radios[agent + 1], runs_on), radios


def test_where_time_stands_every_round_begins_at_its_own_instant():
    found, radios = stations(runs_on=False)
    radios[0].time = 10 * ABOUT.period
    assert found.begin(3, (0, 1)) == found.due(3)


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
    for agent in (0, 1):
        found.learn_clock(agent, KNOWN)
    radios[broken].is_broken = True
    found.begin(0, (0, 1))
    assert radios[broken].session == "2"
    assert [found.clock(0), found.clock(1)] == ([None, None] if broken == 0 else [KNOWN, None])


def test_nothing_is_known_of_the_clock_of_an_agent_that_calibration_leaves_out():
    found, radios = stations()
    left_out = set()

    def radio_of(agent):
        if agent in left_out:
            raise Dropped("left out by calibration: too weak")
        return radios[agent + 1]

    found.radio_of = radio_of
    found.learn_clock(0, KNOWN)
    left_out.add(0)
    assert found.clock(0) is None
    found.learn_clock(0, KNOWN)
    left_out.clear()
    assert found.clock(0) is None
    found.learn_clock(0, KNOWN)
    assert found.clock(0) == KNOWN


def test_every_break_is_counted_once():
    found, _ = stations()
    found.breaks = lambda: 3
    assert [found.new_breaks(), found.new_breaks()] == [3, 0]
