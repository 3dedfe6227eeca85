"""`airmeta run` over stand-ins of USRPs, and what becomes of it when one of them fails."""

import json
import sys

import numpy as np
import pytest

from radio.unit import Unit
from tests.radio.usrp.bench import Board
from tests.radio.usrp.standin import MultiUSRP, TXStreamer
from tests.radio.usrp.values import TimeSpec
from tests.radio.usrp.virtual import Virtual, instead_of_uhd
from tests.tools.cli import call
from tests.tools.small import small

SMALL = small("""
rounds = 3
[waveform]
first_soundings = 2
turnaround_s = 0.005
response_s = 0.004
trigger_lead_s = 0.004
round_period_s = 0.1
[radio]
kind = "usrp"
[radio.usrp]
devices = ["addr0=a,addr1=b,addr2=c"]
carrier_hz = 2.4e9
tx_attenuation_db = 0
lead_s = 0.001
block = 1024
[radio.tx]
medium = "cable"
authorised_band = [2.39e9, 2.41e9]
[evaluation]
every = 3
""")
PERIOD = 400_000  # samples


@pytest.fixture(autouse=True)
def without_report(monkeypatch):
    """Leave the report out, which takes longer than the runs; other tests draw it."""
    monkeypatch.setattr("tools.report.page.write_report", lambda _, path: path.touch())


@pytest.fixture
def host(monkeypatch):
    boards = [Board(f"S{number}", address) for number, address in enumerate("abc")]
    host = Virtual(boards, [Unit(noise_var=1e-6)] * 3)
    instead_of_uhd(host, monkeypatch)
    yield host
    host.close()


def run(cache, folder, *more, code=0):
    (folder / "c.toml").write_text(SMALL)
    arguments = ["run", folder / "c.toml", "--out", folder / "run", "--cache", cache, "--quiet", *more]
    return call(*arguments, code=code)


def history(folder):
    path = folder / "run" / "history.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_run_trains_over_stand_ins(host, cache, tmp_path):
    run(cache, tmp_path)
    rounds = history(tmp_path)
    assert len(rounds) == 3
    assert all(sorted(line["agents_heard"]) == [0, 1] for line in rounds), rounds


def test_a_run_goes_on_with_the_other_agent_when_one_is_unplugged(host, cache, tmp_path):
    agent = host.parts[2]
    agent.dies_after = PERIOD  # in the second round
    run(cache, tmp_path)
    rounds = history(tmp_path)
    assert [sorted(line["agents_heard"]) for line in rounds][-1] == [0], rounds[-1]
    assert "radio S2:2" in json.dumps(rounds[-1])


def test_a_run_whose_server_is_unplugged_stops_with_everything_saved_and_goes_on_when_it_is_mended(
    host, cache, tmp_path
):
    host.parts[0].dies_after = PERIOD
    result = run(cache, tmp_path, code=1)
    for said in ("the server's radio is lost", "radio S0:0", "check its cable", "go on with --resume"):
        assert said in result.stderr
    assert [line["outcome"] for line in history(tmp_path)] == ["ok", "not_received"]
    host.close()
    host.parts[0].dies_after = np.inf
    run(cache, tmp_path, "--resume")
    assert [line["outcome"] for line in history(tmp_path)] == ["ok", "not_received", "ok"]


def test_a_burst_that_is_late_costs_its_agent_a_round(host, cache, tmp_path, monkeypatch):
    """The second agent's sounding of the second round comes to the device 5 ms after it should have left."""
    agent, send, late = host.parts[2], TXStreamer.send, []

    def slow(streamer, np_array, metadata, timeout):
        if streamer.channel is agent and len(history(tmp_path)) == 1 and not late:
            late.append(metadata.start_of_burst)
            metadata.time_spec = TimeSpec(metadata.time_spec.get_real_secs() - 0.005)
        return send(streamer, np_array, metadata, timeout)

    monkeypatch.setattr(TXStreamer, "send", slow)
    run(cache, tmp_path)
    assert late == [True]
    rounds = history(tmp_path)
    assert [line["agents_heard"] for line in rounds] == [[0, 1], [0], [0, 1]]
    for said in ("silent: its sounding was not heard", "LateError: radio S2:2", "raise radio.usrp.lead_s"):
        assert said in rounds[1]["excluded"]["1"]


def test_a_pulse_that_is_lost_after_the_start_does_no_harm(host, cache, tmp_path, monkeypatch):
    send = TXStreamer.send

    def unplugged(*about):
        host.boards[1].has_pps = False
        return send(*about)

    monkeypatch.setattr(TXStreamer, "send", unplugged)
    run(cache, tmp_path)
    assert [line["agents_heard"] for line in history(tmp_path)] == [[0, 1]] * 3


def test_an_agent_whose_reference_is_lost_sends_nothing_until_it_is_locked_again(host, cache, tmp_path, monkeypatch):
    """Its 10 MHz is unplugged after the first round, and back after the second."""
    board, sensor = host.boards[2], MultiUSRP.get_mboard_sensor

    def read(usrp, name, mboard):
        board.is_locked = len(history(tmp_path)) != 1
        return sensor(usrp, name, mboard)

    monkeypatch.setattr(MultiUSRP, "get_mboard_sensor", read)
    run(cache, tmp_path)
    rounds = history(tmp_path)
    assert [line["agents_heard"] for line in rounds] == [[0, 1], [0], [0, 1]]
    assert "ref_locked must be true to send" in rounds[1]["excluded"]["1"]
    assert "check the cable at REF IN" in rounds[1]["excluded"]["1"]


@pytest.mark.parametrize("spoil, said", [
    (lambda board: setattr(board, "has_pps", False), "a PPS must come every second"),
    (lambda board: setattr(board, "is_locked", False), "ref_locked must be true"),
    (lambda board: setattr(board, "address", "elsewhere"), "no USRP matches this device string"),
    (lambda board: setattr(board, "sources", ("internal",)), "clock_source must be one of internal, got external"),
])  # fmt: skip
def test_a_bench_that_is_wired_wrongly_stops_the_run_before_its_first_round(host, cache, tmp_path, spoil, said):
    spoil(host.boards[1])
    result = run(cache, tmp_path, code=1)
    assert said in result.stderr
    check_untouched(host, tmp_path)


@pytest.mark.parametrize("change, said", [
    ("radio.usrp.devices=['type=usrp2']", "a device string must match one USRP, got 3: "),
    ("radio.usrp.rx_gain_db=71", "rx_gain_db must lie between 0 and 70 dB, got 71 dB"),
    ("radio.usrp.tx_attenuation_db=61", "tx_attenuation_db must lie between 0 and 60 dB, got 61 dB"),
    ("radio.usrp.carrier_hz=65e6", "carrier_hz must lie between 70000000 and 6000000000 Hz, got 65000000 Hz"),
    ("radio.usrp.bandwidth_hz=57e6", "bandwidth_hz must lie between 200000 and 56000000 Hz, got 57000000 Hz"),
    ("radio.usrp.rx_antenna=RX3", "rx_antenna must be one of TX/RX, RX2, got RX3"),
    ("waveform.sample_rate=3e6", "sample_rate must read back 3000000 Hz within"),
])  # fmt: skip
def test_what_the_devices_have_not_stops_the_run_before_anything_streams(host, cache, tmp_path, change, said):
    more = (change, "radio.tx.authorised_band=[1e6, 3e9]")
    result = run(cache, tmp_path, *(word for setting in more for word in ("--set", setting)), code=1)
    assert said in result.stderr
    check_untouched(host, tmp_path)


def check_untouched(host, folder):
    """Check that nothing was streamed, nothing left behind."""
    assert "get_rx_stream" not in host.notes.names()
    assert not any(part.radiated for part in host.parts)
    assert not (folder / "run").exists()


def test_without_uhd_a_run_says_how_it_is_installed(monkeypatch, cache, tmp_path):
    monkeypatch.setitem(sys.modules, "uhd", None)
    result = run(cache, tmp_path, code=1)
    assert "apt-get install python3-uhd" in result.stderr
