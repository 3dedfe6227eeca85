"""Server and agents in processes of their own, each with a PlutoSDR of its own on a virtual unit of one emulator."""

import re
import time

import pytest

from fl import checkpoint
from radio.shared_air.radio import state_of
from tests.drivers import need_libiio
from tests.fl.testbed.kill_points import KillPoint
from tests.fl.testbed.supervisor import Supervisor, tiny
from tests.fl.testbed.test_kills import balanced, drill, in_turn
from tests.fl.testbed.test_same_as_one_process import in_one_process
from tests.real_time import real_time

IMPAIRED = {"offset_ppm": 2.0, "timing_offset": 1.0, "dc_offset_db": -40.0, "leakage_db": -40.0}
SILENCE = 60.0  # seconds for a watchdog on a machine with other work
KILLS = [("Said", "sound"), ("Done", "follow"), ("Done", "transmit")]


@pytest.fixture(autouse=True)
def _need_libiio():
    need_libiio()


def on_plutos(clock="lock-step", waveform=(), loopback=(), pluto=(), **sections):
    """Return a small experiment over virtual Plutos as a table."""
    virtual = {"emulate": True, "clock": clock, "carrier_hz": 915e6, "tx_attenuation_db": 0.0, "timeout_s": 20.0}
    tx = {"medium": "cable", "authorised_band": [910e6, 920e6]}
    return tiny(
        **{"rounds": 3, "agents": {"count": 2}, "uplink": {"kind": "waveform", "ideal_top_k": False}} | sections,
        waveform={"response_s": 0.005, "trigger_lead_s": 0.005, "round_period_s": 0.15} | dict(waveform),
        radio={"kind": "pluto", "pluto": virtual | dict(pluto), "tx": tx, "loopback": dict(loopback)},
    )


def in_processes(config, folder, cache):
    """Do a run, and return its folder's name."""
    with Supervisor(config, folder, cache) as bench:
        drill(bench, {}, bench.open_air())
    return folder / "run"


def test_processes_on_virtual_plutos_write_the_history_of_one_process_to_the_byte(tmp_path, cache):
    """Leakage and offsets included: whatever a process does, it does at the sample at which one process does it."""
    config = on_plutos(loopback=IMPAIRED)
    one, many = in_one_process(config, tmp_path, cache), in_processes(config, tmp_path, cache)
    assert (many / "history.jsonl").read_text() == one.history.read_text()
    assert checkpoint.load(many).state.theta.equal(checkpoint.load(one.path).state.theta)


def test_an_agent_that_is_killed_on_virtual_plutos_comes_back_and_nothing_counts_twice(tmp_path, cache):
    with Supervisor(on_plutos(rounds=len(KILLS) + 2), tmp_path, cache) as bench:
        air = bench.open_air()
        drill(bench, in_turn(KILLS, 2), air)
        assert bench.history[-1]["agents_heard"] == [0, 1]
        balanced(bench)


def test_a_killed_process_owes_nothing_and_leaves_a_silent_radio(tmp_path, cache):
    with Supervisor(on_plutos(), tmp_path, cache) as bench:
        air = bench.open_air()
        bench.serve(radio=air, together=True)
        bench.take_part(0, radio=air)
        bench.take_part(1, radio=air, kill=KillPoint("Said", "grant", 1))  # it has sounded, and owes its payload
        bench.end_of("agent-1")
        bench.wait_for("round", rounds=1)
        state = state_of(air.removeprefix("plutos:"))
        assert 2 not in state.connected + state.owing
        assert bench.history[0]["agents_heard"] == [0, 1]
        assert bench.history[1]["agents_heard"] == [0]
        await_silence(re.search(r"radio (ip:\S+): its transmitter", bench.said("agent-1"))[1])


def await_silence(uri):
    """Return once the mixer of a radio's transmitter has no power."""
    import iio

    mixer = iio.Context(uri).find_device("ad9361-phy").find_channel("altvoltage1", True)
    deadline = time.monotonic() + SILENCE
    while mixer.attrs["powerdown"].value != "1":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_server_that_is_killed_on_virtual_plutos_goes_on_where_it_was(tmp_path, cache):
    with Supervisor(on_plutos(rounds=3), tmp_path, cache) as bench:
        drill(bench, {"server": [("Done", "sound", 0), ("Done", "receive", 1)]}, bench.open_air())
        assert bench.history[-1]["agents_heard"] == [0, 1]
        balanced(bench)


@real_time
def test_processes_on_virtual_plutos_in_real_time_deliver(tmp_path_factory, cache):
    slow = {
        "sample_rate": 1e6,
        "response_s": 0.4,
        "turnaround_s": 0.5,
        "trigger_lead_s": 0.3,
        "search_s": 0.01,
        "round_period_s": 2.5,
    }
    deep = {"block": 16_384, "queue": 8}
    config = on_plutos("real-time", slow, pluto=deep, agents={"count": 1}, control={"quorum": 1}, rounds=2)
    history = in_processes(config, tmp_path_factory.mktemp("real"), cache) / "history.jsonl"
    assert history.read_text().count('"outcome":"ok"') == 2


def test_another_experiment_is_no_part_of_these_virtual_plutos(tmp_path, cache):
    config = on_plutos()
    with Supervisor(config, tmp_path, cache) as bench:
        air = bench.open_air()
        bench.config = on_plutos(seed=7)
        bench.serve(radio=air)
        assert bench.end_of("server") == 1
        assert "seed: 1 at the air, 7 at unit 0" in bench.said("server")
