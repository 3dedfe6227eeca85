"""`airmeta run` over stand-ins of USRPs, and what becomes of it when one of them fails."""

import json
import sys

import pytest
from click.testing import CliRunner

from radio.air import Unit
from tests.radio.usrp.bench import Board
from tests.radio.usrp.virtual import Virtual, instead_of_uhd
from tools.cli import main

SMALL = """
rounds = 3
[run]
threads = 1
[agents]
count = 2
[task]
ways = 3
shots = 1
queries = 2
[model]
kind = "cnn"
width = 8
[algorithm]
order = "first"
inner_lr = 0.1
[uplink]
kind = "waveform"
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
tasks = 2
queries = 2
steps = 1
"""
PERIOD = 400_000  # samples


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def host(monkeypatch):
    boards = [Board(f"S{number}", address) for number, address in enumerate("abc")]
    host = Virtual(boards, [Unit(noise_var=1e-6)] * 3)
    instead_of_uhd(host, monkeypatch)
    yield host
    host.close()


def run(cache, folder):
    (folder / "c.toml").write_text(SMALL)
    arguments = ["run", folder / "c.toml", "--out", folder / "run", "--cache", cache, "--quiet"]
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def history(folder):
    return [json.loads(line) for line in (folder / "run" / "history.jsonl").read_text().splitlines()]


def test_a_run_trains_over_stand_ins(host, cache, tmp_path):
    result = run(cache, tmp_path)
    assert result.exit_code == 0, result.output
    rounds = history(tmp_path)
    assert len(rounds) == 3
    assert all(sorted(line["agents_heard"]) == [0, 1] for line in rounds), rounds


def test_a_run_goes_on_with_the_other_agent_when_one_is_unplugged(host, cache, tmp_path):
    agent = host.parts[2]
    agent.dies_after = PERIOD  # in the second round
    result = run(cache, tmp_path)
    assert result.exit_code == 0, result.output
    rounds = history(tmp_path)
    assert [sorted(line["agents_heard"]) for line in rounds][-1] == [0], rounds[-1]
    assert "radio S2:2" in json.dumps(rounds[-1])


def test_a_run_whose_server_is_unplugged_ends_with_everything_saved(host, cache, tmp_path):
    host.parts[0].dies_after = PERIOD
    result = run(cache, tmp_path)
    assert result.exit_code in (0, 1)
    rounds = history(tmp_path)
    assert len(rounds) == 3
    assert "radio S0:0" in rounds[-1]["failure"]
    assert "check its cable" in rounds[-1]["failure"]


@pytest.mark.parametrize("spoil, said", [
    (lambda board: setattr(board, "has_pps", False), "a PPS must come every second"),
    (lambda board: setattr(board, "is_locked", False), "ref_locked must be true"),
    (lambda board: setattr(board, "address", "elsewhere"), "no USRP matches this device string"),
])  # fmt: skip
def test_a_bench_that_is_wired_wrongly_stops_the_run_before_its_first_round(host, cache, tmp_path, spoil, said):
    spoil(host.boards[1])
    result = run(cache, tmp_path)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit), "a message, no traceback"
    assert not any(part.radiated for part in host.parts)


def test_without_uhd_a_run_says_how_it_is_installed(monkeypatch, cache, tmp_path):
    monkeypatch.setitem(sys.modules, "uhd", None)
    result = run(cache, tmp_path)
    assert result.exit_code == 1
    assert "apt-get install python3-uhd" in result.stderr
