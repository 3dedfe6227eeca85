"""Hosts agree which PPS edge is t = 0."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radio.usrp.epoch import Edge, Epoch, EpochError, Offset, offset

CLOCKS = {"server": 0.0, "b": 17.3, "c": -4000.25}
PHASE = 0.44  # of the pulses, by the server's clock
EPOCH = Epoch(53 + PHASE, 0.01)


def edge(host, number, doubt=0.01, wrong=0.0):
    """Return pulse `number` as a host sees it; what it knows of its clock is wrong by so many seconds."""
    seen = number + PHASE + CLOCKS[host]
    return Edge(seen, doubt, Offset(CLOCKS[host] + wrong, abs(wrong) + 0.02))


@pytest.mark.parametrize("host", CLOCKS)
@pytest.mark.parametrize("second", [-7, 0, 1, 12, 100_000])
def test_the_same_pulse_is_the_same_second_for_all(host, second):
    assert EPOCH.number(host, edge(host, 53 + second)) == second


@pytest.mark.parametrize("second", [3.0, 5.0, 4.5, 1_700_000_000.0])
def test_radios_that_call_the_edge_otherwise_are_refused_with_the_remedy(second):
    EPOCH.confirm("b", edge("b", 57), 4.0)
    with pytest.raises(EpochError, match=r"host b: its radios must call this PPS edge 4 s, got .*set it again"):
        EPOCH.confirm("b", edge("b", 57), second)


def test_a_host_with_pulses_of_its_own_is_refused_with_the_remedy():
    other = Edge(50 + PHASE + 0.45 + CLOCKS["c"], 0.01, Offset(CLOCKS["c"], 0.02))
    with pytest.raises(
        EpochError, match=r"host c: its PPS edge must be known to 0\.4 s, got 0\.450 s.*one distributor"
    ):
        EPOCH.number("c", other)


def test_what_nobody_can_tell_is_refused():
    """Half a second of doubt: the edge before, or the one after."""
    with pytest.raises(EpochError, match=r"to 0\.4 s, got"):
        EPOCH.number("b", edge("b", 60, doubt=0.5))


@pytest.mark.parametrize("late", [-0.1, 0.51, 3.0])
def test_the_next_edge_is_set_just_after_one_or_not_at_all(late):
    seen = edge("c", 70)
    assert EPOCH.next_second("c", seen, seen.seen + 0.2) == 18
    with pytest.raises(EpochError, match="wait for another edge"):
        EPOCH.next_second("c", seen, seen.seen + late)


@given(
    ahead=st.floats(-1e4, 1e4), there=st.floats(0, 2), back=st.floats(0, 2), work=st.floats(0, 5), at=st.floats(0, 1e5)
)
def test_the_offset_of_a_clock_is_as_sure_as_it_says(ahead, there, back, work, at):
    heard = at + there - ahead
    found = offset(at, heard, heard + work, at + there + work + back)
    assert abs(found.seconds - ahead) <= found.doubt + 1e-6
    assert found.doubt == pytest.approx((there + back) / 2, abs=1e-6)


def test_an_answer_ahead_of_its_question_is_no_measurement():
    with pytest.raises(ValueError, match="after its question"):
        offset(10.0, 3.0, 4.0, 10.5)


@given(errors=st.tuples(*[st.floats(-0.1, 0.1)] * 3), number=st.integers(0, 1000))
def test_errors_of_a_tenth_of_a_second_change_no_number(errors, number):
    for host, wrong in zip(CLOCKS, errors, strict=True):
        assert EPOCH.number(host, edge(host, 53 + number, wrong=wrong)) == number
