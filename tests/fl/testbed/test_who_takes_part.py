"""Who is let into a run, and when; who is not is told why and what to do, before any round."""

import re
import socket
import time

from tests.fl.testbed.supervisor import DEADLINE, Supervisor, tiny

SOON = {"gather_s": 1.0}


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def test_an_agent_waits_for_its_server_and_one_that_comes_late_takes_part_from_the_next_round_on(tmp_path, cache):
    with Supervisor(tiny(rounds=60, control=SOON), tmp_path, cache) as bench:
        bench.address = free_address()
        bench.take_part(0)
        bench.take_part(1)
        log = tmp_path / "agents" / "agent-1.log"
        deadline = time.monotonic() + DEADLINE
        while not log.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        bench.serve()
        bench.wait_for("round")
        bench.take_part(2)
        bench.wait_for("joined", agent=2)
        assert bench.keep_going() == 0
        history = bench.history
        assert history[0]["excluded"] == {"2": "absent: not registered when the round was opened"}
        first = next(line["round"] for line in history if 2 in line["agents_heard"])
        assert all(line["agents_heard"] == ([0, 1] if line["round"] < first else [0, 1, 2]) for line in history)


def test_who_does_not_fit_is_refused_with_the_remedy_and_the_run_goes_on(tmp_path, cache):
    with Supervisor(tiny(rounds=100_000, control=SOON), tmp_path, cache) as bench:
        bench.serve()
        bench.take_part(0)
        bench.wait_for("round")
        elsewhere = tmp_path / "elsewhere"
        other = tiny(rounds=100_000, control=SOON, algorithm={"inner_lr": 0.3}, seed=7)
        refused = {
            1: (
                {"config": other},
                [
                    "differs in 2 key(s)",
                    "algorithm.inner_lr",
                    "seed: 1 at the server, 7 at this agent",
                    "the same --set",
                ],
            ),
            2: ({"misfortune": ("other_version", "0.0.1")}, ["airmeta 0.0.1", "install the same airmeta on all hosts"]),
            7: ({}, ["ids go from 0 to 2, got 7", "give it another --id, or raise agents.count"]),
        }
        for agent, (given, _) in refused.items():
            bench.take_part(agent, **given)
        for agent, (_, words) in refused.items():
            assert bench.end_of(f"agent-{agent}") == 1
            for word in words:
                assert word in bench.said(f"agent-{agent}"), bench.said(f"agent-{agent}")
        log = next(tmp_path.rglob("server.log")).read_text()
        assert re.search(r"WARNING .* agent=1 refused agent 1 .*seed: 1 at the server, 7 at this agent", log)
        assert re.search(r"round=0 agent=1 left out: absent", log)
        assert re.search(r"round=0 agent=0 settled: counted", (tmp_path / "agents" / "agent-0.log").read_text())
        bench.take_part(1, state=elsewhere, misfortune=("no_data", None))
        assert bench.end_of("agent-1") == 1
        assert "it has no data for the task; give its classes more images" in bench.said("agent-1")
        original = bench.running["agent-0"]
        bench.take_part(0)  # on the same folder
        assert bench.end_of("agent-0") == 1
        assert "another process is agent 0 here; stop it, or give this one another --id or --state" in bench.said()
        bench.take_part(0, state=elsewhere)  # in another folder: maybe the first one has just been killed
        log, deadline = elsewhere / "agent-0.log", time.monotonic() + DEADLINE
        while not (log.exists() and "agent 0 is there already" in log.read_text()):
            assert time.monotonic() < deadline, bench.said()
            bench.hear(0.05)
        bench.kill("agent-0")
        bench.running["agent-0"] = original
        bench.wait_for("round")
        assert all(line["agents_heard"] == [0] for line in bench.history)
        (tmp_path / "second").mkdir()
        with Supervisor(tiny(control=SOON), tmp_path / "second", cache) as second:
            second.serve()
            bench.kill("agent-0")
            second.take_part(0, state=tmp_path / "agents")
            assert second.end_of("agent-0") == 1
            assert "another --state folder, or resume the server of that run" in second.said("agent-0")
