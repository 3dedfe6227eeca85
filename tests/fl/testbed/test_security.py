"""Whatever a peer sends, the round of the others is as if it had not: same history, bounded memory, one line each.

What speaks bytes of its own to libzmq does so in another process than pytest's: where libzmq finds something that it
holds impossible it ends the process.
"""

import asyncio
import contextlib
import logging
import random
from datetime import UTC, datetime
from functools import partial

import pytest

from fl.control import allow_list
from fl.control.allow_list import Allowed
from fl.control.frames import encode
from fl.control.keys import new_pair
from fl.control.messages import NO_ROUND, Heartbeat
from fl.control.refusals import MOST_A_MINUTE
from fl.control.sockets import Identity
from fl.testbed.hosting import Endpoint, Host
from tests.apart import apart
from tests.fl.testbed.attacks import Fuzz, connect, flood, forged, opened, resident, sockets
from tests.fl.testbed.bench import Keys, experiment, play
from tests.fl.testbed.proxies import Bytes, Messages
from tools.bench.testbed.small import small_learning

AGENTS, ROUNDS = 3, 10
MOST_MEMORY = 150.0  # MiB, of server, agents and attackers in one process


@pytest.fixture(scope="module")
def undisturbed(learned, tmp_path_factory):
    return play(experiment(ROUNDS, AGENTS), learned, tmp_path_factory.mktemp("undisturbed")).history


def under(attack):
    """A scenario: `attack(run)` yields once when it is well under way; then the agents join, and it goes on."""
    return partial(_under, attack)


async def _under(attack, run):
    attacking = attack(run)
    await anext(attacking)
    for agent in range(AGENTS):
        run.join(agent)
    await run.server.ended
    with contextlib.suppress(StopAsyncIteration):
        await anext(attacking)


def play_apart(folder, cache, scenario, **control):
    """Play a run with keys in a process of its own, and return its books."""
    return apart(folder, _play, experiment(ROUNDS, AGENTS, **control), cache, folder, scenario)


def _play(config, cache, folder, scenario):
    return play(config, lambda config: small_learning(config, cache), folder, scenario, Keys(folder))


def refusals(books):
    return [line for line in books.logs.splitlines() if " refused " in line]


def no_secret_in(text, keys):
    assert not any(secret in text for secret in keys.secrets)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def test_strangers_are_refused_and_the_round_of_the_others_is_unharmed(tmp_path, learned, undisturbed, caplog):
    """No key, no key of this server, and a key that nobody has allowed; each again and again."""
    keys = Keys(tmp_path)

    async def attack(run):
        unknown = new_pair()
        identities = (None, Identity(keys.of(0).keys, new_pair().public), Identity(unknown, keys.server.public))
        with sockets() as context:
            dealers = [connect(context, run.address, identity) for identity in identities for _ in range(3)]
            for dealer in dealers:
                await dealer.send_multipart(forged(random.Random(1), run.run_id, run.server.machine.now))
            await until(lambda: run.refused >= 10)
            yield

    books = play(experiment(ROUNDS, AGENTS), learned, tmp_path, under(attack), keys)
    assert books.history == undisturbed
    assert len(refusals(books)) == 2  # the two that have no handshake cannot be told apart
    assert "airmeta keys allow" in books.logs
    no_secret_in(books.logs + caplog.text, keys)


def test_a_key_that_is_revoked_while_it_is_connected_is_heard_no_more(tmp_path, learned, undisturbed):
    keys = Keys(tmp_path)

    async def attack(run):
        with sockets() as context:
            dealer = connect(context, run.address, keys.of(9))
            await dealer.send_multipart(encode(Heartbeat(run=run.run_id, round=NO_ROUND, agent=0, sequence=1)))
            await dealer.recv_multipart()  # it was heard, and told that it is not registered
            allow_list.revoke(keys.path, "host-9")
            for _ in range(200):
                await dealer.send_multipart(forged(random.Random(2), run.run_id, run.server.machine.now))
            await until(lambda: run.refused >= 100)
            yield

    books = play(experiment(ROUNDS, AGENTS), learned, tmp_path, under(attack), keys)
    assert books.history == undisturbed
    assert sum("revoked" in line for line in refusals(books)) == 1


def test_an_agent_whose_key_is_revoked_in_mid_run_is_heard_no_more_and_the_others_go_on(tmp_path, learned):
    keys = Keys(tmp_path)

    async def scenario(run):
        for agent in range(AGENTS):
            run.join(agent)
        await until(lambda: run.server.machine.committed >= 3 or run.server.ended.done())
        allow_list.revoke(keys.path, "host-1")

    config = experiment(30, AGENTS, ready_s=0.5, payload_s=0.5, patience_s=0.5)
    books = play(config, learned, tmp_path, scenario, keys)
    assert books.heard[2] == (0, 1, 2)
    assert books.heard[-1] == (0, 2)
    books.balance()


async def played_again(run):
    async with Bytes(run.address) as between:
        for agent in range(AGENTS):
            run.join(agent, between.address)
        await until(lambda: run.server.machine.committed >= 2)
        before, replayed = run.server.machine.committed, 0
        with contextlib.ExitStack() as stack:
            while not run.server.ended.done():
                raw = stack.enter_context(await opened(run.address))
                with contextlib.suppress(ConnectionError):  # the server has closed it in mid-sentence
                    record = bytes(between.recorded[replayed % AGENTS])
                    await asyncio.get_running_loop().sock_sendall(raw, record)
                replayed += 1
                await asyncio.sleep(0.02)
        assert before < ROUNDS
        assert replayed
        await asyncio.wait(run.tasks.values(), timeout=2)


def test_a_recorded_session_that_is_played_again_is_not_heard(tmp_path, cache, undisturbed):
    """With keys: bytes of a session, sent to the same server while the run goes on."""
    books = play_apart(tmp_path, cache, played_again)
    assert books.history == undisturbed
    assert sorted(about["agent"] for about in books.events["joined"]) == [0, 1, 2]


def test_recorded_messages_that_are_sent_again_change_nothing(tmp_path, learned, undisturbed):
    """In plaintext: over a connection of one's own, and over that of the agent."""
    recorded, rng = [], random.Random(3)

    def fate(direction, frames):
        if direction == "down":
            return [(0.0, frames)]
        recorded.append(frames)
        return [(0.0, frames), *((0.01, old) for old in rng.sample(recorded, min(3, len(recorded))))]

    async def scenario(run):
        async with Messages(run.address, fate) as between:
            for agent in range(AGENTS):
                run.join(agent, between.address)
            while not run.server.ended.done():
                for old in rng.sample(recorded, min(5, len(recorded))):
                    between.replay(old)
                await asyncio.sleep(0.01)
            await asyncio.wait(run.tasks.values(), timeout=2)

    books = play(experiment(ROUNDS, AGENTS), learned, tmp_path, scenario)
    assert [line["agents_heard"] for line in books.lines] == [[0, 1, 2]] * ROUNDS
    assert books.history == undisturbed


async def changed(run):
    rng = random.Random(4)

    def change(_direction, before, chunk):
        if before < 1000 or rng.random() > 0.02:
            return chunk
        place = rng.randrange(len(chunk))
        return chunk[:place] + bytes([chunk[place] ^ 0x40]) + chunk[place + 1 :]

    async with Bytes(run.address, change) as between:
        for agent in range(AGENTS):
            run.join(agent, between.address)
        await run.server.ended
        await asyncio.wait(run.tasks.values(), timeout=2)


@pytest.mark.slow
def test_bytes_that_are_changed_on_the_way_break_a_connection_and_nothing_else(tmp_path, cache):
    books = play_apart(tmp_path, cache, changed, ready_s=0.5, payload_s=0.5, patience_s=0.5)
    books.balance()
    assert len(books.lines) == ROUNDS


async def nonsense(messages, run):
    fuzz = Fuzz(run, run.keys.of(9), seed=messages)
    going_on = asyncio.get_running_loop().create_task(fuzz.go_on())
    await until(lambda: fuzz.count >= 500)
    memory = resident()
    await until(lambda: fuzz.count >= messages or going_on.done())
    assert not going_on.done()
    before = fuzz.count
    yield
    assert fuzz.count > before
    going_on.cancel()
    assert resident() - memory < MOST_MEMORY


@pytest.mark.parametrize("messages", [1000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_frames_of_every_kind_of_nonsense_change_nothing(tmp_path, cache, undisturbed, messages):
    """From a host whose key is let in: nobody else's frames get as far."""
    books = play_apart(tmp_path, cache, under(partial(nonsense, messages)))
    assert books.history == undisturbed
    assert 0 < len(refusals(books)) <= 3 * MOST_A_MINUTE


async def too_large(run):
    with sockets() as context:
        dealer = connect(context, run.address, run.keys.of(9))
        memory = resident()
        for _ in range(20):
            await dealer.send_multipart([b"airmeta\x01", b"x", bytes(8 << 20)])
        await asyncio.sleep(0.5)
        yield
        assert resident() - memory < MOST_MEMORY + 20 * 8  # what the sender itself has not sent yet


def test_a_frame_that_is_too_large_costs_its_sender_the_connection(tmp_path, cache, undisturbed):
    assert play_apart(tmp_path, cache, under(too_large)).history == undisturbed


async def flooded(connections, run):
    memory = resident()
    opened = await flood(run.address, connections)
    yield
    assert resident() - memory < MOST_MEMORY
    for raw in opened:
        raw.close()


@pytest.mark.parametrize("connections", [1000, pytest.param(5000, marks=pytest.mark.slow)])
def test_a_flood_of_connections_does_not_harm_the_others(tmp_path, cache, undisturbed, connections):
    """Most of them say nothing, or not enough; they stay open until the server has had enough of them."""
    books = play_apart(tmp_path, cache, under(partial(flooded, connections)))
    assert books.history == undisturbed
    assert len(refusals(books)) <= 2


def test_private_keys_are_in_no_log_and_no_repr(tmp_path, learned, caplog):
    keys = Keys(tmp_path)
    caplog.set_level(logging.DEBUG)
    books = play(experiment(2, AGENTS), learned, tmp_path, None, keys)
    identity = keys.of(0)
    endpoint = Endpoint("tcp://127.0.0.1:1", identity)
    entry = Allowed(identity.keys.public, "x", datetime.now(UTC))
    for thing in (identity.keys, identity, endpoint, Host(endpoint, tmp_path), keys.at_server, entry):
        no_secret_in(repr(thing) + str(thing), keys)
    no_secret_in(books.logs + caplog.text, keys)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            no_secret_in(path.read_bytes().decode("latin-1"), keys)
