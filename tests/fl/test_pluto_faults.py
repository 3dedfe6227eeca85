"""Drills of whole runs over virtual Plutos: an agent's radio goes and comes back, the server's goes."""

import json
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fl import pluto_radios
from fl.config import load
from fl.experiment import run
from fl.run_folder import RunError, RunFolder
from radio.emulation.host import serving
from radio.emulation.protocol import Address
from tests.drivers import need_libiio

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.toml"
VIRTUAL = (
    "model.kind=mlp", "model.width=16", "uplink.kind=waveform", "uplink.sparsity=0.02", "uplink.measurements=0.05",
    "radio.kind=pluto", "radio.pluto.emulate=true", "radio.pluto.carrier_hz=915e6", "radio.pluto.block=2048",
    "radio.pluto.tx_attenuation_db=0", "radio.pluto.timeout_s=1.0", "radio.tx.medium=cable",
    "radio.tx.authorised_band=[912e6, 918e6]", "radio.loopback.offset_ppm=3", "radio.loopback.profile=flat",
    "radio.loopback.fading=false", "agents.count=3", "waveform.response_s=0.003", "waveform.trigger_lead_s=0.003",
    "waveform.turnaround_s=0.004", "waveform.first_soundings=2", "waveform.round_period_s=0.05",
    "run.checkpoint_every=100", "evaluation.every=100", "evaluation.tasks=2",
)  # fmt: skip


@pytest.fixture
def plutos(monkeypatch):
    """Return the units of the run that goes on, server first."""
    need_libiio()
    units = []

    @contextmanager
    def noted(bench):
        with serving(bench) as host:
            units[:] = host.units
            yield host

    monkeypatch.setattr(pluto_radios, "serving", noted)
    return units


def experiment(rounds):
    return load(QUICKSTART, [*VIRTUAL, f"rounds={rounds}"])


def lines(folder):
    return [json.loads(line) for line in folder.history.read_text().splitlines()]


def test_a_run_goes_on_without_an_agent_whose_radio_is_unplugged_and_with_it_once_it_is_back(plutos, cache, tmp_path):
    """Unplugged after round 0, plugged in again after round 1; opening it costs the agent the beacon of round 2."""

    def observe(record, _):
        faults = plutos[2].faults
        (faults.unplug, faults.plug, lambda: None, lambda: None)[record["round"]]()
        return False

    folder = RunFolder(tmp_path / "run")
    assert run(experiment(4), folder, cache, resume=False, observe=observe)
    records = lines(folder)
    assert [record["outcome"] for record in records] == ["ok"] * 4
    assert [record["agents_heard"] for record in records] == [[0, 1, 2], [0, 2], [0, 2], [0, 1, 2]]
    assert list(records[1]["excluded"]) == ["1"]
    reason = records[1]["excluded"]["1"]
    for part in ("ContactError: radio ip:127.0.0.1:", "no answer when asked for", "check cable, address"):
        assert part in reason, reason


RX_LO = Address("ad9361-phy", "OUTPUT", "altvoltage0", "frequency")
STATUS = Address("cf-ad9361-lpc", "DEBUG", "", "direct_reg_access")


@contextmanager
def lossy(unit):
    unit.faults.overflow()
    yield


@contextmanager
def dry(unit):
    unit.faults.underflow()
    yield


@contextmanager
def untruthful(unit):
    """Once its streams are started again, its mixer is elsewhere."""
    unit.faults.overflow()
    unit.faults.read_back[RX_LO] = "915500000"
    yield
    del unit.faults.read_back[RX_LO]


@contextmanager
def forgetful(unit):
    unit.faults.missing.add(STATUS)
    yield
    unit.faults.missing.clear()


@pytest.mark.parametrize("drill, reason", [
    (lossy, r"OverrunError: .*lost samples \(overflow, bit 2"),
    (dry, r"LateError: .*ran dry \(underflow, bit 0"),
    (untruthful, "rx_lo must read back 915000000 Hz within 16, got 915500000 Hz"),
    (forgetful, "its firmware has no .*direct_reg_access.*update the firmware"),
])  # fmt: skip
def test_a_run_goes_on_through_what_befalls_the_radio_of_an_agent(plutos, cache, tmp_path, drill, reason):
    """From round 0 to round 2; who was dropped may miss the beacon of the round in which it is opened again."""
    with ExitStack() as during:

        def observe(record, _):
            if record["round"] == 0:
                during.enter_context(drill(plutos[2]))
            elif record["round"] == 2:
                during.close()
            return False

        folder = RunFolder(tmp_path / "run")
        assert run(experiment(5), folder, cache, resume=False, observe=observe)
    records = lines(folder)
    assert [record["outcome"] for record in records] == ["ok"] * 5
    assert all({0, 2} <= {*record["agents_heard"]} for record in records)
    assert records[4]["agents_heard"] == [0, 1, 2]
    reasons = [record["excluded"].get("1", "") for record in records]
    assert any(re.search(reason, text) for text in reasons), reasons


def test_a_run_whose_server_radio_is_lost_stops_with_everything_saved_and_goes_on_later(plutos, cache, tmp_path):
    """Unplugged after round 1: round 2 fails and says why, in round 3 the radio cannot be opened again."""

    def observe(record, _):
        if record["round"] == 1:
            plutos[0].faults.unplug()
        return False

    config, folder = experiment(5), RunFolder(tmp_path / "run")
    with pytest.raises(
        RunError,
        match=r"^round 4 of 5: the server's radio is lost \(radio ip:127.*no PlutoSDR answers.*cable.*"
        "round 3 has delivered nothing.*--resume",
    ):
        run(config, folder, cache, resume=False, observe=observe)
    before = lines(folder)
    assert [record["outcome"] for record in before] == ["ok", "ok", "not_received"]
    assert before[2]["failure"].startswith("ContactError: radio ip:127.0.0.1:")
    assert run(config, folder, cache, resume=True, observe=lambda *_: False)
    records = lines(folder)
    assert records[:3] == before
    assert [record["outcome"] for record in records[3:]] == ["ok", "ok"]
    assert records[4]["agents_heard"] == [0, 1, 2]
