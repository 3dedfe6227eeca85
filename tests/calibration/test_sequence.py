"""A bench calibrated radio by radio: what fails with one leaves the others, and what was known, alone."""

from dataclasses import dataclass

import pytest

from calibration import alone
from calibration.measurement import NotApplicable
from calibration.rules import RULES
from calibration.sequence import KINDS, Bench, Options, calibrate
from calibration.station import Station
from radio.base import LateError, RadioError
from radio.settings import SettingError

FAULTS = {"offset_ppm": 10.0, "latency": 30.0, "level_error_db": 2.0, "tx_attenuation_db": 3.0}


@dataclass
class Failing:
    """A radio that leaves after some bursts, or refuses what it is to be set to."""

    radio: object
    bursts: int = 10**6
    refuses: bool = False

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        self.bursts -= 1
        if self.bursts < 0:
            raise RadioError("radio unplugged; look at its cable")
        self.radio.transmit(samples, at)

    def configure(self, change):
        if self.refuses and change.clock_trim_ppm:
            raise SettingError("clock_trim_ppm must be between 0 and 0 in steps of 0, got 5; choose a value inside")
        return self.radio.configure(change)


def bench_of(planted, radios):
    stations = {number: Station(f"agent {number}", f"--agent {number}", radio) for number, radio in radios.items()}
    return Bench(Station("server", "", planted.server), stations, planted.signals)


def steps_of(kind, bench, options=None):
    return {step.station.name: step for step in calibrate(kind, bench, options or Options())}


@pytest.mark.parametrize("bursts", [0, 1])
def test_an_agent_that_leaves_in_the_middle_fails_alone(plant, bursts):
    planted = plant(4, **FAULTS)
    radios = {0: planted.agent(0), 1: Failing(planted.agent(1), bursts), 2: planted.agent(2)}
    steps = steps_of("latency", bench_of(planted, radios))
    assert steps["agent 1"].measurement is None
    assert "RadioError: radio unplugged; look at its cable" in steps["agent 1"].failure
    for name in ("agent 0", "agent 2"):
        assert steps[name].measurement.verdict.word == "good"


def test_an_agent_that_leaves_during_its_sweep_does_not_stop_the_plan_of_the_others(plant):
    planted = plant(5, **FAULTS)
    radios = {0: Failing(planted.agent(0), 4), 1: planted.agent(1), 2: planted.agent(2)}
    before = radios[0].settings
    steps = steps_of("levels", bench_of(planted, radios))
    assert steps["agent 0"].measurement is None
    assert radios[0].settings == before
    for number in (1, 2):
        wanted = steps[f"agent {number}"].measurement.quantities["tx_attenuation_db"].value
        assert radios[number].settings.tx_attenuation_db == wanted
    assert planted.server.settings.rx_gain_db == steps["server"].measurement.quantities["rx_gain_db"].value


def test_a_radio_that_refuses_its_setting_counts_as_not_measured_and_keeps_it(plant):
    planted = plant(6, **FAULTS)
    radios = {0: Failing(planted.agent(0), refuses=True), 1: planted.agent(1)}
    steps = steps_of("clock", bench_of(planted, radios))
    assert steps["agent 0"].measurement is None
    assert "refused what was measured for it (clock_trim_ppm must be" in steps["agent 0"].failure
    assert radios[0].settings.clock_trim_ppm == 0
    trim = steps["agent 1"].measurement.quantities["trim_ppm"].value
    assert radios[1].settings.clock_trim_ppm == pytest.approx(trim) != 0


def test_after_all_kinds_in_order_radios_are_set_and_carriers_agree(plant):
    planted = plant(7, **FAULTS)
    bench = bench_of(planted, {0: planted.agent(0), 1: planted.agent(1)})
    for kind in ("levels", "clock"):
        steps = steps_of(kind, bench)
        assert {"agent 0", "agent 1"} <= set(steps)
        assert all(step.measurement is not None for step in steps.values())
    offsets = [planted.unit(planted.agent(number)).rate / planted.unit(planted.server).rate - 1 for number in (0, 1)]
    assert max(map(abs, offsets)) < 1e-8
    again = steps_of("clock", bench)
    assert set(again) == {"agent 0", "agent 1"}
    assert all(abs(step.measurement.quantities["offset_ppm"].value) < 1e-3 for step in again.values())


@dataclass
class Retuned:
    """A radio that begins a new session when its mixers are tuned, as real ones do."""

    radio: object
    tunings: int = 0

    def __getattr__(self, name):
        return getattr(self.radio, name)

    @property
    def session(self):
        return f"{self.radio.session}, tuned {self.tunings} times"

    def configure(self, change):
        self.tunings += change.lo_offset_hz is not None
        return self.radio.configure(change)


def test_what_a_retune_voids_is_measured_after_the_last_one(plant):
    planted = plant(12, **FAULTS)
    radio = Retuned(planted.agent(0))
    bench, sessions = bench_of(planted, {0: radio}), {}
    for kind in KINDS[:-1]:
        for step in calibrate(kind, bench, Options()):
            assert step.measurement is not None, step.failure
        sessions[kind] = radio.session
    assert radio.tunings > 0
    assert {sessions[kind] for kind in KINDS if RULES[kind].needs_session and kind in sessions} == {radio.session}


def test_a_target_that_nobody_reaches_fails_for_everybody_and_sets_nothing(plant):
    planted = plant(8, **FAULTS)
    bench = bench_of(planted, {0: planted.agent(0), 1: planted.agent(1)})
    before = [station.radio.settings for station in (bench.server, *bench.agents.values())]
    steps = steps_of("levels", bench, Options(target_db=40.0))
    assert set(steps) == {"agent 0", "agent 1"}
    assert all("lower the target" in step.failure for step in steps.values())
    assert [station.radio.settings for station in (bench.server, *bench.agents.values())] == before


def test_what_cannot_be_measured_with_these_radios_is_told_from_what_failed(plant):
    planted = plant(9, **FAULTS)
    steps = steps_of("reciprocity", bench_of(planted, {0: planted.agent(0), 1: Failing(planted.agent(1), 0)}))
    assert (steps["agent 0"].applies, steps["agent 1"].applies) == (False, True)


def test_the_server_is_said_once_and_has_no_partner(plant):
    planted = plant(10, iq_gain_db=0.5, iq_phase_deg=2.0)
    found = list(calibrate("iq", bench_of(planted, {0: planted.agent(0), 1: planted.agent(1)}), Options()))
    assert [step.station.name for step in found] == ["agent 0", "server", "agent 1"]
    assert {step.partner for step in found} == {None}


def test_whoever_watches_hears_of_every_measurement_before_it_begins(plant):
    planted, begun = plant(11, offset_ppm=5.0), []
    bench = Bench(
        Station("server", "", planted.server), {0: Station("agent 0", "", planted.agent(0))}, planted.signals,
        begun=lambda kind, station: begun.append((kind, station.name)),
    )  # fmt: skip
    list(calibrate("latency", bench, Options()))
    assert begun == [("latency", "agent 0")]


@dataclass
class Watching:
    """A radio that notes how another one is attenuated whenever it sends."""

    radio: object
    other: object
    seen: list

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        self.seen.append(self.other.settings.tx_attenuation_db)
        self.radio.transmit(samples, at)


def test_who_is_not_measured_does_not_leak_into_it_and_is_as_before_afterwards(plant):
    planted, seen = plant(13, **FAULTS), []
    radios = {0: Watching(planted.agent(0), planted.agent(1), seen), 1: planted.agent(1)}
    before = planted.agent(1).settings
    assert steps_of("latency", bench_of(planted, radios))["agent 0"].measurement is not None
    assert set(seen) == {planted.agent(1).limits.tx_attenuation_db.high}
    assert planted.agent(1).settings == before


@dataclass
class Stuck:
    """A radio that was attenuated, and does not take another attenuation a few times."""

    radio: object
    refusals: int

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def configure(self, change):
        if change.tx_attenuation_db != self.limits.tx_attenuation_db.high and self.refusals > 0:
            self.refusals -= 1
            raise RadioError("no answer; the next call opens it again")
        return self.radio.configure(change)


@pytest.mark.parametrize(("refusals", "is_told_of"), [(1, False), (2, True)])
def test_who_stays_at_the_largest_attenuation_after_two_tries_is_told_of(plant, caplog, refusals, is_told_of):
    planted = plant(13, **FAULTS)
    before, limits = planted.agent(1).settings.tx_attenuation_db, planted.agent(1).limits
    stuck = Stuck(planted.agent(1), refusals)
    first = next(iter(calibrate("latency", bench_of(planted, {0: planted.agent(0), 1: stuck}), Options())))
    assert first.measurement is not None
    told = f"radio {planted.agent(1).serial} may stay at its largest attenuation, not the {before:g} dB that it had"
    assert (told in caplog.text) == is_told_of
    assert stuck.settings.tx_attenuation_db == (limits.tx_attenuation_db.high if is_told_of else before)


@dataclass
class Breaking:
    """A radio whose stream breaks a few times."""

    radio: object
    breaks: int

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        if self.breaks > 0:
            self.breaks -= 1
            raise LateError("the transmitter ran dry")
        self.radio.transmit(samples, at)


@pytest.mark.parametrize(("breaks", "is_measured"), [(2, True), (3, False)])
def test_what_a_broken_stream_spoils_is_measured_three_times_at_most(plant, breaks, is_measured):
    planted = plant(14, **FAULTS)
    step = steps_of("latency", bench_of(planted, {0: Breaking(planted.agent(0), breaks)}))["agent 0"]
    assert (step.measurement is not None) is is_measured
    assert is_measured or "LateError: the transmitter ran dry" in step.failure


def test_a_radio_alone_says_what_it_needs_and_measures_what_it_can(plant):
    planted = plant(15, leakage_db=-20.0)
    with pytest.raises(NotApplicable, match=r"noise is -[0-9.]+ ± .*second --radio"):
        alone.measure("levels", planted.server, planted.signals)
    assert abs(alone.measure("latency", planted.server, planted.signals).quantities["own_samples"].value) < 0.1
    for kind in ("clock", "iq", "channel", "reciprocity"):
        with pytest.raises(NotApplicable, match="second --radio"):
            alone.measure(kind, planted.server, planted.signals)
