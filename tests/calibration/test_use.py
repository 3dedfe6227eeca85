"""What was measured, put to use: set, corrected, left out, or refused with the command that renews it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from calibration.corrected import CorrectedRadio
from calibration.entry import entry_of
from calibration.measurement import Measurement, Quantity, Verdict
from calibration.station import Station
from calibration.table import Refused, Table
from calibration.use import ORDER, make_ready
from radio.settings import Change

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
IQ = {f"{chain}_{name}": 0.0 for chain in ("tx", "rx") for name in ("gain_db", "phase_deg", "dc_i", "dc_q")}
FOUND = {
    "levels": {"tx_attenuation_db": 7.25, "rx_gain_db": -12.0},
    "clock": {"offset_ppm": -5.0, "trim_ppm": 5.0},
    "latency": {"delay_samples": 33.4},
    "iq": IQ | {"tx_gain_db": 0.5, "tx_phase_deg": 2.0, "rx_dc_i": 0.01},
    "reciprocity": {
        "gain_db": 3.0, "phase_deg": 40.0, "delay_samples": 0.2, "clock_samples": 2.0, "ripple_db": 0.1,
    },
}  # fmt: skip


@pytest.fixture
def bench(plant):
    planted = plant(1)
    return Station("server", "--radio loopback", planted.server), Station("agent 0", "CONFIG", planted.agent(0))


def entry(kind, station, partner, age=timedelta(minutes=5), subject=None, **changed):
    """Return an entry about a radio as it is now, or as `subject` says."""
    values = {name: Quantity(value, 0.0, "") for name, value in (FOUND[kind] | changed).items() if value is not None}
    other = None if partner is None else partner.subject
    found = Measurement(kind, station.radio.serial, other and other.serial, values, Verdict("too weak", "far away"))
    return entry_of(found, subject or station.subject, other, NOW - age, "0")


def table_of(server, agent, **changed):
    """Return a table with everything about two radios, each entry at the settings at which it will be looked up."""
    set_at = replace(agent.subject.settings, tx_attenuation_db=7.25, rx_gain_db=-12.0, clock_trim_ppm=5.0)
    later = replace(agent.subject, settings=set_at)
    entries = [
        entry("levels", server, None, tx_attenuation_db=None, rx_gain_db=-15.0),
        entry("iq", server, None),
        entry("levels", agent, server),
        entry("clock", agent, server),
        entry("latency", agent, server),
        entry("iq", agent, None, subject=later),
        entry("reciprocity", agent, server, subject=later, **changed),
    ]
    return Table().updated(entries)


def without(table, kind):
    return Table(tuple(one for one in table.entries if one.kind != kind))


def test_a_radio_is_set_and_corrected_and_what_was_used_is_told(bench):
    server, agent = bench
    ready = make_ready(agent, server, table_of(*bench), ORDER, NOW, with_ratio=True)
    assert agent.radio.settings.tx_attenuation_db == 7.25
    assert agent.radio.settings.rx_gain_db == -12.0
    assert agent.radio.settings.clock_trim_ppm == 5.0
    assert isinstance(ready.radio, CorrectedRadio)
    assert (ready.radio.latency, ready.radio.timing_uncertainty) == (33, 1)
    assert (ready.radio.sending.gain_db, ready.radio.hearing.dc) == (0.5, 0.01)
    assert [one.kind for one in ready.entries] == ["levels", "clock", "latency", "iq", "reciprocity"]
    assert (ready.ratio.phase_deg, ready.ratio.clock_samples) == (40.0, 2)


def test_the_server_has_levels_and_imbalance_alone(bench):
    ready = make_ready(bench[0], bench[0], table_of(*bench), ORDER, NOW, with_ratio=True)
    assert [one.kind for one in ready.entries] == ["levels", "iq"]
    assert ready.ratio is None


def test_what_is_not_to_be_used_is_not_needed(bench):
    server, agent = bench
    before = agent.radio.settings
    ready = make_ready(agent, server, without(table_of(*bench), "levels"), ("latency",), NOW)
    assert [one.kind for one in ready.entries] == ["latency"]
    assert agent.radio.settings == before
    assert make_ready(agent, server, Table(), (), NOW).radio is agent.radio


@pytest.mark.parametrize("kind", ORDER)
def test_what_is_missing_is_refused_with_the_command(bench, kind):
    server, agent = bench
    with pytest.raises(Refused, match=f"airmeta calibrate {kind} CONFIG"):
        make_ready(agent, server, without(table_of(*bench), kind), ORDER, NOW)


def test_imbalance_measured_at_other_gains_than_the_levels_choose_is_refused(bench):
    server, agent = bench
    table = without(table_of(*bench), "iq").updated([entry("iq", agent, None)])
    with pytest.raises(Refused, match="tx_attenuation_db = 0"):
        make_ready(agent, server, table, ORDER, NOW)


def test_an_agent_without_an_attenuation_to_set_is_left_out_with_the_reason(bench):
    server, agent = bench
    levels = entry("levels", agent, server, tx_attenuation_db=None, rx_gain_db=None)
    ready = make_ready(agent, server, table_of(*bench).updated([levels]), ORDER, NOW, with_ratio=True)
    assert ready.dropped == "far away"
    assert [one.kind for one in ready.entries] == ["levels"]
    # so weak an agent has no clock to be compared
    without_clock = without(table_of(*bench).updated([levels]), "clock")
    assert make_ready(agent, server, without_clock, ORDER, NOW).dropped == "far away"


def test_an_agent_with_levels_of_an_earlier_plan_is_left_out(bench):
    server, agent = bench
    planned = [
        entry("levels", server, None, tx_attenuation_db=None, rx_gain_db=-15.0, plan_target_db=-20.0),
        entry("levels", agent, server, plan_target_db=-23.0),
    ]
    ready = make_ready(agent, server, table_of(*bench).updated(planned), ORDER, NOW)
    assert "of an earlier plan" in ready.dropped
    assert "airmeta calibrate levels CONFIG" in ready.dropped


def test_quadrature_tracking_is_set_as_it_was_when_imbalance_was_measured(bench):
    server, agent = bench
    agent.radio.limits = replace(agent.radio.limits, has_tracking=True)
    set_at = replace(agent.subject.settings, quadrature_tracking=False)
    table = Table().updated([entry("iq", agent, None, subject=replace(agent.subject, settings=set_at))])
    agent.radio.configure(Change(quadrature_tracking=True))
    assert [one.kind for one in make_ready(agent, server, table, ("iq",), NOW).entries] == ["iq"]
    assert agent.radio.settings.quadrature_tracking is False


@pytest.mark.parametrize(("kind", "of_server"), [("latency", False), ("iq", True)])
def test_a_ratio_is_void_once_a_correction_was_measured_after_it(bench, kind, of_server):
    server, agent = bench
    about = server if of_server else agent
    newer = entry(kind, about, None if of_server else server, age=timedelta(minutes=1))
    with pytest.raises(Refused, match=rf"{kind} of {about.radio.serial} was measured after it.*calibrate reciprocity"):
        make_ready(agent, server, table_of(*bench).updated([newer]), ORDER, NOW, with_ratio=True)


def test_a_ratio_needs_the_corrections_that_it_was_measured_with(bench):
    server, agent = bench
    with pytest.raises(Refused, match=r"was measured with iq in use, which calibration.use omits"):
        make_ready(agent, server, table_of(*bench), ORDER[:3], NOW, with_ratio=True)
