"""What every radio is set to: one |H|² for all, amplifiers below their knee, room for the sum at the server."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from calibration.downlink import WELL_DB
from calibration.exchange import meet
from calibration.level_bench import PEAK_DB, LevelBench, bench_of
from calibration.level_plan import plan
from calibration.levels import measure
from calibration.measurement import CalibrationError, Measurement, Quantity
from calibration.setting import take
from radio.settings import Limits, Range, SettingError

LIMITS = Limits(Range(0.0, 89.75, 0.25), Range(-60.0, 60.0, 0.25))
PAYLOAD, CREST = -12.0, 3.2


def bench(agents, limits=LIMITS):
    return LevelBench("server", LIMITS, dict.fromkeys(agents, limits), PAYLOAD, CREST)


def levels(gain, point=None, downlink=-20.0, **more):
    known = {
        "link_gain_db": gain, "compression_dbfs": point, "downlink_dbfs": downlink, "noise_floor_dbfs": -60.0,
        "at_rx_gain_db": -15.0, "heard_at_rx_gain_db": 10.0, "heard_at_tx_attenuation_db": 12.0,
        "downlink_snr_db": 20.0,
    } | more  # fmt: skip
    known = {name: value for name, value in known.items() if value is not None}
    return Measurement("levels", "agent", "server", {name: Quantity(one, 0.05, "dB") for name, one in known.items()})


def bench_of_gains(*gains, **more):
    return {number: levels(gain, **more) for number, gain in enumerate(gains)}


def set_to(chosen, agent, name="tx_attenuation_db"):
    return chosen.agents[agent].quantities[name].value


def kept(chosen):
    return [agent for agent, found in chosen.agents.items() if "tx_attenuation_db" in found.quantities]


def test_all_agents_arrive_alike_to_half_a_step():
    gains = -10.07, -13.61, -18.2
    chosen = plan(bench_of_gains(*gains), bench(range(3)))
    arrived = [gain - set_to(chosen, agent) for agent, gain in enumerate(gains)]
    assert np.abs(np.array(arrived) - chosen.target_db).max() <= 0.125 + 1e-9
    assert chosen.target_db == pytest.approx(-18.2)


@pytest.mark.parametrize("point", [-3.0, -5.1, -12.3])
def test_no_payload_passes_the_one_db_point(point):
    found = {0: levels(-10.0, point), 1: levels(-15.0), 2: levels(-12.0, -1.0)}
    chosen = plan(found, bench(found))
    for agent, one in found.items():
        if "compression_dbfs" in one.quantities:
            peak = PAYLOAD + PEAK_DB - set_to(chosen, agent)
            assert peak <= one.quantities["compression_dbfs"].value + 1e-9


def test_the_target_is_the_strongest_that_all_reach():
    found = {0: levels(-10.0, point=-8.0), 1: levels(-12.0)}
    # agent 0 has to give up 6 dB: -2 dBFS of peaks at a 1 dB point of -8 dBFS
    assert plan(found, bench(found)).target_db == pytest.approx(-16.0)


def test_agents_far_below_the_median_are_dropped_and_told_why():
    chosen = plan(bench_of_gains(-10.0, -11.0, -12.0, -30.0), bench(range(4)))
    assert kept(chosen) == [0, 1, 2]
    assert chosen.target_db == pytest.approx(-12.0)
    verdict = chosen.agents[3].verdict
    assert verdict.word == "too weak"
    assert "18.5 dB below the median" in verdict.reason
    assert kept(plan(bench_of_gains(-10.0, -11.0, -12.0, -30.0), bench(range(4)), cutoff_db=20.0)) == [0, 1, 2, 3]


def test_agents_that_cannot_reach_a_wanted_target_are_dropped():
    chosen = plan(bench_of_gains(-10.0, -16.0), bench(range(2)), target_db=-12.0)
    assert kept(chosen) == [0]
    assert set_to(chosen, 0) == pytest.approx(2.0)
    assert "lower the target by 4.0 dB" in chosen.agents[1].verdict.reason


def test_a_target_that_nobody_reaches_is_an_error():
    with pytest.raises(CalibrationError, match=r"strongest has -10\.0 dB; lower the target"):
        plan(bench_of_gains(-10.0, -16.0), bench(range(2)), target_db=0.0)


def test_an_agent_without_enough_attenuation_is_too_strong():
    short = Limits(Range(0.0, 10.0, 0.25), Range(-60.0, 60.0, 0.25))
    chosen = plan(bench_of_gains(-10.0, -21.0), bench(range(2), short), cutoff_db=20.0)
    assert kept(chosen) == [1]
    assert chosen.agents[0].verdict.word == "too strong"
    assert "put 1 dB into its antenna line" in chosen.agents[0].verdict.reason


def test_peaks_beyond_the_one_db_point_at_any_attenuation_are_told():
    fixed = Limits(Range(0.0, 0.0), Range(-60.0, 60.0, 0.25))
    chosen = plan({0: levels(-10.0, point=-6.0)}, bench([0], fixed))
    assert chosen.agents[0].verdict.word == "too strong"
    assert "lower waveform.level_dbfs by 4.0 dB" in chosen.agents[0].verdict.reason


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("slope", [1.0, 0.9])
def test_the_sum_of_all_payloads_peaks_six_db_below_full_scale(count, slope):
    found = bench_of_gains(*[-20.0] * count, rx_gain_slope=slope)
    gain = plan(found, bench(found)).server.quantities["rx_gain_db"].value
    # at the server the sum has P·n, 10 dB of peaks; half a step of its gain is 0.125 dB
    peak = PAYLOAD - 20.0 + 10 * np.log10(count) + PEAK_DB + slope * (gain + 15.0)
    assert peak == pytest.approx(-6.0, abs=0.125 + 1e-9)


def test_a_server_without_a_gain_so_low_is_too_strong():
    found = bench_of_gains(40.0)
    narrow = replace(bench(found), server_limits=Limits(LIMITS.tx_attenuation_db, Range(-15.0, 60.0, 1.0)))
    server = plan(found, narrow).server
    assert server.verdict.word == "too strong"
    assert "lower the target by 44.0 dB" in server.verdict.reason


def test_a_server_at_the_noise_of_its_converter_is_too_noisy():
    found = bench_of_gains(10.0, converter_gain_db=-20.0)
    server = plan(found, bench(found)).server
    assert server.verdict.word == "too noisy"
    assert "lower the target by 9.0 dB" in server.verdict.reason


@pytest.mark.parametrize(
    ("peak", "change"), [(-5.0, -7.0), (-6.5, 0.0), (-12.0, 0.0), (-39.0, 0.0), (-41.0, 29.0), (10.0, -22.0)]
)
def test_an_agents_gain_moves_only_if_the_beacon_is_far_off(peak, change):
    found = {0: levels(-20.0, downlink=peak - CREST)}
    assert set_to(plan(found, bench(found)), 0, "rx_gain_db") == pytest.approx(10.0 + change)


def test_the_server_is_set_to_the_least_attenuation_that_any_agent_needs():
    found = {0: levels(-20.0), 1: levels(-20.0, heard_at_tx_attenuation_db=6.0), 2: levels(-20.0, downlink=-10.0)}
    chosen = plan(found, bench(found))
    assert chosen.server.quantities["tx_attenuation_db"].value == 6.0
    # 6 dB more of the beacon: peaks of -10.8 dBFS stay as they are, peaks of -0.8 dBFS are brought to -12
    assert set_to(chosen, 0, "rx_gain_db") == 10.0
    assert set_to(chosen, 2, "rx_gain_db") == pytest.approx(10.0 - 11.2, abs=0.125 + 1e-9)


@pytest.mark.parametrize(("snr", "word"), [(15.0, "too strong"), (35.0, "good")])
def test_no_agent_is_overdriven_for_another_to_hear_the_beacon(snr, word):
    fixed = {0: Limits(LIMITS.tx_attenuation_db, Range(10.0, 10.0)), 1: LIMITS}
    found = {0: levels(-20.0, downlink=-10.1), 1: levels(-20.0, heard_at_tx_attenuation_db=0.0, downlink_snr_db=snr)}
    chosen = plan(found, replace(bench(found), agent_limits=fixed))
    # peaks of -6.9 dBFS at 12 dB may rise by 0.9 dB: 11.1 dB, to the next step of 0.25 dB
    assert chosen.server.quantities["tx_attenuation_db"].value == pytest.approx(11.25)
    assert chosen.server.verdict.word == word
    assert word == "good" or "an SNR of 3.8 dB" in chosen.server.verdict.reason


def test_an_agent_that_is_dropped_does_not_choose_the_servers_attenuation():
    found = bench_of_gains(-10.0, -11.0) | {2: levels(-30.0, heard_at_tx_attenuation_db=0.0)}
    assert plan(found, bench(found)).server.quantities["tx_attenuation_db"].value == 12.0


def test_every_radio_is_told_which_plan_its_levels_are_of():
    chosen = plan(bench_of_gains(-10.0, -11.5, -30.0), bench(range(3)))
    assert kept(chosen) == [0, 1]
    for found in (chosen.server, *chosen.agents.values()):
        assert found.quantities["plan_target_db"] == Quantity(chosen.target_db, 0.0, "dB")


def test_a_reference_that_agents_contradict_is_told():
    found = {0: levels(-20.0, full_scale_dbm=10.0), 1: levels(-20.0, full_scale_dbm=14.0)}
    chosen = plan(found, bench(found)).server
    assert "differs by 4.0 dB" in chosen.verdict.reason
    assert chosen.verdict.word == "good"  # the reading of a meter is no fault of the server
    found = {0: levels(-20.0, full_scale_dbm=10.0), 1: levels(-20.0, full_scale_dbm=10.1)}
    assert plan(found, bench(found)).server.quantities["full_scale_dbm"].value == pytest.approx(10.05)


def test_measurements_at_different_gains_are_not_mixed():
    found = {0: levels(-20.0), 1: levels(-20.0, at_rx_gain_db=0.0)}
    with pytest.raises(CalibrationError, match="cannot be compared"):
        plan(found, bench(found))


def test_a_plan_of_nothing_is_refused():
    with pytest.raises(ValueError, match="measure levels first"):
        plan({}, bench([]))


def put_to_use(chosen, server, agents):
    take(server, chosen.server.quantities)
    for number in kept(chosen):
        take(agents[number], chosen.agents[number].quantities)


def test_agents_of_a_bench_arrive_alike_after_the_plan_is_set(plant):
    planted = plant(6, level_error_db=2.0, path_loss_db=8.0, offset_ppm=10.0, pa_saturation_dbfs=-5.0)
    agents = {number: planted.agent(number) for number in range(3)}
    found = {number: measure(radio, planted.server, planted.signals) for number, radio in agents.items()}
    chosen = plan(found, bench_of(planted.server, agents, planted.signals))
    put_to_use(chosen, planted.server, agents)
    server = planted.unit(planted.server).receive
    # the plan's |H|² is that at the server's gain before
    moved = planted.server.settings.rx_gain_db - chosen.server.quantities["at_rx_gain_db"].value
    for radio in agents.values():
        about = planted.unit(radio)
        gain = abs(about.transmit.gain) ** 2 * abs(server.gain) ** 2
        arrived = 10 * np.log10(gain) - about.path_loss_db - planted.unit(planted.server).path_loss_db
        # half a step, and 0.1 dB of the measured gain
        assert arrived == pytest.approx(chosen.target_db + moved, abs=0.125 + 0.1)


def test_radios_that_start_at_the_largest_attenuation_hear_each_other_after_the_plan_is_set(plant):
    planted = plant(6, level_error_db=2.0, offset_ppm=10.0, tx_attenuation_db=89.75)
    agents = {number: planted.agent(number) for number in range(2)}
    found = {number: measure(radio, planted.server, planted.signals) for number, radio in agents.items()}
    assert planted.server.settings.tx_attenuation_db == 89.75
    chosen = plan(found, bench_of(planted.server, agents, planted.signals))
    put_to_use(chosen, planted.server, agents)
    assert planted.server.settings.tx_attenuation_db == chosen.server.quantities["tx_attenuation_db"].value
    for radio in agents.values():
        met = meet(planted.server, radio, planted.signals)
        snr = 10 * np.log10(np.mean(np.abs(met.beacon.reference.spectrum) ** 2) / met.noise_var)
        # σ² from the beacon's repeats, 800 values: five standard errors of both measurements are 1 dB
        assert snr > WELL_DB - 1.0
        meet(radio, planted.server, planted.signals)


@dataclass
class Stubborn:
    """A radio that takes what it likes, or nothing."""

    radio: object
    refuses: bool

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def configure(self, change):
        if self.refuses:
            raise SettingError("tx_attenuation_db must be between 0 and 1 in steps of 0.25")
        return self.radio.settings


@pytest.mark.parametrize(
    ("refuses", "words"), [(True, "refused what was measured for it"), (False, "the radio reads back 0;")]
)
def test_a_radio_that_is_not_set_is_an_error(plant, refuses, words):
    planted = plant()
    found = bench_of_gains(-10.0, -14.0)
    agents = {0: Stubborn(planted.agent(0), refuses), 1: planted.agent(1)}
    chosen = plan(found, bench_of(planted.server, agents, planted.signals))
    with pytest.raises(SettingError, match=words):
        put_to_use(chosen, planted.server, agents)
