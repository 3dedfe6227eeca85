"""The radios of a run as a table makes them, or all that is missing said at once."""

from datetime import UTC, datetime, timedelta

import pytest

from calibration.entry import entry_of
from calibration.measurement import Measurement, Quantity, Verdict
from calibration.station import Station
from calibration.table import TableError
from calibration.table_file import store
from fl.calibrated import Dropped, calibrated
from fl.radio_config import Calibration, Loopback
from fl.radios import loopback

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def bench():
    return loopback(Loopback(), 4e6, level=0.2, snr=100.0, redraw=0.0, seed=1)


def levels(bench, agent, attenuation):
    server = Station("server", "URI", bench.server)
    radio = server if agent is None else Station("agent", f"URI --agent {agent}", bench.radio_of(agent))
    values = {"rx_gain_db": -15.0} | ({} if attenuation is None else {"tx_attenuation_db": attenuation})
    quantities = {name: Quantity(value, 0.0, "dB") for name, value in values.items()}
    partner = None if agent is None else server.subject
    found = Measurement(
        "levels", radio.radio.serial, partner and partner.serial, quantities, Verdict("too weak", "far")
    )
    return entry_of(found, radio.subject, partner, NOW - timedelta(hours=1), "0")


def test_without_a_table_radios_are_used_as_they_are(bench):
    assert calibrated(bench, 3, Calibration(), NOW) == (bench, None)


def test_all_radios_are_set_from_the_table_and_its_digest_follows_the_entries(bench, tmp_path):
    path, digests = tmp_path / "t.json", []
    for first in (3.0, 4.0):
        store(path, [levels(bench, None, 0.0), levels(bench, 0, first), levels(bench, 1, 5.0)])
        made, used = calibrated(bench, 2, Calibration(table=path, use=("levels",)), NOW)
        assert [made.radio_of(agent).settings.tx_attenuation_db for agent in (0, 1)] == [first, 5.0]
        digests.append(used.digest)
    assert digests[0] != digests[1]
    assert calibrated(bench, 2, Calibration(table=path, use=("levels",)), NOW)[1].digest == digests[1]


def test_everything_that_does_not_hold_is_said_at_once(bench, tmp_path):
    path = tmp_path / "t.json"
    store(path, [levels(bench, None, 0.0), levels(bench, 0, 3.0)])
    with pytest.raises(TableError) as refused:
        calibrated(bench, 9, Calibration(table=path, use=("levels",)), NOW)
    lines = str(refused.value).splitlines()
    assert "8 of 10 radios have no calibration that holds" in lines[0]
    assert all(f"levels of {bench.radio_of(agent).serial} " in line for agent, line in enumerate(lines[1:6], 1))
    assert lines[6] == "  and 3 more"
    assert lines[7:] == [
        f"measure all that does not hold with: airmeta calibrate all CONFIG --resume --table {path}",
        "(CONFIG: the file of this experiment, with the same --set)",
    ]


def test_one_thing_that_does_not_hold_is_said_with_its_own_command(bench, tmp_path):
    path = tmp_path / "t.json"
    store(path, [levels(bench, None, 0.0), levels(bench, 0, 3.0)])
    with pytest.raises(TableError, match=f"measure it with: airmeta calibrate levels CONFIG --table {path}\n"):
        calibrated(bench, 2, Calibration(table=path, use=("levels",)), NOW)


def test_an_agent_that_was_dropped_is_left_out_of_every_round_with_the_reason(bench, tmp_path):
    path = tmp_path / "t.json"
    store(path, [levels(bench, None, 0.0), levels(bench, 0, 3.0), levels(bench, 1, None)])
    made, _ = calibrated(bench, 2, Calibration(table=path, use=("levels",)), NOW)
    assert made.radio_of(0).settings.tx_attenuation_db == 3.0
    with pytest.raises(Dropped, match="left out by calibration: far"):
        made.radio_of(1)
