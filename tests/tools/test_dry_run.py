"""`--dry-run` of what would be sent by real radios: it is said, and nothing is opened."""

import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from calibration.entry import Subject
from calibration.table_file import store
from radio.settings import Settings
from tests.calibration.entries import entry
from tests.drivers import need_libiio
from tests.tools.cli import call, refused

KEYS = ("radio.pluto.carrier_hz=2.44e9", "radio.tx.medium=cable", "radio.tx.authorised_band=[2.43e9, 2.45e9]")
URIS = ("--radio", "ip:192.0.2.1", "--radio", "ip:192.0.2.2")


@pytest.fixture(autouse=True)
def no_radio(monkeypatch):
    """Let every attempt to reach a radio fail the test."""

    def reached(uri, _timeout):
        pytest.fail(f"{uri} was opened")

    monkeypatch.setattr("radio.pluto.link.connect", reached)


def printed(*arguments):
    return call(*arguments).stdout


def test_a_calibration_says_lo_band_gains_airtime_and_duration():
    sets = [word for key in KEYS for word in ("--set", key)]
    told = printed("calibrate", "latency", *URIS, *sets, "--dry-run")
    for text in ("2440 MHz", "2439.5 to 2440.5 MHz", "2430 to 2450 MHz, cable", "40 dB", "Duty cycle", "Nothing was"):
        assert text in told
    (part,) = json.loads(printed("calibrate", "latency", *URIS, *sets, "--dry-run", "--json"))
    # ten beacons and eight groups of soundings, each of which waits for twenty blocks of 16,384 samples
    assert 18 * 20 * 16384 / 1e6 < part["seconds"] < 3 * 18 * 20 * 16384 / 1e6
    assert 0 < part["server"] < part["agent"] < 0.1 * part["seconds"]


def test_two_agents_take_the_server_twice_as_long():
    sets = [word for key in KEYS for word in ("--set", key)]
    one, two = (
        json.loads(printed("calibrate", "latency", *URIS, *more, *sets, "--dry-run", "--json"))[0]
        for more in ((), ("--radio", "ip:192.0.2.3"))
    )
    assert (two["seconds"], two["server"]) == pytest.approx((2 * one["seconds"], 2 * one["server"]))
    assert two["agent"] == one["agent"]


@pytest.fixture
def experiment(tmp_path):
    """A run of real radios, a server's and an agent's."""
    config = tmp_path / "real.toml"
    config.write_text(
        'rounds = 10\n[agents]\ncount = 1\n[uplink]\nkind = "waveform"\n[radio]\nkind = "pluto"\n'
        "[radio.pluto]\nuris = ['ip:192.0.2.1', 'ip:192.0.2.2']\ncarrier_hz = 2.44e9\nblock = 1024\n"
        "tx_attenuation_db = 20\n[radio.tx]\nmedium = 'cable'\nauthorised_band = [2.43e9, 2.45e9]\n"
        "[waveform]\nresponse_s = 0.01\ntrigger_lead_s = 0.01\nround_period_s = 0.5\nsearch_s = 0.001\n"
    )
    return config


def test_a_run_says_lo_band_gains_airtime_duty_cycle_and_duration(experiment):
    about = json.loads(printed("run", experiment, "--dry-run", "--json"))
    assert (about["lo_hz"], about["bandwidth_hz"], about["tx_attenuation_db"]) == (2.44e9, 4e6, 20)
    assert about["authorised_band_hz"] == [2.43e9, 2.45e9]
    assert about["duration_s"] == 10 * 0.5
    most = max(about["server_airtime_s"], about["agent_airtime_s"])
    assert about["duty_cycle"] == pytest.approx(most / 0.5, abs=1e-4)


@pytest.mark.parametrize("changes, attenuation", [(["radio.usrp.tx_attenuation_db=20"], 20), ([], "the largest")])
@pytest.mark.parametrize("kind", ["usrp", "gnuradio"])
def test_a_run_on_usrps_says_medium_band_and_gains(experiment, kind, changes, attenuation):
    changes = [*changes, f"radio.kind={kind}", "radio.gnuradio.flowgraph=usrp", "radio.usrp.carrier_hz=2.44e9",
               "radio.usrp.devices=['serial=A', 'serial=B']", "radio.usrp.rx_gain_db=7", "waveform.response_s=0.02",
               "waveform.trigger_lead_s=0.02", "waveform.search_s=0.01"]  # fmt: skip
    sets = [word for change in changes for word in ("--set", change)]
    about = json.loads(printed("run", experiment, *sets, "--dry-run", "--json"))
    assert (about["medium"], about["authorised_band_hz"]) == ("cable", [2.43e9, 2.45e9])
    assert (about["tx_attenuation_db"], about["rx_gain_db"]) == (attenuation, 7)


def kept(path, carrier=2.44e9, age=timedelta()):
    """Write a table with the levels of a server and an agent."""
    settings = Settings(carrier, 4e6, 4e6, 0.0, 0.0, 0.0, False)
    server, agent = Subject("s", "", settings, ""), Subject("a", "", settings, "")
    gains = {"tx_attenuation_db": 12.25, "rx_gain_db": 33.0}
    now = datetime.now(UTC) - age
    store(path, [entry("levels", server, None, now, **gains), entry("levels", agent, server, now, **gains)])
    return ["--set", f"calibration.table={path}", "--set", 'calibration.use=["levels"]']


def test_a_run_says_what_the_table_sets_on_each_radio(experiment, tmp_path):
    sets = kept(tmp_path / "t.json")
    about = json.loads(printed("run", experiment, *sets, "--dry-run", "--json"))
    assert about["tx_attenuation_db"] == {"s": 12.25, "a": 12.25}
    assert "rx_gain_db: 33 (a), 33 (s)" in printed("run", experiment, *sets, "--dry-run")


@pytest.mark.parametrize(("about", "words"), [
    ({"carrier": 915e6}, "measured at carrier = 915000000, this experiment has 2440000000"),
    ({"age": timedelta(days=31)}, "expired"),
])  # fmt: skip
def test_a_table_that_does_not_hold_is_refused_before_a_run_opens_a_radio(experiment, tmp_path, about, words):
    sets = kept(tmp_path / "t.json", **about)
    refused("run", experiment, *sets, "--dry-run", says=[words, "levels must hold for 2 radios, does for 0"])
    (tmp_path / "t.json").unlink()
    refused("run", experiment, *sets, "--dry-run", says="no such table")


def test_what_nobody_may_assume_is_asked_for_with_the_users_own_command_to_be_filled_in():
    given = [*URIS, "--set", "radio.pluto.carrier_hz=915e6", "--agent", "0", "--reference-dbm", "0=-20.5", "--dry-run"]
    told = refused("calibrate", "all", *given)
    (line,) = (line for line in told.splitlines() if "for you to fill in" in line)
    words = shlex.split(line.partition("fill in: ")[2])
    assert words[:3] == ["airmeta", "calibrate", "all"]
    added = ["--set", "radio.tx.medium=MEDIUM", "--set", "radio.tx.authorised_band=[LOW, HIGH]"]
    assert words[-4:] == added
    assert sorted(words[3:-4]) == sorted(given)


def test_no_command_is_suggested_that_has_a_radio_twice():
    told = refused("calibrate", "all", *URIS, *URIS[:2], "--dry-run", says="ip:192.0.2.1 more often")
    assert "fill in" not in told


def test_a_run_over_virtual_radios_with_a_table_that_is_void_is_said_and_nothing_is_sent_to_measure_it_again(tmp_path):
    """Not even an emulator is started: `no_radio` would see it."""
    need_libiio()
    virtual = ("radio.kind=pluto", "radio.pluto.emulate=true", *KEYS)
    keys = ("uplink.kind=waveform", "task.partition=class_overlap", "agents.count=1", "waveform.response_s=0.01",
            "waveform.trigger_lead_s=0.01", "radio.loopback.redraw=false", *virtual)  # fmt: skip
    table, config = tmp_path / "table.json", tmp_path / "empty.toml"
    entries = [entry("latency", delay=133.0)]
    store(table, entries)
    before = table.read_bytes()
    config.write_text("")
    used = (f"calibration.table={table}", "calibration.use=['latency']")
    sets = [word for key in (*keys, *used) for word in ("--set", key)]
    about = json.loads(printed("run", config, *sets, "--dry-run", "--json"))
    assert about["medium"] == "cable"
    assert about["tx_attenuation_db"] == 89.75  # latency says nothing of it
    assert table.read_bytes() == before


def test_a_radio_alone_is_rehearsed_without_agents():
    sets = [word for key in KEYS for word in ("--set", key)]
    told = printed("calibrate", "all", *URIS[:2], *sets, "--dry-run")
    assert "it is alone" in told
    assert "agent(s)" not in told
    parts = json.loads(printed("calibrate", "all", *URIS[:2], *sets, "--dry-run", "--json"))
    assert all(part["agent"] == 0 for part in parts)
    assert any(part["seconds"] > 0 for part in parts)
