"""The experiment over virtual Plutos, whole: Omniglot, twenty rounds, no sample lost, in lock-step and in real time."""

import json
from pathlib import Path

import pytest

from fl import pluto_radios
from fl.config import load
from fl.experiment import run
from fl.run_folder import RunFolder
from radio.pluto.radio import PlutoRadio
from tests.drivers import need_libiio

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
ROUNDS, AGENTS = 20, 3
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs the packed Omniglot files in ../shared/data")


@pytest.fixture
def played(cache, tmp_path, monkeypatch):
    """Return a function from a clock to the history of the experiment, and how often a stream of each radio broke."""
    need_libiio()
    radios = []

    def noted(*arguments):
        radios.append(PlutoRadio(*arguments))
        return radios[-1]

    def play(clock):
        monkeypatch.setattr(pluto_radios, "PlutoRadio", noted)
        keys = [f"radio.pluto.clock={clock}", f"data_root={DATA}"]
        folder = RunFolder(tmp_path / "run")
        assert run(
            load(ROOT / "experiments/pluto-real-time.toml", keys), folder, cache, resume=False, observe=lambda *_: False
        )
        return [json.loads(line) for line in folder.history.read_text().splitlines()], [one.breaks for one in radios]

    return play


def all_delivered(records):
    """A deep fade may cost an agent a round; a radio may not."""
    assert [record["outcome"] for record in records] == ["ok"] * ROUNDS
    reasons = [reason for record in records for reason in record["excluded"].values()]
    assert not [reason for reason in reasons if "Error: " in reason]


@pytest.mark.slow
@needs_data
def test_in_lock_step_every_round_is_delivered_and_no_sample_is_lost(played):
    records, breaks = played("lock-step")
    all_delivered(records)
    assert breaks == [0] * (1 + AGENTS)


@pytest.mark.slow
@needs_data
def test_in_real_time_every_round_is_delivered_and_no_stream_breaks(played):
    """At 1 MS/s. It needs two cores that nobody else uses: on a machine with other work streams break, as they should.

    `airmeta bench emulator` says how far a machine is from that.
    """
    records, breaks = played("real-time")
    all_delivered(records)
    assert sum(record["waveform"]["broken_streams"] for record in records) == 0
    assert breaks == [0] * (1 + AGENTS)
