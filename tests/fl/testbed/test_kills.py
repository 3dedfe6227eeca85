"""kill -9 at every point of a round: nothing is counted twice, nothing is lost, the run finishes, the history says it.

Each drill is one run with a kill a round or more, whose books (`ledger`) must balance at the end.
"""

import re

import pytest
import torch

from fl.config import check
from fl.learning import learning
from tests.fl.testbed.kill_points import KillPoint
from tests.fl.testbed.ledger import MEANS, books_of
from tests.fl.testbed.supervisor import Supervisor, tiny

IDEAL = {"kind": "ideal", "ideal_top_k": True}
SYMBOL = {"kind": "symbol", "ideal_top_k": False}
DIGITAL = {"kind": "digital", "ideal_top_k": False}
WAVEFORM = {"kind": "waveform", "ideal_top_k": False}

HEARD = "heard"
GONE = "^gone: "
FORGOTTEN = "^restarted: its process had forgotten the round|^silent: granted, but not received"
AGENT_BY_WIRE = {
    ("Said", "open"): GONE,  # before it learns
    ("Done", "learn"): GONE,  # the update is computed, and not on disk
    ("Written", "offer"): GONE,  # on disk, and not reported
    ("Said", "grant"): FORGOTTEN,
    ("Done", "prepare"): FORGOTTEN,  # the payload is made
    ("Written", "mark"): FORGOTTEN,  # it may be on the air, for all the disk says
    ("Done", "transmit"): FORGOTTEN,  # sent, and not reported: by wire, the report is the payload
    ("Said", "close"): HEARD,  # counted, and not settled
    ("Written", "settle"): HEARD,
}
AGENT_ON_AIR = {
    ("Said", "sound"): "gone|restarted",
    ("Done", "follow"): "gone|restarted|did not sound|silent",
    ("Written", "mark"): "gone|restarted|silent",
    ("Done", "transmit"): HEARD,  # on the air, and not reported: the server has heard it
    ("Said", "close"): HEARD,
}
SERVER_BY_WIRE = [
    ("Begin", ""),  # open
    ("Said", "ready"),
    ("Done", "decide"),  # grant
    ("Said", "sent"),  # payload
    ("Done", "decode"),  # close, and nothing is on disk
    ("Commit", "checkpoint"),  # the history has the line, the checkpoint does not
    ("Written", "commit"),  # on disk, and no agent knows
]
SERVER_ON_AIR = [("Done", "call"), ("Done", "sound"), ("Done", "decide"), ("Done", "receive"), ("Done", "decode")]


def balanced(bench):
    """Check that all books balance once every agent has ended, and return the checkpoint."""
    saved = bench.checkpoint
    for agent in range(bench.config["agents"]["count"]):
        bench.end_of(f"agent-{agent}")  # the server may be done while a radio is still being silenced
        books = books_of(bench.folder / "run", bench.folder / "agents", agent)
        assert books.computed.norm() > 0
        torch.testing.assert_close(books.counted + books.residual, books.computed, atol=1e-5, rtol=1e-4)
        heard = [line["round"] for line in bench.history if agent in line["agents_heard"]]
        assert len(books.rounds) == len(set(books.rounds)) >= len(heard)
    return saved


def first_theta(bench):
    return learning(check(bench.config), bench.cache).first_theta()


def drill(bench, plans, radio=None):
    """Do the run, each process killed as planned; return the processes' kills by name."""
    first = {name: KillPoint(*points[0]) for name, points in plans.items()}
    bench.serve(kill=first.get("server"), together=True, radio=radio)
    for agent in range(bench.config["agents"]["count"]):
        bench.take_part(agent, kill=first.get(f"agent-{agent}"), radio=radio)
    later = {name: [KillPoint(*point) for point in points[1:]] for name, points in plans.items()}
    assert bench.keep_going(later) == 0, bench.said()
    done = {name: bench.kills(name) for name in plans}
    for name, points in plans.items():
        assert [point for point, _ in done[name]] == [f"{event}({what})" for event, what, _ in points], bench.said()
    assert [line["round"] for line in bench.history] == list(range(bench.config["rounds"]))
    return done


def in_turn(points, agents):
    """Return plans that kill one agent a round, each agent at every third point."""
    plans = {f"agent-{agent}": [] for agent in range(agents)}
    for index, point in enumerate(points):
        plans[f"agent-{index % agents}"].append((*point, index))
    return plans


def says(line, agent, expected):
    """Whether the history of a round says what became of an agent that was killed in it."""
    if expected is HEARD:
        return agent in line["agents_heard"]
    if expected is GONE and agent in line["agents_heard"]:
        return True  # it was back before the others were ready
    return agent not in line["agents_heard"] and re.search(expected, line["excluded"].get(str(agent), ""))


@pytest.mark.parametrize("uplink", [IDEAL, SYMBOL, DIGITAL], ids=["ideal", "symbol", "digital"])
def test_an_agent_that_is_killed_anywhere_in_a_round_keeps_what_was_not_counted(tmp_path, cache, uplink):
    config = tiny(uplink=uplink, rounds=len(AGENT_BY_WIRE) + 2, control={"patience_s": 1.0})
    with Supervisor(config, tmp_path, cache) as bench:
        kills = drill(bench, in_turn(list(AGENT_BY_WIRE), 3))
        expected = {f"{event}({what})": outcome for (event, what), outcome in AGENT_BY_WIRE.items()}
        for name, points in kills.items():
            for point, index in points:
                line = bench.history[index]
                assert says(line, int(name.removeprefix("agent-")), expected[point]), (name, point, line)
        saved = balanced(bench)
        if uplink is IDEAL:
            moved = first_theta(bench) - torch.from_numpy(saved.control[MEANS])
            torch.testing.assert_close(saved.state.theta, moved, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("uplink", [IDEAL, SYMBOL, DIGITAL], ids=["ideal", "symbol", "digital"])
def test_a_server_that_is_killed_in_every_phase_ends_where_one_that_is_not_does(tmp_path, cache, uplink):
    config = tiny(uplink=uplink, rounds=len(SERVER_BY_WIRE) + 1)
    (tmp_path / "calm").mkdir()
    with Supervisor(config, tmp_path / "calm", cache) as bench:
        drill(bench, {})
        calm, heard = bench.checkpoint.state.theta, [line["agents_heard"] for line in bench.history]
    with Supervisor(config, tmp_path, cache) as bench:
        drill(bench, {"server": [(*point, index) for index, point in enumerate(SERVER_BY_WIRE)]})
        assert [line["agents_heard"] for line in bench.history] == heard
        assert balanced(bench).state.theta.equal(calm)


def test_an_agent_that_is_killed_on_the_air_was_heard_if_its_payload_was(tmp_path, cache):
    config = tiny(uplink=WAVEFORM, rounds=len(AGENT_ON_AIR) + 2)
    with Supervisor(config, tmp_path, cache) as bench:
        kills = drill(bench, in_turn(list(AGENT_ON_AIR), 3), bench.open_air())
        expected = {f"{event}({what})": outcome for (event, what), outcome in AGENT_ON_AIR.items()}
        for name, points in kills.items():
            for point, index in points:
                line = bench.history[index]
                assert says(line, int(name.removeprefix("agent-")), expected[point]), (name, point, line)
        balanced(bench)


def test_a_server_that_is_killed_on_the_air_counts_nothing_twice(tmp_path, cache):
    config = tiny(uplink=WAVEFORM, rounds=len(SERVER_ON_AIR) + 1)
    with Supervisor(config, tmp_path, cache) as bench:
        drill(bench, {"server": [(*point, index) for index, point in enumerate(SERVER_ON_AIR)]}, bench.open_air())
        assert any(line["agents_heard"] == [0, 1, 2] for line in bench.history)
        balanced(bench)
