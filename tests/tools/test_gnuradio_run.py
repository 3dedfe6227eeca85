"""`airmeta run` over flowgraphs in processes of their own: what becomes of it when these fail, and what is saved."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from radio.gnuradio.bridge import Bridge
from radio.gnuradio.flowgraph import Flowgraph
from radio.gnuradio.radio import FlowgraphRadio
from tests.drivers import need_gnuradio
from tests.radio.gnuradio.behind import becomes
from tests.tools.small import small
from tools.cli import main

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "experiments" / "quickstart.toml"
SMALL = small("""
rounds = 3
[waveform]
first_soundings = 2
turnaround_s = 0.005
round_period_s = 0.1
[radio]
kind = "gnuradio"
[radio.loopback]
redraw = false
[evaluation]
every = 3
""")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def without_report(monkeypatch):
    """Leave the report out, which takes longer than the runs; other tests draw it."""
    monkeypatch.setattr("tools.report.page.write_report", lambda _, path: path.touch())


@pytest.fixture
def graphs(monkeypatch):
    """Flowgraphs that a run has opened; closed at the end."""
    need_gnuradio("gnuradio.zeromq")
    opened, start = [], Flowgraph.__post_init__

    def note(graph):
        opened.append(graph)
        start(graph)

    monkeypatch.setattr(Flowgraph, "__post_init__", note)
    yield opened
    for graph in opened:
        graph.close()


def words(cache, folder, *settings):
    (folder / "c.toml").write_text(SMALL)
    changes = [word for setting in settings for word in ("--set", setting)]
    return [str(word) for word in ("run", folder / "c.toml", "--out", folder / "run", "--cache", cache, *changes)]


def run(cache, folder, *settings):
    return CliRunner().invoke(main, [*words(cache, folder, *settings), "--quiet"])


def history(folder):
    path = folder / "run" / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@dataclass
class InMidBurst:
    """Do something in the second round, once half of a unit's burst has been handed over.

    Args:
        folder: of the test; its history tells which round it is.
        unit: whose burst.
        burst: which one of the round, from 0 on.
        act: what is done.
    """

    folder: Path
    unit: int
    burst: int
    act: object
    seen: int = 0

    def watch(self, monkeypatch):
        push = Bridge.push

        def pushed(bridge, wave):
            sent = np.flatnonzero(wave)
            if sent.size and bridge.label.endswith(f"unit {self.unit}") and len(history(self.folder)) == 1:
                self.seen += 1
                if self.seen == self.burst + 1:
                    middle = int(sent[sent.size // 2])
                    push(bridge, wave[:middle])
                    self.act()
                    wave = wave[middle:]
            push(bridge, wave)

        monkeypatch.setattr(Bridge, "push", pushed)
        return self


def kill(graphs):
    os.kill(graphs[0].process_id, signal.SIGKILL)


def stop(graphs, seconds=None):
    """Stop the process of a flowgraph, for some seconds of real time or for good."""
    number = graphs[0].process_id
    os.kill(number, signal.SIGSTOP)
    if seconds is not None:
        threading.Timer(seconds, os.kill, (number, signal.SIGCONT)).start()


def lost_one_round(folder, said):
    """Check that the second round failed with its reason and nothing else did."""
    first, second, third = history(folder)
    assert [one["outcome"] for one in (first, second, third)] == ["ok", "not_received", "ok"]
    for part in said:
        assert part in second["failure"]
    assert (third["agents_heard"], second["agents_heard"]) == ([0, 1], [])
    assert third["oracle_nmse_db"] < -10
    for name in ("checkpoint.safetensors", "config.toml"):
        assert (folder / "run" / name).exists()


@pytest.mark.parametrize("unit, burst", [(0, 0), (2, 1)], ids=["beacon", "payload"])
def test_a_flowgraph_that_is_killed_in_the_middle_of_a_burst_costs_a_round(
    graphs, cache, tmp_path, monkeypatch, unit, burst
):
    drill = InMidBurst(tmp_path, unit, burst, lambda: kill(graphs)).watch(monkeypatch)
    result = run(cache, tmp_path)
    assert result.exit_code == 0, result.output
    assert drill.seen > burst
    lost_one_round(tmp_path, ("the flowgraph was killed by signal 9", "the next call starts it again"))
    assert "1 of 3 rounds delivered nothing" in result.stderr
    assert "the agents kept their updates" in result.stderr


def test_a_bridge_that_stalls_for_longer_than_its_timeout_costs_a_round(graphs, cache, tmp_path, monkeypatch):
    InMidBurst(tmp_path, 0, 0, lambda: stop(graphs)).watch(monkeypatch)
    result = run(cache, tmp_path, "radio.gnuradio.timeout_s=0.5")
    assert result.exit_code == 0, result.output
    said = ("the bridge stalls", "radio.gnuradio.timeout_s", "it is stopped, or hangs", "the next call starts again")
    lost_one_round(tmp_path, said)


def test_a_bridge_that_stalls_for_a_moment_changes_nothing(graphs, cache, tmp_path, monkeypatch):
    """Samples wait: the run is the same, to the last bit of its history, as one in which nothing stood still."""
    (tmp_path / "calm").mkdir()
    assert run(cache, tmp_path / "calm").exit_code == 0
    InMidBurst(tmp_path, 0, 0, lambda: stop(graphs[1:], 0.5)).watch(monkeypatch)
    assert run(cache, tmp_path).exit_code == 0
    assert history(tmp_path) == history(tmp_path / "calm")


@pytest.mark.slow
@pytest.mark.parametrize("timeout, outcomes", [(2, ["ok", "not_received", "ok"]), (20, ["ok", "ok", "ok"])])
def test_a_bridge_that_stalls_for_five_seconds_costs_a_round_or_none(
    graphs, cache, tmp_path, monkeypatch, timeout, outcomes
):
    InMidBurst(tmp_path, 1, 0, lambda: stop(graphs, 5.0)).watch(monkeypatch)
    begun = time.monotonic()
    assert run(cache, tmp_path, f"radio.gnuradio.timeout_s={timeout}").exit_code == 0
    assert [one["outcome"] for one in history(tmp_path)] == outcomes
    assert time.monotonic() - begun > min(timeout, 5)


def test_a_flowgraph_that_does_not_start_again_stops_the_run_which_goes_on_when_it_is_mended(
    graphs, cache, tmp_path, monkeypatch
):
    python = tmp_path / "python"
    python.symlink_to(need_gnuradio("gnuradio.zeromq"))

    def remove():
        python.rename(tmp_path / "elsewhere")
        kill(graphs)

    InMidBurst(tmp_path, 0, 0, remove).watch(monkeypatch)
    result = run(cache, tmp_path, f"radio.gnuradio.python={python}")
    assert result.exit_code == 1
    for said in ("the server's radio is lost", f"cannot run {python}", "check the path", "go on with --resume"):
        assert said in result.stderr
    assert [one["outcome"] for one in history(tmp_path)] == ["ok"]
    (tmp_path / "elsewhere").rename(python)
    result = CliRunner().invoke(main, [*words(cache, tmp_path, f"radio.gnuradio.python={python}"), "--resume"])
    assert result.exit_code == 0, result.output
    assert [one["outcome"] for one in history(tmp_path)] == ["ok"] * 3


def test_a_run_that_is_interrupted_while_the_bridge_stalls_is_saved_and_resumed(graphs, cache, tmp_path, monkeypatch):
    def interrupt():
        stop(graphs)
        os.kill(os.getpid(), signal.SIGTERM)

    InMidBurst(tmp_path, 0, 0, interrupt).watch(monkeypatch)
    settings = ("radio.gnuradio.timeout_s=0.5",)
    result = run(cache, tmp_path, *settings)
    assert result.exit_code == 130
    assert "--resume" in result.stderr
    assert [one["outcome"] for one in history(tmp_path)] == ["ok", "not_received"]
    assert CliRunner().invoke(main, [*words(cache, tmp_path, *settings), "--resume"]).exit_code == 0
    assert [one["outcome"] for one in history(tmp_path)] == ["ok", "not_received", "ok"]


@pytest.mark.slow
def test_the_quickstart_learns_for_twenty_rounds_over_the_channel_flowgraph(graphs, cache, tmp_path):
    changes = ("rounds=20", "uplink.kind=waveform", "radio.kind=gnuradio", "radio.loopback.redraw=false")
    arguments = [
        "run",
        ROOT / "experiments" / "quickstart.toml",
        "--out",
        tmp_path / "run",
        "--cache",
        cache,
        "--quiet",
    ]
    arguments += [word for change in changes for word in ("--set", change)]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    rounds = history(tmp_path)
    assert [(one["outcome"], one["agents_heard"]) for one in rounds] == [("ok", list(range(10)))] * 20
    assert rounds[-1]["new_agent_interval"][0] > rounds[-1]["interval_by_step"][0][1], "fine-tuning helps new agents"


def test_a_burst_that_is_handed_over_too_late_costs_its_agent_a_round(graphs, cache, tmp_path, monkeypatch):
    """The second agent answers the second beacon a quarter of a second after it should have."""
    transmit = FlowgraphRadio.transmit

    def late(radio, samples, at):
        shift = 1_000_000 * (radio.unit == 2 and len(history(tmp_path)) == 1)
        transmit(radio, samples, at - shift)

    monkeypatch.setattr(FlowgraphRadio, "transmit", late)
    assert run(cache, tmp_path).exit_code == 0
    rounds = history(tmp_path)
    assert [one["agents_heard"] for one in rounds] == [[0, 1], [0], [0, 1]]
    for said in ("LateError: gnuradio channel unit 2", "samples too late", "in a round: raise waveform.response_s"):
        assert said in rounds[1]["excluded"]["1"]


def children(number):
    return [int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()]


def test_a_run_that_is_killed_takes_its_flowgraph_with_it_and_goes_on(graphs, cache, tmp_path):
    settings = ("rounds=6", "run.checkpoint_every=1")
    arguments = words(cache, tmp_path, *settings)
    with subprocess.Popen([sys.executable, "-m", "tools.cli", *arguments, "--quiet"], cwd=ROOT) as process:
        deadline = time.monotonic() + 120
        while len(history(tmp_path)) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        flowgraphs = children(process.pid)
        process.kill()
    assert flowgraphs
    assert all(becomes(number, "Z") for number in flowgraphs)
    assert CliRunner().invoke(main, [*arguments, "--resume"]).exit_code == 0
    assert [(one["round"], one["outcome"]) for one in history(tmp_path)] == [(number, "ok") for number in range(6)]
