"""`airmeta calibrate show | diff | expire` as a user meets them: what is printed, exit codes, messages."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from calibration.entry import entry_of
from calibration.measurement import Measurement, Quantity, Verdict
from calibration.table_file import load, store
from tests.calibration.entries import AGENT, SECOND, SERVER, entry
from tests.tools.cli import call, refused
from tools.paths import default_table


@pytest.fixture
def table(tmp_path):
    """A fresh clock, a fresh iq, an unstable latency, and an iq of another radio that expired two days ago."""
    now, path = datetime.now(UTC), tmp_path / "calibration.json"
    unstable = Verdict("unstable", "the delay jumped by 2 samples; lower the rate")
    store(
        path,
        [
            entry("clock", now=now - timedelta(minutes=5), offset=-12.3),
            entry(now=now - timedelta(hours=3), gain=0.5, phase=2.0),
            entry("latency", now=now - timedelta(minutes=30), verdict=unstable, delay=133.0),
            entry(radio=SECOND, now=now - timedelta(days=9), gain=0.7),
        ],
    )
    return path


@pytest.mark.parametrize("verb", ["show", "diff", "expire"])
def test_every_verb_has_help_with_an_example(verb):
    result = call("calibrate", verb, "--help")
    assert f"airmeta calibrate {verb}" in result.stdout


def test_the_default_table_is_the_user_s():
    assert default_table().name == "calibration.json"
    assert "airmeta" in default_table().parts


def test_a_listing_says_what_was_measured_how_well_and_whether_it_holds(table):
    result = call("calibrate", "show", "--table", table)
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert lines[0] == f"{table}: 4 entries, 3 of them fresh"
    assert "clock against server: good, 5 min old, fresh for 24 h" in lines
    assert "offset  -12.30 ± 0.10 dB" in lines
    assert "latency against server: unstable, 30 min old, fresh for 7 d" in lines
    assert "the delay jumped by 2 samples; lower the rate" in lines
    assert "until one of the two is started or tuned again" in lines
    assert "at carrier 2400 MHz, rate 4 MS/s, bandwidth 3.6 MHz, attenuation 10 dB, gain -15 dB, " in result.stdout
    assert "quadrature tracking off" in result.stdout
    assert "iq: good, 9 d old, NOT USABLE" in lines
    remedy = f"measure it with: airmeta calibrate iq --radio loopback --agent 1 --table {table}"
    assert f"it expired 2 d ago, 7 d after it was measured; {remedy}" in lines
    assert "\x1b" not in result.stdout  # no colours in a pipe


def test_settings_of_the_other_end_are_shown_where_they_differ(table):
    assert "and server at" not in call("calibrate", "show", "--table", table).stdout
    partner = replace(SERVER, settings=replace(SERVER.settings, sample_rate=8e6))
    store(table, [entry("latency", partner=partner, now=datetime.now(UTC))])
    assert "and server at rate 8 MS/s, bandwidth 3.6 MHz" in call("calibrate", "show", "--table", table).stdout


def test_a_listing_for_machines_holds_the_entries_and_their_state(table):
    told = json.loads(call("calibrate", "show", "--table", table, "--json").stdout)
    assert told["table"] == str(table)
    assert [(one["radio"]["serial"], one["kind"], one["fresh"]) for one in told["entries"]] == [
        ("agent", "clock", True),
        ("agent", "latency", True),
        ("agent", "iq", True),
        ("second", "iq", False),
    ]
    last = told["entries"][-1]
    assert last["why_not"].startswith("expired 2 d ago")
    assert last["renew"] == f"airmeta calibrate iq --radio loopback --agent 1 --table {table}"
    assert last["quantities"] == {"gain": {"value": 0.7, "uncertainty": 0.1, "unit": "dB"}}
    assert abs(last["age_s"] - 9 * 86400) < 60


def test_a_listing_may_be_of_one_radio_or_kind(table):
    for wanted, kinds in (
        (("--serial", "second"), ["iq"]),
        (("--kind", "iq"), ["iq", "iq"]),
        (("--serial", "server"), ["clock", "latency"]),
        (("--serial", "agent", "--kind", "iq"), ["iq"]),
    ):
        told = json.loads(call("calibrate", "show", "--table", table, *wanted, "--json").stdout)
        assert [one["kind"] for one in told["entries"]] == kinds


@pytest.mark.parametrize("verb", ["show", "expire"])
def test_what_is_not_there_is_an_error_that_names_what_is(table, tmp_path, verb):
    there = ["calibrate", verb, "--table", table]
    refused(*there, "--serial", "agnet", says=["has no entry of agnet", "did you mean agent?"])
    refused(*there, "--kind", "levels", says="no levels; it has clock, latency, iq of agent, second")
    missing = tmp_path / "none.json"
    said = f"{missing}: no such table; make it with: airmeta calibrate all"
    refused("calibrate", verb, "--table", missing, says=said)
    assert not list(tmp_path.glob(".none*"))
    missing.touch()
    refused("calibrate", verb, "--table", missing, says=f"{missing}: is empty")
    refused(*there, "--kind", "iqq", code=2, says="iqq")


@pytest.mark.parametrize("arguments", [("show", "--table"), ("expire", "--table"), ("diff",)])
def test_a_damaged_table_is_one_message(table, tmp_path, arguments):
    damaged = tmp_path / "damaged.json"
    damaged.write_text(table.read_text()[:500])
    rest = [table] if arguments == ("diff",) else []
    said = [f"{damaged}: cut off or damaged", "delete it and measure anew"]
    refused("calibrate", *arguments, damaged, *rest, says=said)


def test_expired_entries_are_counted_and_stay_readable(table):
    result = call("calibrate", "expire", "--table", table, "--kind", "iq")
    assert result.stdout.splitlines()[0].startswith("iq of agent, at carrier 2400 MHz")
    assert f"{table}: 1 entry marked as expired; 1 entry had expired before" in result.stdout
    told = json.loads(call("calibrate", "show", "--table", table, "--json").stdout)["entries"]
    assert [one["fresh"] for one in told] == [True, True, False, False]
    told = json.loads(call("calibrate", "expire", "--table", table, "--json").stdout)
    assert [one["kind"] for one in told["expired"]] == ["clock", "latency"]
    assert told["expired_before"] == 2
    again = call("calibrate", "expire", "--table", table).stdout
    assert "0 entries marked as expired; 4 entries had expired before" in again


@pytest.fixture
def newer(table, tmp_path):
    """The same after a day: the gain moved by more than chance, the phase did not, and there is a new radio."""
    path, now = tmp_path / "newer.json", datetime.now(UTC)
    store(path, [one for one in load(table).entries if one.radio == AGENT])
    shaky = Verdict("too noisy", "9 dB; raise the gain")
    third = replace(AGENT, serial="third")
    store(path, [entry(now=now, verdict=shaky, gain=0.9, phase=2.05), entry("clock", radio=third, now=now)])
    return path


def test_a_comparison_marks_what_changed_by_more_than_the_uncertainty(table, newer):
    result = call("calibrate", "diff", table, newer)
    lines = [line.strip() for line in result.stdout.splitlines()]
    # both uncertainties are 0.1, together 0.141
    assert "! gain   0.50 ± 0.10 dB -> 0.90 ± 0.10 dB, +2.8 of the uncertainty" in lines
    assert "phase  2.00 ± 0.10 dB -> 2.05 ± 0.10 dB, +0.4 of the uncertainty" in lines
    assert "verdict good -> too noisy" in lines
    assert any(line.startswith("iq of second, at") and line.endswith(": only in OLD") for line in lines)
    assert "clock of third against server: only in NEW" in lines
    assert lines[-1] == "1 changed, 1 only in OLD, 1 only in NEW, 2 the same"


def test_a_comparison_for_machines_says_the_same(table, newer):
    told = json.loads(call("calibrate", "diff", table, newer, "--json").stdout)
    (changed,) = told["changed"]
    assert changed["quantities"]["gain"]["beyond"]
    assert changed["quantities"]["gain"]["deviation"] == pytest.approx(0.4 / math.hypot(0.1, 0.1))
    assert not changed["quantities"]["phase"]["beyond"]
    assert (changed["before"]["verdict"]["word"], changed["after"]["verdict"]["word"]) == ("good", "too noisy")
    assert [told["only_in_old"][0]["radios"], told["only_in_new"][0]["radios"]] == [["second"], ["third", "server"]]
    assert told["same"] == 2


def test_a_comparison_sees_what_expired(table, tmp_path):
    other = tmp_path / "other.json"
    other.write_bytes(table.read_bytes())
    call("calibrate", "expire", "--table", other, "--kind", "clock")
    result = call("calibrate", "diff", table, other)
    assert "expires 20" in result.stdout
    assert "offset  -12.30 ± 0.10 dB, the same" in result.stdout
    assert "1 changed, 0 only in OLD, 0 only in NEW, 3 the same" in result.stdout


def test_a_comparison_needs_both_files(table, tmp_path):
    refused("calibrate", "diff", table, tmp_path / "none.json", code=2, says="does not exist")


def test_infinite_quantities_are_plain_json_everywhere(tmp_path):
    now = datetime.now(UTC)
    for name, value in (("a", math.inf), ("b", 1.0)):
        quantities = {"coherence": Quantity(value, 0.0, "s")}
        store(tmp_path / name, [entry_of(Measurement("iq", "agent", None, quantities), AGENT, None, now, "0.1.0")])
    for arguments in (("show", "--table", tmp_path / "a"), ("diff", tmp_path / "a", tmp_path / "b")):
        text = call("calibrate", *arguments, "--json").stdout
        json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
        assert '"Infinity"' in text
