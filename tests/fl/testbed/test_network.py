"""A network that loses, repeats, delays, cuts and stalls: every update is counted once, and the run goes on."""

import asyncio
import random
from collections import Counter

import pytest

from fl.uplink_config import Uplink
from tests.fl.testbed.bench import Keys, experiment, play
from tests.fl.testbed.proxies import Bytes, Messages, kind

AGENTS, ROUNDS = 3, 6


def over(proxy, during=None):
    """A scenario: all agents behind a proxy, which `during(run, proxy)` may change while the run goes on."""

    async def scenario(run):
        async with proxy(run.address) as between:
            for agent in range(AGENTS):
                run.join(agent, between.address)
            if during is not None:
                await during(run, between)
            await run.server.ended
            await asyncio.wait(run.tasks.values(), timeout=2)

    return scenario


def with_fate(fate):
    return over(lambda address: Messages(address, fate))


async def until(run, condition):
    """Wait until something holds, or the run is done."""
    while not condition() and not run.server.ended.done():
        await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(learned, tmp_path_factory):
    books = play(experiment(ROUNDS, AGENTS), learned, tmp_path_factory.mktemp("undisturbed"))
    books.balance()
    assert books.heard == [(0, 1, 2)] * ROUNDS
    return books


def test_updates_of_which_all_is_sent_leave_nothing(tmp_path, learned):
    books = play(experiment(ROUNDS, AGENTS, top_k=False), learned, tmp_path)
    assert books.heard == [(0, 1, 2)] * ROUNDS
    books.balance()
    assert not books.left.any()


def test_messages_that_come_several_times_change_nothing(tmp_path, learned, undisturbed):
    def fate(_direction, frames):
        return [(0.0, frames), (0.0, frames), (0.02, frames), (0.3, frames)]

    books = play(experiment(ROUNDS, AGENTS), learned, tmp_path, with_fate(fate))
    assert books.history == undisturbed.history
    books.balance()


def test_messages_that_overtake_each_other_change_nothing(tmp_path, learned, undisturbed):
    rng = random.Random(1)
    books = play(
        experiment(ROUNDS, AGENTS), learned, tmp_path, with_fate(lambda _way, frames: [(rng.uniform(0, 0.1), frames)])
    )
    assert books.history == undisturbed.history
    books.balance()


def test_a_round_that_overtakes_the_welcome_to_its_run_is_taken_part_in(tmp_path, learned, undisturbed):
    """By less than a heartbeat: an agent that waits longer registers again, and is told of the round again."""

    def fate(_direction, frames):
        return [(0.05 if kind(frames) == "welcome" else 0.0, frames)]

    books = play(experiment(ROUNDS, AGENTS), learned, tmp_path, with_fate(fate))
    assert books.history == undisturbed.history
    books.balance()


@pytest.mark.parametrize("lost", ["open", "ready", "grant", "sent", "close"])
def test_a_message_that_is_lost_costs_at_most_its_agent_the_round(tmp_path, learned, lost):
    """Every third one of its kind is."""
    seen = Counter()

    def fate(_direction, frames):
        seen[kind(frames)] += 1
        return [] if kind(frames) == lost and seen[lost] % 3 == 1 else [(0.0, frames)]

    patience = 2.0 if lost == "close" else 0.5
    config = experiment(ROUNDS, AGENTS, ready_s=patience, payload_s=patience, patience_s=0.5)
    books = play(config, learned, tmp_path, with_fate(fate))
    books.balance()
    assert seen[lost] >= 4
    excluded = [set(line["excluded"]) | {str(agent) for agent in line["agents_heard"]} for line in books.lines]
    assert excluded == [{"0", "1", "2"}] * ROUNDS
    if lost == "close":
        assert all(len(heard) == AGENTS for heard in books.heard)
    else:
        assert any(len(heard) < AGENTS for heard in books.heard)
        assert books.reasons


def test_a_network_that_loses_a_tenth_of_everything_loses_no_update(tmp_path, learned):
    rng = random.Random(2)

    def fate(_direction, frames):
        return [] if rng.random() < 0.1 else [(rng.choice([0, 0.05]), frames)] * rng.choice([1, 2])

    config = experiment(ROUNDS, AGENTS, ready_s=0.5, payload_s=0.5, patience_s=0.5)
    books = play(config, learned, tmp_path, with_fate(fate))
    books.balance()
    assert len(books.lines) == ROUNDS


def cut(frames, rng):
    """Cut a message short: within a frame, or whole frames."""
    if rng.random() < 0.3:
        return frames[: rng.randrange(1, len(frames))]
    place = rng.randrange(len(frames))
    return [frame[: rng.randrange(len(frame))] if at == place and frame else frame for at, frame in enumerate(frames)]


def test_messages_that_are_cut_short_are_refused_and_the_run_goes_on(tmp_path, learned):
    rng = random.Random(3)

    def fate(_direction, frames):
        return [(0.0, cut(frames, rng) if rng.random() < 0.15 else frames)]

    config = experiment(ROUNDS, AGENTS, ready_s=0.5, payload_s=0.5, patience_s=0.5)
    books = play(config, learned, tmp_path, with_fate(fate))
    books.balance()
    assert len(books.lines) == ROUNDS
    assert "sent what is not a message" in books.logs


@pytest.mark.parametrize(("halved", "uplink"), [("sent", "ideal"), ("sent", "symbol"), ("grant", "symbol")])
def test_a_message_that_comes_without_its_tensors_costs_its_agent_the_round(tmp_path, learned, halved, uplink):
    """Every third one of its kind."""
    seen = Counter()

    def fate(_direction, frames):
        seen[kind(frames)] += 1
        return [(0.0, frames[:-1] if kind(frames) == halved and seen[halved] % 3 == 1 else frames)]

    config = experiment(ROUNDS, AGENTS).model_copy(
        update={"uplink": Uplink(kind=uplink, ideal_top_k=True, sparsity=0.2)}
    )
    books = play(config, learned, tmp_path, with_fate(fate))
    assert len(books.lines) == ROUNDS
    said = [reason for line in books.lines for reason in line["excluded"].values()]
    words = "sent, and nothing of it came" if halved == "sent" else "must have a weight for each block, got none"
    assert sum(words in reason for reason in said) == (seen[halved] + 2) // 3
    assert all(0 < len(heard) < AGENTS for heard in books.heard)


def stall(seconds, whenever):
    """Stall the network for some seconds, once when the server is in this phase of round 2."""

    async def during(run, proxy):
        await until(run, lambda: run.server.machine.committed >= 1 and run.server.machine.phase == whenever)
        proxy.stall()
        await asyncio.sleep(seconds)
        proxy.flow()

    return during


@pytest.mark.parametrize("proxy", [Messages, Bytes])
@pytest.mark.parametrize("phase", ["ready", "payload", "close"])
@pytest.mark.parametrize(
    ("seconds", "patience"), [(1.2, 0.5), pytest.param(10.0, 3.0, marks=pytest.mark.slow)], ids=["short", "ten seconds"]
)
def test_a_network_that_stalls_loses_no_update(tmp_path, learned, proxy, phase, seconds, patience):
    keys = Keys(tmp_path) if proxy is Bytes else None
    config = experiment(ROUNDS, AGENTS, patience_s=patience, ready_s=3 * seconds, payload_s=3 * seconds)
    books = play(config, learned, tmp_path, over(proxy, stall(seconds, phase)), keys)
    books.balance()
    assert len(books.lines) == ROUNDS
    assert books.heard[-1] == (0, 1, 2)
    gone = {about["agent"] for about in books.events["left"] if "silent" in about["reason"]}
    assert gone == {0, 1, 2}
    for line in books.lines:
        assert len(line["agents_heard"]) + len(line["excluded"]) == AGENTS


def test_connections_that_are_cut_again_and_again_lose_no_update(tmp_path, learned):
    async def during(run, proxy):
        while not run.server.ended.done():
            await asyncio.sleep(0.15)
            proxy.cut()

    config = experiment(ROUNDS, AGENTS, ready_s=0.5, payload_s=0.5, patience_s=0.5)
    books = play(config, learned, tmp_path, over(Bytes, during), Keys(tmp_path))
    books.balance()
    assert len(books.lines) == ROUNDS
