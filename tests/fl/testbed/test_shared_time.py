"""A host asks for the time over real sockets, and its radio gets the server's; what keeps it from that is said."""

import asyncio
import logging
import threading
from contextlib import contextmanager
from functools import partial

import pytest

import fl.testbed.hosting
import fl.testbed.radios
from fl.config import check
from fl.control.frames import Limits
from fl.control.sockets import AgentSocket, ServerSocket
from fl.manifest import version
from fl.testbed.hosting import Endpoint, Host, take_part
from fl.testbed.identity import Identity
from fl.testbed.radios import open_radio, shares_time
from fl.testbed.reception import Reception
from fl.testbed.registry import Registry, Terms
from fl.testbed.server_time import QUESTIONS, ask_time
from radio.usrp.epoch import EpochError
from radio.usrp.shared_time import FirstHost
from tests.fl.testbed.bench import Keys
from tests.radio.usrp.hosts import AHEAD, FIRST, SECOND, Hosts
from tests.radio.usrp.virtual import instead_of_uhd

PATIENCE = 30
RUN = Identity("run-a", 3)


class Server:
    """A reception whose radio is the first host's, or none with a time to share."""

    committed, phase = 0, "idle"

    def __init__(self, first_host):
        self.first_host = first_host

    async def serve(self, socket, identity=RUN):
        config = check({"rounds": 1})
        registry = Registry(Terms(identity, "1", config), asyncio.get_running_loop().time, 10.0)
        await Reception(socket, registry, identity, config, lambda _what, _about: None).listen(self)


@pytest.fixture
def hosts():
    """Both hosts, of which the first one's radio is open; a look at a clock takes a millisecond."""
    both = Hosts(asking=0.001)
    both.open(FIRST, both.first)
    yield both
    both.close()


def asked(server, now, keys=None):
    """Return what a server says to an agent that asks for the time, over loopback."""

    async def main():
        identity = None if keys is None else keys.of(0)
        here = ServerSocket("tcp://127.0.0.1:0", None if keys is None else keys.at_server, Limits())
        there = AgentSocket(here.endpoint, identity, Limits())
        serving = asyncio.ensure_future(server.serve(here))
        try:
            async with asyncio.timeout(PATIENCE):
                return await ask_time(there, 0, now)
        finally:
            serving.cancel()
            there.close()
            here.close()

    return asyncio.run(main())


def test_a_host_that_asks_the_server_gets_its_time_on_its_own_radio(hosts, tmp_path):
    found = asked(Server(hosts.first), hosts.clock(SECOND), Keys(tmp_path))
    assert abs(found.host.offset.seconds - (AHEAD[SECOND] - AHEAD[FIRST])) <= found.host.offset.doubt
    assert 0 < found.doubt < 0.1
    hosts.open(SECOND, found.host)
    assert hosts.board(SECOND).time == hosts.board(FIRST).time
    agent, server = hosts.radios[SECOND], hosts.radios[FIRST]
    agent.receive(1, agent.now())
    assert abs(agent.now() - server.now()) <= hosts.virtual.block


def test_the_answer_with_the_least_doubt_counts(hosts):
    """Some questions lie around for seconds; the one that does not decides."""
    waits = iter([3.0, 5.0, 0.0, 4.0] + [2.0] * 4)

    class Slow(Server):
        @property
        def first_host(self):
            hosts.pause(next(waits))
            return hosts.first

        @first_host.setter
        def first_host(self, _):
            pass

    found = asked(Slow(None), hosts.clock(SECOND))
    assert found.doubt < 0.1


def test_a_server_without_a_time_to_share_is_no_server_to_wait_for():
    with pytest.raises(EpochError, match=r"must have a time that hosts share, got none \(its radio has a time of its"):
        asked(Server(None), lambda: 5.0)


def test_a_device_that_does_not_say_its_time_is_what_the_other_host_is_told(hosts):
    hosts.first._device.usrp._spied[0].get_time_now = unplugged
    with pytest.raises(EpochError, match=r"got none \(radio serial=A: UHD failed at its time"):
        asked(Server(hosts.first), hosts.clock(SECOND))


def unplugged(_board):
    raise RuntimeError("RfnocError: OpTimeout")


def test_a_host_waits_for_a_server_that_is_not_there_and_says_so(hosts, caplog):
    async def main():
        here = ServerSocket("tcp://127.0.0.1:0", None, Limits())
        there = AgentSocket(here.endpoint, None, Limits())
        asking = asyncio.ensure_future(ask_time(there, 0, hosts.clock(SECOND)))
        while "waiting for the server's time: nobody answers" not in caplog.text:
            await asyncio.sleep(0.01)
        serving = asyncio.ensure_future(Server(hosts.first).serve(here))
        try:
            async with asyncio.timeout(PATIENCE):
                return await asking
        finally:
            serving.cancel()
            there.close()
            here.close()

    with caplog.at_level(logging.WARNING, "airmeta.testbed"):
        assert asyncio.run(main()).sequence == RUN.sequence
    assert caplog.text.count("waiting for the server's time") == 1


@pytest.mark.parametrize("run, sequence", [("run-a", 4), ("run-b", 3)])
def test_a_server_that_was_started_again_has_another_time(hosts, run, sequence):
    found = asked(Server(hosts.first), hosts.clock(SECOND))
    found.check("run-a", 3)
    with pytest.raises(EpochError, match=r"t = 0, which it has of start 3 .* start this agent again with the same"):
        found.check(run, sequence)


def experiment(source="external"):
    """An experiment whose server and agent are USRPs of a host each."""
    usrp = {"devices": ["serial=A", "serial=B"], "carrier_hz": 2.4e9, "tx_attenuation_db": 0, "block": 4096}
    sources = {"time_source": source, "clock_source": source, "lead_s": 0.001}
    radio = {"kind": "usrp", "usrp": usrp | sources, "tx": {"medium": "cable", "authorised_band": [2.39e9, 2.41e9]}}
    times = {"response_s": 0.02, "trigger_lead_s": 0.02, "turnaround_s": 0.03, "search_s": 0.02}
    return check(
        {
            "rounds": 1,
            "agents": {"count": 1},
            "run": {"threads": 1},
            "model": {"kind": "mlp"},
            "uplink": {"kind": "waveform"},
            "waveform": {"sample_rate": 1e6} | times,
            "radio": radio,
        }
    )


@pytest.mark.parametrize("source, shares", [("external", True), ("gpsdo", True), ("internal", False)])
def test_hosts_share_their_time_where_all_of_them_see_the_same_edges(source, shares):
    assert shares_time(experiment(source)) == shares


class Thread(Server):
    """A server in a thread, which lets an agent in and says that the run is done.

    Args:
        radio: of the server.
        restarts: whether it is started again, with another t = 0, when the agent has asked for the time.
    """

    def __init__(self, radio, restarts):
        self.radio, self.restarts, self.asked, self.registered = radio, restarts, 0, threading.Event()
        self.listening, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()), daemon=True)

    @property
    def first_host(self):
        self.asked += 1
        if self.restarts and self.asked == QUESTIONS:
            self.reception.identity = Identity(RUN.run, RUN.sequence + 1)
        return self.radio.hosts

    def joined(self, _message, _same):
        self.farewell = asyncio.ensure_future(self.reception.farewell(True))

    def left(self, _agent, _reason):
        pass

    def last_heard(self, _agent):
        return None

    async def run(self):
        config, now = experiment(), asyncio.get_running_loop().time
        here = ServerSocket("tcp://127.0.0.1:0", None, Limits())
        registry = Registry(Terms(RUN, version(), config, self.radio.modem), now, 10.0)
        self.reception, self.address = Reception(here, registry, RUN, config, lambda _what, _about: None), here.endpoint
        listening = asyncio.ensure_future(self.reception.listen(self))
        self.listening.set()
        await asyncio.to_thread(self.over.wait, PATIENCE)
        listening.cancel()
        here.close()


@contextmanager
def at_work(monkeypatch, restarts=False):
    """Yield both hosts, the server's radio, and the server that has it, to be joined as `airmeta device` does."""
    both = Hosts(rate=1e6)
    instead_of_uhd(both.virtual, monkeypatch)
    monkeypatch.setattr(fl.testbed.radios, "FirstHost", lambda: FirstHost(both.clock(FIRST)))
    monkeypatch.setattr(fl.testbed.hosting, "ask_time", partial(ask_time, now=both.clock(SECOND)))
    try:
        with open_radio(experiment(), None, None) as radio:
            server = Thread(radio, restarts)
            server.thread.start()
            server.listening.wait(PATIENCE)
            yield both, server
            server.over.set()
            server.thread.join(PATIENCE)
    finally:
        both.close()


def device(server, folder, cache):
    """Be the agent's process."""
    return take_part(experiment(), 0, folder, Host(Endpoint(server.address, None), cache))


def test_a_device_joins_the_server_s_time_before_it_takes_part(monkeypatch, tmp_path, cache):
    with at_work(monkeypatch) as (both, server):
        assert device(server, tmp_path, cache)
        assert server.asked == QUESTIONS
        assert both.board(SECOND).time == both.board(FIRST).time
        assert server.radio.now() is None, "counters that began together need no news of each other"


def test_a_device_that_has_the_time_of_an_earlier_start_does_not_take_part(monkeypatch, tmp_path, cache):
    refused = pytest.raises(EpochError, match="got start 4 of run run-a; start this agent again")
    with at_work(monkeypatch, restarts=True) as (_, server), refused:
        device(server, tmp_path, cache)
