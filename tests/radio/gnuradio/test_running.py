"""How a run of a flowgraph ends: what a thread is stuck in is not taken from under it."""

from types import SimpleNamespace

import pytest

from radio.gnuradio.plan import Plan
from radio.gnuradio.running import Running


class Part:
    """A pump and its stream, or a context of ZeroMQ: notes what is done with it."""

    def __init__(self, ends=True):
        self.ends, self.done = ends, []
        self.stream = self

    def __getattr__(self, name):
        return lambda: self.done.append(name)


@pytest.mark.parametrize("ends", [(True, True), (True, False), (False, False)])
def test_sockets_are_closed_by_whose_threads_have_ended_and_their_context_only_if_all_have(ends):
    running, context = Running(Plan("g", 2, 1e6)), Part()
    running.pumps, running._context = [Part(end) for end in ends], context
    running.pace = SimpleNamespace(stop=lambda pump: pump.ends)
    running.close()
    for pump, end in zip(running.pumps, ends, strict=True):
        assert pump.done == (["cancel", "close"] if end else ["cancel"])
    assert context.done == (["term"] if all(ends) else [])
