"""Servers and agents over loopback, with keys: who is let in, who is not, and that the others do not notice."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from datetime import UTC, datetime

import numpy as np
import pytest
import zmq

from fl.control import allow_list
from fl.control.allow_list import Allowed
from fl.control.claims import Claims, Peer
from fl.control.frames import Limits, decode_from_server, encode
from fl.control.keys import new_pair
from fl.control.messages import Answer, Ask, Heartbeat, Sent
from fl.control.refusals import MOST_A_MINUTE, MOST_REMEMBERED, Refusals
from fl.control.sockets import QUEUE, AgentSocket, Identity, PlaintextError, ServerSocket
from fl.control.tensors import VersionError
from tests.apart import apart

LIMITS = Limits(header=20_000, tensors=1 << 20)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
WHERE = {"run": "r", "round": 0, "agent": 3, "sequence": 1}
PATIENCE = 20


def run(scenario):
    return asyncio.run(asyncio.wait_for(scenario, 60))


class Bench:
    """A server with keys, and agents that it lets in or not."""

    def __init__(self, folder):
        self.path, self.pair = folder / "allowed.json", new_pair()
        self.server = ServerSocket("tcp://127.0.0.1:0", Identity(self.pair, self.path), LIMITS)
        self.agents = []

    def agent(self, name=None, pair=None, server_key=None):
        pair = pair or new_pair()
        if name is not None:
            allow_list.allow(self.path, Allowed(pair.public, name, NOW))
        identity = Identity(pair, server_key or self.pair.public)
        self.agents.append(AgentSocket(self.server.endpoint, identity, LIMITS))
        return self.agents[-1], pair

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for agent in self.agents:
            agent.close()
        self.server.close()


async def hears(server, sender, patience=PATIENCE):
    """Return who the server takes the sender of a question for, after it was answered."""
    await sender.send(encode(Ask(**WHERE)))
    peer, received = await asyncio.wait_for(server.receive(), patience)
    assert received.message == Ask(**WHERE)
    assert await server.send(peer.route, encode(Answer(**WHERE, heard=True)))
    assert (await asyncio.wait_for(sender.receive(), patience)).message == Answer(**WHERE, heard=True)
    return peer


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def test_an_agent_with_an_allowed_key_is_heard_and_known_by_its_key(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            agent, pair = bench.agent("a")
            assert (await hears(bench.server, agent)).key == pair.public

    run(scenario())


def test_tensors_of_the_largest_size_pass(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            agent, _ = bench.agent("a")
            symbols = np.ones((100_000, 2), np.float32)
            await agent.send(encode(Sent(**WHERE, fraction=1.0), {"symbols": symbols}))
            _, received = await asyncio.wait_for(bench.server.receive(), PATIENCE)
            np.testing.assert_array_equal(received.tensors["symbols"], symbols)

    run(scenario())


def test_a_key_that_is_not_allowed_is_refused_named_once_and_told_what_to_do(tmp_path, caplog):
    async def scenario():
        async with Bench(tmp_path) as bench:
            stranger, pair = bench.agent()
            await stranger.send(encode(Ask(**WHERE)))
            await until(lambda: bench.server.refusals.total >= 2)  # it tries again, and again
            await until(lambda: stranger.problem)
            assert "airmeta keys allow" in stranger.problem
            assert pair.public in stranger.problem
            lines = [record.getMessage() for record in caplog.records if pair.public in record.getMessage()]
            assert len(lines) == 1
            assert "127.0.0.1" in lines[0]
            assert "airmeta keys allow" in lines[0]
            agent, _ = bench.agent("a")
            await hears(bench.server, agent)
            assert not any(one.secret in record.getMessage() for one in (pair, bench.pair) for record in caplog.records)

    run(scenario())


def test_a_key_that_is_allowed_later_gets_in_without_a_restart(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            stranger, pair = bench.agent()
            await until(lambda: stranger.problem)
            allow_list.allow(bench.path, Allowed(pair.public, "late", NOW))
            await until(lambda: not stranger.problem)
            assert (await hears(bench.server, stranger)).key == pair.public

    run(scenario())


def test_a_revoked_key_is_heard_no_more_though_it_is_connected(tmp_path, caplog):
    async def scenario():
        async with Bench(tmp_path) as bench:
            (revoked, _), (other, key) = bench.agent("a"), bench.agent("b")
            await hears(bench.server, revoked)
            await hears(bench.server, other)
            allow_list.revoke(bench.path, "a")
            await revoked.send(encode(Heartbeat(**WHERE, state="still here")))
            async with asyncio.timeout(PATIENCE):
                while "revoked" not in caplog.text:
                    assert (await hears(bench.server, other)).key == key.public

    run(scenario())


def test_an_agent_that_has_another_servers_key_does_not_connect_and_says_why(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            agent, _ = bench.agent("a", server_key=new_pair().public)
            await until(lambda: agent.problem or bench.server.refusals.total)
            good, _ = bench.agent("b")
            await hears(bench.server, good)

    run(scenario())


def test_an_agent_without_a_key_is_refused(tmp_path, caplog):
    async def scenario():
        async with Bench(tmp_path) as bench:
            plain = AgentSocket(bench.server.endpoint, None, LIMITS)
            bench.agents.append(plain)
            await plain.send(encode(Ask(**WHERE)))
            await until(lambda: "has no key" in caplog.text)
            agent, pair = bench.agent("a")
            assert (await hears(bench.server, agent)).key == pair.public

    run(scenario())


def test_frames_that_are_no_message_are_refused_and_the_next_one_is_heard(tmp_path, caplog):
    async def scenario():
        async with Bench(tmp_path) as bench:
            agent, _ = bench.agent("a")
            for frames in ([b"x"], [b"airmeta\x01", b"\xc1"], [b"x"] * 5):
                await agent.send(frames)
            await hears(bench.server, agent)
            assert bench.server.refusals.total == 3

    run(scenario())


def test_an_agent_of_another_version_is_told_so_in_the_one_way_that_it_understands(tmp_path, caplog):
    async def scenario():
        async with Bench(tmp_path) as bench:
            agent, _ = bench.agent("a")
            await agent.send([b"airmeta\x02", b""])
            heard = asyncio.create_task(bench.server.receive())
            answer = await asyncio.wait_for(agent.receive(), PATIENCE)
            heard.cancel()
            assert "protocol version 2, this airmeta speaks 1" in caplog.text
            assert answer.message.reason == "protocol version 2, this airmeta speaks 1"
            theirs = [b"airmeta\x02", *encode(answer.message)[1:]]  # as an agent of that version sees it
            with pytest.raises(VersionError, match="install the same airmeta on all hosts"):
                decode_from_server(theirs, LIMITS)

    run(scenario())


def test_a_frame_that_is_too_large_does_not_get_through(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            (large, _), (other, _) = bench.agent("a"), bench.agent("b")
            await large.send([b"airmeta\x01", b"x" * (LIMITS.frame + 1)])
            await hears(bench.server, other)
            # it is disconnected, which may cost the question that it asks just then, and connects again
            async with asyncio.timeout(PATIENCE):
                while True:
                    with contextlib.suppress(TimeoutError):
                        await hears(bench.server, large, 1)
                        break

    run(scenario())


def test_a_flood_of_connections_does_not_harm_the_others(tmp_path, caplog):
    async def scenario():
        async with Bench(tmp_path) as bench:
            agent, _ = bench.agent("a")
            await hears(bench.server, agent)
            port = int(bench.server.endpoint.rsplit(":", 1)[1])
            with contextlib.ExitStack() as stack:
                for place in range(200):
                    raw = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                    raw.sendall(b"GET / HTTP/1.1\r\n\r\n" * (place % 3))
                strangers = [bench.agent()[0] for _ in range(20)]
                for stranger in strangers:
                    await stranger.send(encode(Ask(**WHERE)))
                for _ in range(5):
                    await hears(bench.server, agent)
                await until(lambda: all(stranger.problem for stranger in strangers))
            await hears(bench.server, agent)
            assert len(caplog.records) <= MOST_A_MINUTE

    run(scenario())


def test_a_peer_that_is_gone_is_told_nothing(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            assert not await bench.server.send(b"nobody", encode(Answer(**WHERE, heard=True)))

    run(scenario())


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://192.0.2.1:5555"])
def test_plaintext_does_not_leave_the_host_unless_somebody_says_so(endpoint):
    async def scenario():
        with pytest.raises(PlaintextError, match="airmeta keys new"):
            ServerSocket(endpoint, None, LIMITS)

    run(scenario())


def test_plaintext_that_was_asked_for_is_logged(caplog):
    async def scenario():
        with contextlib.suppress(zmq.ZMQError):
            ServerSocket("tcp://0.0.0.0:0", None, LIMITS, plaintext=True).close()
        assert "in plaintext, as was asked for" in caplog.text

    run(scenario())


def test_over_loopback_plaintext_is_enough():
    async def scenario():
        server = ServerSocket("tcp://127.0.0.1:0", None, LIMITS)
        agent = AgentSocket(server.endpoint, None, LIMITS)
        assert (await hears(server, agent)).key == ""
        agent.close()
        server.close()

    run(scenario())


def test_a_key_cannot_speak_for_the_agent_of_another():
    claims, one, other = Claims(), Peer(b"1", "a" * 40), Peer(b"2", "b" * 40)
    anybody, only_seven = Allowed("a" * 40, "x", NOW), Allowed("b" * 40, "y", NOW, (7,))
    assert claims.claim(3, one, anybody) == ""
    assert "agent 3 is taken" in claims.claim(3, other, Allowed("b" * 40, "y", NOW))
    assert "may speak for agents 7" in claims.claim(4, other, only_seven)
    assert claims.is_from(3, one)
    assert not claims.is_from(3, other)
    assert claims.claim(3, Peer(b"9", "a" * 40), anybody) == ""  # it has connected again
    assert claims.route(3) == b"9"
    assert not claims.is_from(3, one)


def test_refusals_do_not_fill_memory_or_log(caplog):
    now = [0.0]
    refusals = Refusals(logging.getLogger("airmeta.control"), lambda: now[0])
    for peer in range(10_000):
        refusals.note(f"peer {peer}", "why")
    assert len(refusals._last) <= MOST_REMEMBERED
    assert len(caplog.records) == MOST_A_MINUTE
    now[0] = 61.0
    refusals.note("another", "why")
    assert "9970 more" in caplog.text
    assert refusals.total == 10_001


def speaking_plainly(address):
    """Return a connection that has shaken hands as a DEALER without keys, by itself."""
    raw = socket.create_connection(address.removeprefix("tcp://").rsplit(":", 1))
    raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))  # ZMTP 3.0
    raw.recv(64, socket.MSG_WAITALL)  # its greeting
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    raw.sendall(bytes([4, len(ready)]) + ready)
    _, size = raw.recv(2, socket.MSG_WAITALL)
    raw.recv(size, socket.MSG_WAITALL)  # it is ready, too
    return raw


def full_queue():
    return run(left_with_a_full_queue())


async def left_with_a_full_queue():
    server = ServerSocket("tcp://127.0.0.1:0", None, LIMITS)
    raw = speaking_plainly(server.endpoint)
    for _ in range(2 * QUEUE):
        raw.sendall(b"\x00\x64" + bytes(100))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the connection breaks: it is reset
    await asyncio.sleep(0.2)
    raw.close()
    await asyncio.sleep(2.5)  # in which a heartbeat of ZeroMQ would be due
    agent = AgentSocket(server.endpoint, None, LIMITS)
    peer = await hears(server, agent)
    agent.close()
    server.close()
    return peer.key


def test_a_connection_that_breaks_while_its_queue_is_full_does_not_end_the_server(tmp_path):
    """libzmq ends a process that has heartbeats then, so this is one of its own."""
    assert apart(tmp_path, full_queue) == ""


def test_both_ends_give_up_a_host_that_answers_nothing_for_half_a_minute(tmp_path):
    """Nobody has to say anything for that: the kernels ask each other."""

    async def scenario():
        async with Bench(tmp_path) as bench:
            agent, _ = bench.agent("a")
            await hears(bench.server, agent)
            port = int(bench.server.endpoint.rsplit(":", 1)[1])
            ends = connections(port)
            assert len(ends) == 2
            for idle, between, count, unheard in ends:
                assert idle + between * count == 30
                assert unheard == 30_000

    run(scenario())


def connections(port):
    """Return how this process asks after the other end of each of its connections with a port, as the kernel has it."""
    names = socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(number))) as one:
            if one.family == socket.AF_INET and port in (one.getpeername()[1], one.getsockname()[1]):
                assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                found.append(tuple(one.getsockopt(socket.IPPROTO_TCP, name) for name in names))
    return found
