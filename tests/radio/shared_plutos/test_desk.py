"""What processes that share virtual Plutos are told: which unit is theirs, and when they may hear."""

from types import SimpleNamespace

import numpy as np
import pytest

from radio.base import RadioError
from radio.emulation.bench import Bench
from radio.emulation.clock import LockStep
from radio.emulation.host import serving
from radio.shared_air import messages as say
from radio.shared_plutos import desk as desks
from radio.shared_plutos.desk import PlutoDesk, SharedPlutos

ABOUT = {"seed": 3}
NOTHING = np.zeros(0, np.complex64)


@pytest.fixture
def desk():
    with serving(Bench(3, clock=LockStep(5.0, 0.0))) as host:
        yield PlutoDesk(SharedPlutos(host, ABOUT, 30.0))


def arrive(desk, unit, about=ABOUT):
    desk.open(say.Open(1, unit, 100 + unit, about), b"%d" % unit, unit)


def let_in(desk):
    """Return who is given a unit next, with what is said; None: nobody."""
    found = desk.carry_out()
    return None if found is None else (found[0], found[1][0])


def enter(desk, *units):
    """Open units, and return their seats."""
    seats = []
    for unit in units:
        arrive(desk, unit)
        seats.append(let_in(desk)[0])
        desk.answer(seats[-1], say.Settled(2), NOTHING, 0.0)
    return seats


def hear(desk, seat, count, now=0.0):
    """Ask as a unit would whose stream began at 0, in blocks of 10."""
    desk.shared.host.units[seat.unit].front.reception = SimpleNamespace(opened=0, size=10)
    assert desk.answer(seat, say.Hear(7, count), NOTHING, now) is None


@pytest.fixture
def runs(desk, monkeypatch):
    """Return how far time was let run, each time."""
    ends = []
    monkeypatch.setattr(PlutoDesk, "_run", lambda self, unit, end: ends.append(end))
    return ends


def test_units_are_opened_in_their_order_and_one_at_a_time(desk):
    for unit in (2, 1, 0):
        assert let_in(desk) is None
        arrive(desk, unit)
    for unit in (0, 1, 2):
        seat, said = let_in(desk)
        assert (seat.unit, said.uri, said.openings) == (unit, desk.shared.host.uris[unit], 0)
        assert let_in(desk) is None
        desk.answer(seat, say.Settled(2), NOTHING, 0.0)


def test_a_unit_that_never_comes_is_waited_for_a_while(desk, monkeypatch):
    arrive(desk, 2)
    assert let_in(desk) is None
    monkeypatch.setattr(desks, "FIRST_OPENINGS", 0.0)
    assert let_in(desk)[0].unit == 2


def test_a_unit_that_is_gone_while_it_opens_lets_the_next_one_in_and_may_come_back(desk):
    arrive(desk, 0)
    arrive(desk, 1)
    first, _ = let_in(desk)
    desk.lose(first, "its connection was closed")
    second, _ = let_in(desk)
    assert second.unit == 1
    desk.answer(second, say.Settled(2), NOTHING, 0.0)
    arrive(desk, 0)
    seat, said = let_in(desk)
    assert (seat.unit, said.openings) == (0, 1)


def test_time_runs_in_whole_blocks_to_the_nearest_wish_first_and_not_past_what_is_owed(desk, runs):
    server, first, second = enter(desk, 0, 1, 2)
    desk.answer(server, say.Expect(3, (1, 2)), NOTHING, 0.0)
    hear(desk, server, 95)
    hear(desk, first, 41)
    assert desk.carry_out() is None  # unit 2 may still send
    hear(desk, second, 33)
    assert desk.carry_out()[0] is second
    assert desk.carry_out() is None
    desk.answer(second, say.Deliver(4), NOTHING, 0.0)
    assert desk.carry_out()[0] is first
    assert desk.carry_out() is None
    desk.lose(first, "its connection was closed")
    assert desk.carry_out()[0] is server
    assert runs == [40.0, 50.0, 100.0]


def test_a_silent_unit_that_owes_is_given_up(desk, runs):
    server, *_ = enter(desk, 0, 1, 2)
    desk.answer(server, say.Expect(3, (1,)), NOTHING, 0.0)
    hear(desk, server, 20)
    desk.give_up(29.0)
    assert desk.carry_out() is None
    desk.give_up(31.0)
    seat, (done, _) = desk.carry_out()
    assert seat is server
    assert done.hung == (1,)
    assert runs == [20.0]


def test_what_cannot_be_is_refused_with_the_reason(desk):
    server, *_ = enter(desk, 0)
    with pytest.raises(RadioError, match="unit 0 is open in process 100"):
        arrive(desk, 0)
    with pytest.raises(RadioError, match="seed: 3 at the air, 4 at unit 1"):
        arrive(desk, 1, {"seed": 4})
    with pytest.raises(RadioError, match="no running stream"):
        desk.answer(server, say.Hear(1, 10), NOTHING, 0.0)
    with pytest.raises(RadioError, match="Transmit; that goes through libiio"):
        desk.answer(server, say.Transmit(1, 10), NOTHING, 0.0)
