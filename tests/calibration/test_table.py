"""What the calibration table gives out, what it refuses with which remedy, and how two tables are compared."""

import math
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from calibration.comparison import compare
from calibration.entry import differing, digest, entry_of
from calibration.measurement import Measurement, Quantity
from calibration.rules import RULES
from calibration.table import Refused, Table, look_up
from tests.calibration.entries import AGENT, NOW, OTHER, SECOND, SERVER, SETTINGS, entry


def found(entries, kind="iq", radio=AGENT, partner=SERVER, now=NOW):
    return look_up(Table().updated(entries), kind, radio, partner, now)


def refusal(*arguments, **named):
    with pytest.raises(Refused) as caught:
        found(*arguments, **named)
    return caught.value


# --- lookups


@pytest.mark.parametrize("kind", RULES)
def test_an_entry_serves_the_radio_that_it_was_measured_on(kind):
    assert found([entry(kind)], kind) == entry(kind)


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("name", vars(SETTINGS))
@pytest.mark.parametrize("end", ["radio", "partner"])
def test_exactly_the_settings_that_matter_are_held_against_an_entry(kind, name, end):
    moved = replace(SETTINGS, **{name: getattr(OTHER, name)})
    ends = {"radio": AGENT, "partner": SERVER}
    ends[end] = replace(ends[end], settings=moved)
    matters = name in RULES[kind].settings and (end == "radio" or RULES[kind].has_partner)
    if matters:
        assert name in refusal([entry(kind)], kind, **ends).reason
    else:
        assert found([entry(kind)], kind, **ends) == entry(kind)


def test_a_refusal_says_what_differs_and_which_command_renews_it():
    error = refusal([entry()], radio=replace(AGENT, settings=replace(SETTINGS, rx_gain_db=-12.0)))
    assert str(error) == (
        "iq of agent was measured at rx_gain_db = -15, the radio is at -12; measure it with: airmeta calibrate iq "
        "--radio loopback --agent 0"
    )
    error = refusal([entry("latency")], "latency", partner=replace(SERVER, settings=OTHER))
    assert "with server at sample_rate = 4000000 and bandwidth = 3600000, which is at 5000000 and 4500000" in str(error)


def test_of_several_entries_the_closest_is_named():
    far, near = replace(AGENT, settings=OTHER), replace(AGENT, settings=replace(SETTINGS, rx_gain_db=3.0))
    error = refusal([entry(radio=far), entry(radio=near)])
    assert "rx_gain_db = 3, the radio is at -15" in error.reason
    assert "carrier" not in error.reason


def test_tracking_is_told_in_words():
    on = replace(AGENT, settings=replace(SETTINGS, quadrature_tracking=True))
    without = replace(AGENT, settings=replace(SETTINGS, quadrature_tracking=None))
    assert "quadrature_tracking = off, the radio is at on" in refusal([entry()], radio=on).reason
    assert "quadrature_tracking = off, the radio is at absent" in refusal([entry()], radio=without).reason


def test_rounding_of_a_setting_read_back_makes_no_difference():
    rounded = replace(SETTINGS, carrier=2.4e9 * (1 + 1e-12), rx_gain_db=-15.0 + 1e-9)
    assert not differing(RULES["iq"], SETTINGS, rounded)
    assert differing(RULES["iq"], SETTINGS, replace(SETTINGS, rx_gain_db=-14.75)) == ["rx_gain_db"]


@pytest.mark.parametrize("kind", RULES)
def test_an_entry_ends_with_its_time(kind):
    last = NOW.replace(microsecond=0) + RULES[kind].lasts
    assert found([entry(kind)], kind, now=last - timedelta(seconds=1))
    assert "expired 0 s ago" in refusal([entry(kind)], kind, now=last).reason
    assert "expired 3 d ago" in refusal([entry(kind)], kind, now=last + timedelta(days=3)).reason


def test_an_entry_from_the_future_means_a_wrong_clock():
    assert found([entry()], now=NOW - timedelta(seconds=50))  # two machines never agree to the second
    error = refusal([entry()], now=NOW - timedelta(hours=1))
    assert "measured at 2026-03-01T12:00:00Z, later than now (2026-03-01T11:00:00Z): a clock is wrong" in error.reason


@pytest.mark.parametrize("kind", RULES)
def test_a_restart_of_either_end_voids_what_is_like_a_phase(kind):
    restarted = [(replace(AGENT, session="start 1"), SERVER), (AGENT, replace(SERVER, session="start 1"))]
    for radio, partner in restarted:
        if RULES[kind].needs_session:
            reason = refusal([entry(kind)], kind, radio, partner).reason
            assert "restarted or tuned again since (session 'start 0' then, 'start 1' now)" in reason
        else:
            assert found([entry(kind)], kind, radio, partner)


def test_phases_and_the_starts_of_streams_do_not_outlive_a_restart():
    assert {kind for kind, rule in RULES.items() if rule.needs_session} == {"latency", "reciprocity"}
    assert {kind for kind, rule in RULES.items() if not rule.has_partner} == {"iq"}
    assert all(rule.reason for rule in RULES.values())


@pytest.mark.parametrize(("kind", "verb"), [("levels", "were"), ("clock", "was")])
def test_levels_are_many_and_a_clock_is_one(kind, verb):
    assert refusal([], kind).reason.startswith(f"{kind} of agent against server {verb} never measured")


def test_another_radio_is_refused_with_those_that_are_known():
    error = refusal([entry(), entry(radio=SERVER), entry("clock")], radio=SECOND)
    assert "iq of second was never measured; the table has iq of agent, server;" in str(error)
    assert "--agent 1" in error.command
    assert "the table has no clock at all" in refusal([entry()], "clock").reason


def test_another_partner_is_refused_with_those_that_are_known():
    error = refusal([entry("clock")], "clock", partner=SECOND)
    assert error.reason == "clock of agent was measured against server, not against second"
    assert "against server, not by itself" in refusal([entry("clock")], "clock", partner=None).reason
    alone = entry("clock", partner=None)
    assert "against itself, not against server" in refusal([alone], "clock").reason
    assert found([alone, entry("clock")], "clock", partner=None) == alone


def test_a_misspelt_kind_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="called 'iqq'; there are levels, clock"):
        found([], "iqq")
    with pytest.raises(ValueError, match=r"take datetime\.now"):
        found([entry()], now=datetime(2026, 3, 1))


# --- what an entry may be


def test_a_measurement_is_only_kept_of_the_radios_that_it_is_about():
    measurement = Measurement("clock", "agent", "server", {})
    with pytest.raises(ValueError, match="clock was measured with agent, got second"):
        entry_of(measurement, SECOND, SERVER, NOW, "0.1.0")
    with pytest.raises(ValueError, match="clock was measured with server, got None"):
        entry_of(measurement, AGENT, None, NOW, "0.1.0")


@pytest.mark.parametrize(("value", "uncertainty"), [(math.nan, 0.1), (1.0, math.nan), (1.0, -0.1)])
def test_what_is_not_a_number_is_not_kept(value, uncertainty):
    measurement = Measurement("iq", "agent", None, {"gain_db": Quantity(value, uncertainty, "dB")})
    with pytest.raises(ValueError, match="iq of agent: quantities: gain_db must be a number"):
        entry_of(measurement, AGENT, None, NOW, "0.1.0")


# --- digest and comparison


def test_the_digest_follows_every_entry_and_no_order():
    entries = [entry(), entry("clock")]
    assert digest(entries) == digest(entries[::-1])
    others = [entry(gain_db=0.6), entry(now=NOW + timedelta(seconds=1)), entry(radio=replace(AGENT, session="1"))]
    assert len({digest([one, entries[1]]) for one in (entries[0], *others)} | {digest(entries[:1])}) == 5


def test_a_change_is_told_in_units_of_both_uncertainties():
    old, new = (Table().updated([entry(gain_db=value, phase_deg=1.0)]) for value in (0.5, 0.9))
    (pair,) = compare(old, new).changed
    gain, phase = pair.differences
    # u = 0.1 each: 0.4/√(0.1² + 0.1²) = 2.83
    assert gain.deviation == pytest.approx(0.4 / math.hypot(0.1, 0.1))
    assert gain.is_beyond
    assert (phase.deviation, phase.is_beyond) == (0.0, False)


def test_tables_are_compared_entry_by_entry():
    old = Table().updated([entry(), entry("clock"), entry(radio=SECOND)])
    new = Table().updated([entry(now=NOW + timedelta(days=1)), entry("clock"), entry("latency")])
    comparison = compare(old, new)
    assert [pair.before.kind for pair in comparison.changed] == ["iq"]
    assert [one.radio.serial for one in comparison.removed] == ["second"]
    assert [one.kind for one in comparison.added] == ["latency"]
    assert comparison.same == 1
    again = compare(old, old)
    assert (again.changed, again.removed, again.added, again.same) == ([], [], [], 3)


@pytest.mark.parametrize(
    ("before", "after", "deviation"),
    [
        (Quantity(359.0, 3.0, "deg"), Quantity(3.0, 4.0, "deg"), 4 / 5),  # an angle goes the short way round
        (Quantity(1.0, 0.0, ""), Quantity(2.0, 0.0, ""), math.inf),
        (Quantity(1.0, math.inf, ""), Quantity(2.0, 0.0, ""), 0.0),
        (Quantity(math.inf, math.inf, "s"), Quantity(math.inf, math.inf, "s"), 0.0),
        (Quantity(1.0, 0.1, "dB"), Quantity(1.0, 0.1, "dBm"), None),
    ],
)
def test_changes_of_every_sort_are_weighed(before, after, deviation):
    def table(quantity):
        measurement = Measurement("iq", "agent", None, {"x": quantity})
        return Table((entry_of(measurement, AGENT, None, NOW, "0.1.0"),))

    pairs = compare(table(before), table(after)).changed
    assert [one.deviation for pair in pairs for one in pair.differences] in ([pytest.approx(deviation)], [])
    assert pairs or before == after
