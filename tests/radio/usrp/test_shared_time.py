"""Devices of two hosts get one time, whatever their clocks show; who would get another one is refused."""

import numpy as np
import pytest

from radio.base import RadioError
from radio.usrp.epoch import EpochError
from tests.radio.usrp.hosts import AHEAD, FIRST, SECOND, Hosts


@pytest.fixture
def hosts():
    """Both hosts, closed at the end."""
    made = []

    def make(**about):
        made.append(Hosts(**about))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("phase", [0.0, 0.005, 0.37, 0.995])
@pytest.mark.parametrize("later", [0.0, 0.45, 3600.2])
def test_a_host_that_joins_at_any_time_gets_the_time_of_the_first_one(hosts, phase, later):
    both = hosts(phase=phase)
    both.first.set_time(devices(both, FIRST), both.virtual.manner().sources, both.pause)
    both.pause(later)
    both.joining().set_time(devices(both, SECOND), both.virtual.manner().sources, both.pause)
    assert both.board(SECOND).time == both.board(FIRST).time
    assert both.board(FIRST).last_pps() == both.board(SECOND).last_pps() == round(both.board(FIRST).last_pps())


def devices(both, name):
    """Return the device of a host, which has its PPS."""
    channels = both.virtual.channels((f"serial={name}",), 1)
    both.board(name).time_source = "external"
    return [channels[0].device]


def test_what_one_host_sends_at_an_index_the_other_one_hears_there(hosts):
    both = hosts()
    sender = both.open(FIRST, both.first)
    both.pause(2.6)
    receiver = both.open(SECOND, both.joining())
    receiver.receive(1, receiver.now())
    assert abs(sender.now() - receiver.now()) <= both.virtual.block
    assert sender.now() == pytest.approx(both.board(FIRST).time * both.virtual.rate, abs=2 * both.virtual.block)
    assert delay(sender, receiver) == 0


def delay(sender, receiver):
    """Return how many samples after its index a burst is heard; there are no others on the air."""
    wave = np.exp(1j * np.random.default_rng(5).uniform(0, 2 * np.pi, 500)).astype(np.complex64) / 2
    at = receiver.now() + 3 * sender.lead_time
    sender.transmit(wave, at)
    return int(np.argmax(np.abs(np.correlate(receiver.receive(600, at - 50).data, wave)))) - 50


def test_a_stream_that_is_started_again_keeps_the_time_of_all_hosts(hosts):
    both = hosts()
    sender = both.open(FIRST, both.first)
    receiver = both.open(SECOND, both.joining())
    both.virtual.parts[1].break_off("broken_chain")
    with pytest.raises(RadioError):
        receiver.receive(10_000, receiver.now())
    receiver.receive(1, receiver.now())
    assert receiver.breaks == 1
    assert delay(sender, receiver) == 0


def test_the_epoch_is_known_as_well_as_the_device_answers(hosts):
    both = hosts(asking=0.004)
    both.open(FIRST, both.first)
    epoch = both.first.epoch()
    true = both.world.now - both.board(FIRST).time + AHEAD[FIRST]
    assert 0 < epoch.doubt <= 0.005
    assert abs(epoch.zero - true) <= epoch.doubt + 1e-6


@pytest.mark.parametrize("wrong", [-0.15, 0.15])
def test_what_is_not_known_of_a_clock_by_some_tenths_of_a_second_changes_nothing(hosts, wrong):
    both = hosts(asking=0.002)
    both.open(FIRST, both.first)
    both.open(SECOND, both.joining(wrong, abs(wrong)))
    assert both.board(SECOND).time == both.board(FIRST).time


def test_a_clock_that_is_not_known_well_enough_is_refused_and_nothing_is_set(hosts):
    both = hosts()
    both.open(FIRST, both.first)
    with pytest.raises(EpochError, match=r"host b: its PPS edge must be known to 0\.4 s, .* answers within 0\.1 s"):
        both.open(SECOND, both.joining(doubt=0.45))
    assert both.virtual.notes.names().count("set_time_next_pps") == 1


def test_a_host_with_pulses_of_its_own_is_refused(hosts):
    both = hosts()
    both.open(FIRST, both.first)
    with pytest.raises(EpochError, match="give all hosts the PPS of one distributor"):
        both.open(SECOND, both.joining(wrong=0.5))


def misses_edges(board, count):
    """Let a host be held up: the time is set for the edge after the one that was meant, so many times."""
    set_next, times = board.set_next, []

    def held_up(second):
        times.append(second)
        set_next(second)
        if len(times) <= count:
            board.pending = (second, board.pending[1] + 1)

    board.set_next = held_up


def test_a_wrong_edge_is_noticed_and_tried_again(hosts):
    both = hosts()
    both.open(FIRST, both.first)
    misses_edges(both.board(SECOND), 2)
    both.open(SECOND, both.joining())
    assert both.board(SECOND).time == both.board(FIRST).time


def test_edges_that_are_always_missed_are_an_error(hosts):
    both = hosts()
    both.open(FIRST, both.first)
    misses_edges(both.board(SECOND), 9)
    with pytest.raises(EpochError, match=r"host b: its radios must call this PPS edge \d+ s, got .* set it again"):
        both.open(SECOND, both.joining())


def test_a_host_without_pulses_is_refused(hosts):
    both = hosts()
    both.open(FIRST, both.first)
    both.board(SECOND).has_pps = False
    with pytest.raises(RadioError, match=r"radio B .*a PPS must come every second"):
        both.open(SECOND, both.joining())


def test_nobody_joins_a_time_that_has_not_begun(hosts):
    with pytest.raises(EpochError, match="open its radio first"):
        hosts().first.epoch()
