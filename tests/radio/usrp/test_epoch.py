"""Hosts agree which PPS edge is t = 0, whatever the order of what they say."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radio.usrp.epoch import AHEAD, Agreement, Edge, EpochError, Offset, offset

HOSTS = ("server", "b", "c")
CLOCKS = {"server": 0.0, "b": 17.3, "c": -4000.25}
PHASE = 0.44  # of the pulses, by the server's clock


def edge(host, number, doubt=0.01, wrong=0.0):
    """Return pulse `number` as a host sees it; what it knows of its clock is wrong by so many seconds."""
    seen = number + PHASE + CLOCKS[host]
    return Edge(seen, doubt, Offset(CLOCKS[host] + wrong, abs(wrong) + 0.02))


def ahead(edges):
    """Return which pulse is t = 0 once hosts have seen these."""
    return max(edges.values()) + AHEAD


@pytest.mark.parametrize("order", [*permutations(HOSTS)])
@pytest.mark.parametrize("numbers", [*permutations((100, 101, 104))])
def test_the_same_pulse_is_zero_for_all_in_every_order(order, numbers):
    saw = dict(zip(HOSTS, numbers, strict=True))
    agreement = Agreement(HOSTS)
    for host in order:
        assert agreement.epoch is None
        agreement = agreement.propose(host, edge(host, saw[host]))
    for host in HOSTS:
        assert agreement.epoch.number(host, edge(host, ahead(saw))) == 0
        assert agreement.epoch.number(host, edge(host, ahead(saw) - 7)) == -7
    assert not agreement.is_complete


EVENTS = [(kind, host) for host in HOSTS for kind in ("propose", "report")]


def test_every_order_of_proposals_and_reports_ends_agreed_or_says_who_is_missing():
    """All 720; a report that comes before the decision is refused, and made again at the end."""
    for order in permutations(EVENTS):
        agreement, refused, proposed = Agreement(HOSTS), [], set()
        for kind, host in order:
            if kind == "propose":
                agreement = agreement.propose(host, edge(host, 50))
                proposed.add(host)
            elif agreement.epoch is None:
                with pytest.raises(EpochError, match=f"waiting for {', '.join(h for h in HOSTS if h not in proposed)}"):
                    agreement.report(host, 0.0, edge(host, 53))
                refused.append(host)
            else:
                agreement = agreement.report(host, 4.0, edge(host, 57))
        assert agreement.is_complete == (not refused)
        for host in refused:
            agreement = agreement.report(host, 7.0, edge(host, 60))
        assert agreement.is_complete


def test_a_host_that_was_started_again_keeps_the_zero_and_has_to_report_again():
    agreement = agreed()
    for host in HOSTS:
        agreement = agreement.report(host, 5.0, edge(host, 58))
    before = agreement.epoch
    agreement = agreement.propose("b", edge("b", 900))
    assert agreement.epoch == before
    assert not agreement.is_complete
    assert agreement.epoch.next_second("b", edge("b", 901), edge("b", 901).seen + 0.1) == 901 - 53 + 1
    assert agreement.report("b", 849.0, edge("b", 902)).is_complete


def agreed():
    agreement = Agreement(HOSTS)
    for host in HOSTS:
        agreement = agreement.propose(host, edge(host, 50))
    return agreement


@pytest.mark.parametrize("second", [3.0, 5.0, 4.5, 1_700_000_000.0])
def test_radios_that_call_the_edge_otherwise_are_refused_with_the_remedy(second):
    with pytest.raises(EpochError, match=r"host b: its radios must call this PPS edge 4 s, got .*set it again"):
        agreed().report("b", second, edge("b", 57))


def test_a_host_with_pulses_of_its_own_is_refused_with_the_remedy():
    agreement = Agreement(HOSTS).propose("server", edge("server", 50)).propose("b", edge("b", 50))
    other = Edge(50 + PHASE + 0.45 + CLOCKS["c"], 0.01, Offset(CLOCKS["c"], 0.02))
    with pytest.raises(
        EpochError, match=r"host c: its PPS edge must be known to 0\.4 s, got 0\.450 s.*one distributor"
    ):
        agreement.propose("c", other)


def test_what_nobody_can_tell_is_refused():
    """Half a second of doubt: the edge before, or the one after."""
    with pytest.raises(EpochError, match=r"to 0\.4 s, got"):
        agreed().propose("b", edge("b", 60, doubt=0.5))
    with pytest.raises(EpochError, match="host d is none of server, b, c"):
        agreed().propose("d", edge("b", 60))


@pytest.mark.parametrize("late", [-0.1, 0.51, 3.0])
def test_the_next_edge_is_set_just_after_one_or_not_at_all(late):
    seen = edge("c", 70)
    assert agreed().epoch.next_second("c", seen, seen.seen + 0.2) == 18
    with pytest.raises(EpochError, match="wait for another edge"):
        agreed().epoch.next_second("c", seen, seen.seen + late)


@given(
    ahead=st.floats(-1e4, 1e4), there=st.floats(0, 2), back=st.floats(0, 2), work=st.floats(0, 5), at=st.floats(0, 1e5)
)
def test_the_offset_of_a_clock_is_as_sure_as_it_says(ahead, there, back, work, at):
    heard = at + there + ahead
    found = offset(at, heard, heard + work, at + there + work + back)
    assert abs(found.seconds - ahead) <= found.doubt + 1e-6
    assert found.doubt == pytest.approx((there + back) / 2, abs=1e-6)


def test_an_answer_ahead_of_its_question_is_no_measurement():
    with pytest.raises(ValueError, match="after its question"):
        offset(10.0, 3.0, 4.0, 10.5)


@given(errors=st.tuples(*[st.floats(-0.1, 0.1)] * 3), numbers=st.tuples(*[st.integers(0, 1000)] * 3))
def test_errors_of_a_tenth_of_a_second_change_no_number(errors, numbers):
    agreement = Agreement(HOSTS)
    for host, number, wrong in zip(HOSTS, numbers, (0.0, *errors[1:]), strict=True):
        agreement = agreement.propose(host, edge(host, number, wrong=wrong))
    zero = max(numbers) + AHEAD
    for host in HOSTS:
        assert agreement.epoch.number(host, edge(host, zero + 12)) == 12
