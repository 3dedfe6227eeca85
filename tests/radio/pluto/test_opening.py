"""A radio whose streams lose samples while it is opened learns its offset again, or says what is the matter."""

import pytest

from radio.base import LateError, OverrunError
from radio.pluto import counted
from tests.radio.pluto.virtual import Virtual


@pytest.fixture
def bench():
    virtual = Virtual(1)
    yield virtual
    virtual.close()


def losing(monkeypatch, bench, fault, times):
    """Let the streams lose samples in the first `times` attempts to learn the offset."""
    learned = []

    def learn(pump, wait, origin):
        found = counted_learn(pump, wait, origin)
        if len(learned) < times:
            bench.host.call(getattr(bench.host.units[0].faults, fault))
            found += 1000  # what was learned of a stream that broke is wrong
        learned.append(found)
        return found

    counted_learn = counted.learn
    monkeypatch.setattr(counted, "learn", learn)
    return learned


@pytest.mark.parametrize("fault", ["underflow", "overflow"])
def test_an_offset_that_was_learned_while_samples_were_lost_is_learned_again(monkeypatch, bench, fault):
    learned = losing(monkeypatch, bench, fault, 2)
    radio = bench.radio(0)
    assert len(learned) == 3
    assert radio.link.pump.offset == learned[-1]


@pytest.mark.parametrize(("fault", "error"), [("underflow", LateError), ("overflow", OverrunError)])
def test_a_radio_that_goes_on_losing_samples_does_not_open(monkeypatch, bench, fault, error):
    losing(monkeypatch, bench, fault, 10)
    with pytest.raises(error, match="counts are void"):
        bench.radio(0)
