"""Radios behind flowgraphs, of a configuration: a run goes through one, and on without it."""

import os
import signal
from pathlib import Path

import pytest

from fl.config import load, parse
from fl.experiment import run
from fl.gnuradio_radios import plan_of
from fl.history import read
from fl.radios import modem
from fl.run_folder import RunFolder
from fl.setup import open_radios
from radio.base import RadioError
from radio.gnuradio.flowgraph import Flowgraph
from tests.drivers import need_gnuradio
from tests.fl.radio_benches import CHANNEL, GR_UHD
from tests.radio.gnuradio.behind import free_ports

ROOT = Path(__file__).parents[2]


def test_gr_uhd_is_told_what_the_table_of_usrps_says():
    config = parse("", [*GR_UHD, "radio.usrp.clock_source=gpsdo", "radio.usrp.time_source=gpsdo"])
    need_gnuradio("gnuradio.uhd")
    plan = plan_of(config.radio, 2, modem(config.waveform, config.radio.carrier), 0.0, 0)
    assert plan.wanted == {
        "devices": ["serial=1", "serial=2"], "clock_source": "gpsdo", "time_source": "gpsdo", "carrier": 915e6,
        "sample_rate": 4e6, "bandwidth": None, "tx_attenuation_db": None, "rx_gain_db": 7.0, "tx_antenna": "",
        "rx_antenna": "RX2", "occupied": 201 / 256 * 4e6,
    }  # fmt: skip
    assert plan.block == 1024


def test_a_python_without_gnuradio_is_an_error_before_anything_runs():
    with pytest.raises(RadioError, match=r"no Python with GNU Radio.*nothing-like-this: cannot be run"):
        open_radios(parse("", [*CHANNEL, "radio.gnuradio.python=nothing-like-this"]))


@pytest.mark.parametrize("flowgraph, said", [
    ("mine.py", r"running or the path of a script, got mine\.py: no such file in .*as seen from there"),
    ("mine.grc", r"must be the script that GNU Radio Companion writes, got mine\.grc; run grcc mine\.grc"),
])  # fmt: skip
def test_a_flowgraph_that_is_no_script_is_an_error_before_anything_runs(flowgraph, said):
    ends = ["radio.gnuradio.send=['inproc://a', 'inproc://b']", "radio.gnuradio.hear=['inproc://c', 'inproc://d']"]
    with pytest.raises(RadioError, match=said):
        open_radios(load(ROOT / "experiments" / "gnuradio-own.toml", [*ends, f"radio.gnuradio.flowgraph={flowgraph}"]))


@pytest.fixture
def opened(monkeypatch):
    """Flowgraphs that a run has opened; closed at the end."""
    need_gnuradio("gnuradio.zeromq")
    graphs, start = [], Flowgraph.__post_init__

    def note(graph):
        graphs.append(graph)
        start(graph)

    monkeypatch.setattr(Flowgraph, "__post_init__", note)
    yield graphs
    for graph in graphs:
        graph.close()


def test_a_run_learns_over_the_channel_flowgraph(tmp_path, cache, opened):
    assert run(parse("", CHANNEL), RunFolder(tmp_path / "run"), cache, resume=False, observe=lambda *_: False)
    rounds = read(tmp_path / "run" / "history.jsonl")
    assert [(one["outcome"], one["agents_heard"]) for one in rounds] == [("ok", [0, 1])] * 2
    assert all(one["oracle_nmse_db"] < -10 for one in rounds)


def test_a_run_whose_flowgraph_is_killed_loses_a_round_and_goes_on_with_everything_saved(tmp_path, cache, opened):
    def observe(record, _):
        if record["round"] == 0:
            os.kill(opened[0].process_id, signal.SIGKILL)
        return False

    folder = RunFolder(tmp_path / "run")
    assert run(parse("", [*CHANNEL, "rounds=3"]), folder, cache, resume=False, observe=observe)
    rounds = read(folder.history)
    assert ["killed by signal 9" in str(one) for one in rounds] == [False, True, False]
    assert rounds[2]["oracle_nmse_db"] < -10


def test_the_example_of_a_flowgraph_of_ones_own_carries_a_run(tmp_path, cache, opened):
    port = free_ports(4)
    ends = [[f"tcp://127.0.0.1:{port + 2 * way + unit}" for unit in (0, 1)] for way in (0, 1)]
    changes = [f"radio.gnuradio.send={ends[0]}", f"radio.gnuradio.hear={ends[1]}", "rounds=1", "evaluation.tasks=2",
               f"radio.gnuradio.arguments=['--port', '{port}']",
               f"radio.gnuradio.flowgraph={ROOT / 'radio/flowgraphs/example.py'}"]  # fmt: skip
    config = load(ROOT / "experiments" / "gnuradio-own.toml", changes)
    assert run(config, RunFolder(tmp_path / "run"), cache, resume=False, observe=lambda *_: False)
    (only,) = read(tmp_path / "run" / "history.jsonl")
    assert (only["outcome"], only["agents_heard"]) == ("ok", [0])
