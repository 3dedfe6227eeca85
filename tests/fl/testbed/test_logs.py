"""What a log says: the story of each round and agent, once, and no more than that."""

import asyncio
import logging
import re
import socket

from tests.fl.testbed.bench import experiment, play
from tests.fl.testbed.proxies import Messages, kind


def test_lines_of_a_round_and_an_agent_tell_what_became_of_its_update(tmp_path, learned):
    def fate(_way, frames):
        return [] if kind(frames) == "sent" and lost.pop() else [(0.0, frames)]

    async def scenario(run):
        run.join(0)
        async with Messages(run.address, fate) as between:
            run.join(1, between.address)
            await run.server.ended
            await asyncio.wait(run.tasks.values(), timeout=2)

    lost = [False, True]
    books = play(experiment(2, 2, payload_s=0.5), learned, tmp_path, scenario)
    assert books.heard == [(0,), (0, 1)]

    def story(index, agent):
        return re.findall(rf"round={index} agent={agent} (.*)", books.logs)

    said = ["ready", "sent", "heard", "settled: counted"]
    assert story(0, 0) == story(1, 0) == story(1, 1) == said
    assert story(0, 1) == ["ready", "sent", "left out: silent: granted, but not received",
                           "settled: not counted, the update stays in the residual"]  # fmt: skip
    assert re.findall(r"round=(\d) agent=- (written.*)", books.logs) == [("0", "written: ok"), ("1", "written: ok")]


def test_an_agent_whose_server_is_away_says_so_once(tmp_path, learned, caplog):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"tcp://127.0.0.1:{probe.getsockname()[1]}"

    async def scenario(run):
        run.join(0)
        run.join(1, nobody)
        for _ in range(200):  # more than a queue holds
            await run.agents[1]._register()

    with caplog.at_level(logging.WARNING, "airmeta.testbed"):
        play(experiment(1, 2, gather_s=1.0), learned, tmp_path, scenario)
    assert caplog.text.count("nothing gets through to the server") == 1
