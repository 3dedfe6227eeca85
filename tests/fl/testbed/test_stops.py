"""Ctrl-C, SIGTERM and kill -9: a run stops after a round, or at once, and never leaves a process behind."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from fl import config as configuration
from fl.history import read
from tests.fl.testbed.roles import INTERRUPTED
from tests.fl.testbed.supervisor import DEADLINE, Supervisor, tiny

ENDLESS = 100_000


def wait_until(true, say=lambda: ""):
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline, say()
        time.sleep(0.05)


def started(bench, agents=3):
    bench.serve()
    for agent in range(agents):
        bench.take_part(agent)
    bench.wait_for("round", rounds=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_asked_to_stop_ends_the_round_and_goes_on_with_resume(tmp_path, cache, number):
    with Supervisor(tiny(rounds=ENDLESS), tmp_path, cache) as bench:
        started(bench)
        bench.signal("server", number)
        assert bench.end_of("server") == INTERRUPTED
        lines = (tmp_path / "run" / "history.jsonl").read_text()
        assert lines.endswith("\n")
        assert bench.checkpoint.rounds == len(lines.splitlines()) > 1
        assert all(line["agents_heard"] == [0, 1, 2] for line in bench.history)
        bench.serve(resume=True)
        bench.wait_for("round", rounds=bench.checkpoint.rounds + 1)
        for agent in range(3):
            bench.signal(f"agent-{agent}", number)
            assert bench.end_of(f"agent-{agent}") == INTERRUPTED


def test_a_server_that_is_asked_twice_does_not_wait_for_the_round(tmp_path, cache):
    with Supervisor(tiny(rounds=ENDLESS, control={"patience_s": 60.0}), tmp_path, cache) as bench:
        started(bench)
        bench.signal("agent-1", signal.SIGSTOP)
        while not bench.running["server"].process.exitcode and bench.hear(1.0):
            pass  # until no round ends any more
        bench.signal("server", signal.SIGINT)
        bench.running["server"].process.join(1.0)
        assert bench.running["server"].process.exitcode is None
        bench.signal("server", signal.SIGINT)
        assert bench.end_of("server") == INTERRUPTED
        assert bench.checkpoint.rounds == len(bench.history)


def test_who_is_stopped_at_a_terminal_says_how_to_go_on(tmp_path, cache):
    experiment, out, state = tmp_path / "experiment.toml", tmp_path / "run", tmp_path / "agents"
    experiment.write_text(configuration.dump(configuration.check(tiny(rounds=ENDLESS, agents={"count": 1}))))
    common = [str(experiment), "--plaintext", "--cache", str(cache)]
    server, agent = tmp_path / "said" / "serve.txt", tmp_path / "said" / "device.txt"
    with Supervisor({}, tmp_path, cache) as bench:
        serve = bench.airmeta(["serve", *common, "--out", str(out), "--listen", "tcp://127.0.0.1:0", "--json"], server)
        wait_until(lambda: server.exists() and '"listening"' in server.read_text())
        line = next(line for line in server.read_text().splitlines() if '"listening"' in line)
        where = ["--id", "0", "--server", json.loads(line)["address"], "--state", str(state)]
        device = bench.airmeta(["device", *common, *where], agent)
        try:
            wait_until((out / "history.jsonl").exists, server.read_text)
            for process in (device, serve):
                os.kill(process.pid, signal.SIGINT)
                process.join(DEADLINE)
        finally:
            serve.kill()
            device.kill()
        assert (device.exitcode, serve.exitcode) == (INTERRUPTED, INTERRUPTED)
        assert "start it again with the same --state to go on" in agent.read_text()
        assert f"Go on with: airmeta serve {experiment}" in server.read_text()


def processes_of(folder):
    """Return the processes that were started with a folder on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words and b"tools.cli" in words:
            found.append(int(path.parent.name))
    return found


def test_a_testbed_says_how_to_go_on_after_ctrl_c_and_leaves_nothing_behind_when_it_is_killed(tmp_path, cache):
    experiment, out = tmp_path / "experiment.toml", tmp_path / "run"
    experiment.write_text(configuration.dump(configuration.check(tiny(rounds=ENDLESS))), encoding="utf-8")
    words = ["testbed", str(experiment), "--agents", "1", "--out", str(out), "--cache", str(cache), "--quiet"]
    history, said = out / "history.jsonl", tmp_path / "said" / "testbed.txt"

    def rounds():
        return len(read(history)) if history.exists() else 0

    with Supervisor({}, tmp_path, cache) as bench:
        for resume in ([], ["--resume"]):
            before = rounds()
            testbed = bench.airmeta([*words, *resume], said)
            try:
                wait_until(lambda before=before, testbed=testbed: rounds() > before or testbed.exitcode, said.read_text)
                assert len(processes_of(out)) == 2
                os.kill(testbed.pid, signal.SIGKILL if resume else signal.SIGINT)
                testbed.join(DEADLINE)
            finally:
                testbed.kill()
            wait_until(lambda: not processes_of(out), lambda: f"left: {processes_of(out)}")
            if not resume:
                assert testbed.exitcode == INTERRUPTED
                assert f"Go on with: airmeta testbed {experiment}" in said.read_text()
                assert said.read_text().rstrip().endswith("--resume")
        assert rounds() > before
