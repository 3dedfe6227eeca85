import numpy as np
import pytest

from calibration import clock
from calibration.allan import allan
from calibration.measurement import CalibrationError
from calibration.phase_walk import fit_walk
from radio.settings import Change, Limits, Range
from tests.calibration.conftest import CARRIER, covered, never_short
from tests.calibration.test_latency import Leaving

SECONDS = 1.3  # of an observation


def planted_ppm(planted, radio):
    """Return the truth: the rate of a radio over that of the server, less 1."""
    return 1e6 * (planted.unit(radio).rate / planted.unit(planted.server).rate - 1)


def compare(planted, **how):
    return clock.measure(planted.server, planted.agent(), planted.signals, **how)


def walked_ppm(plant, planted, seed, faults):
    """Return by how much the walk of the frequencies moved the mean of the observation that has just ended.

    The walk alone is what oscillators with the same draws but no linewidth do beside those that stand still.
    """
    end, about = planted.bench.air.frontier, planted.signals.sample_rate
    times = np.array([end - SECONDS * about, end])
    laws = {"linewidth_hz": 0.0}, {"linewidth_hz": 0.0, "frequency_walk": 0.0}
    benches = [plant(seed, offset_ppm=20.0, **(faults | law)) for law in laws]
    walking, still = (one.bench.air.oracle_phase(one.agent().unit, one.server.unit, times) for one in benches)
    return 1e6 * float(np.diff(walking - still)[0]) / (2 * np.pi * SECONDS * CARRIER)


def sweep(plant, tries, **faults):
    """Return errors and uncertainties of the offset, and of the drift, which nobody planted."""
    offsets, drifts = [], []
    for seed in range(tries):
        planted = plant(seed, offset_ppm=20.0, **faults)
        found = compare(planted).quantities
        offset, drift = found["offset_ppm"], found["drift_ppm_per_s"]
        truth = planted_ppm(planted, planted.agent())
        if faults.get("frequency_walk"):
            truth += walked_ppm(plant, planted, seed, faults)
        offsets.append((offset.value - truth, offset.uncertainty))
        drifts.append((drift.value, drift.uncertainty))
    return np.array(offsets).T, np.array(drifts).T


# 0.2 Hz of linewidth of both together move the mean frequency of 1.3 s by √(Δν/2πT) = 0.16 Hz or 6.5e-5 ppm. Without it
# white noise at 25 dB, v = 2e-6 rad², leaves 2·√(3v/M)/(2πT·f_c) = 3e-8 ppm. Five times each, far below 0.01.
@pytest.mark.parametrize("linewidth, snr_db, most, tries", [(0.1, 10.0, 3.3e-4, 10), (0.0, 25.0, 1.5e-7, 5)])
def test_offset_is_found_to_far_better_than_a_hundredth_ppm(plant, linewidth, snr_db, most, tries):
    (errors, uncertainties), _ = sweep(plant, tries, linewidth_hz=linewidth, snr_db=snr_db)
    assert np.abs(errors).max() < most
    assert covered(errors, uncertainties, tries)


STILL, DIFFUSING = {}, {"linewidth_hz": 0.1}
WALKING = DIFFUSING | {"frequency_walk": 0.17}


@pytest.mark.slow
@pytest.mark.parametrize("snr_db", [10.0, 25.0])
@pytest.mark.parametrize("faults", [STILL, DIFFUSING, WALKING])
def test_intervals_are_honest(plant, faults, snr_db):
    (errors, uncertainties), (drifts, drifting) = sweep(plant, 100, snr_db=snr_db, **faults)
    assert np.abs(errors).max() < 0.01
    assert covered(errors, uncertainties, 100)
    # up to six times as wide as it need be: 1.3 s cannot tell a drift from a walk of the frequency
    assert never_short(drifts, drifting, 100)


def test_two_radios_with_one_clock_have_no_offset(plant):
    for seed in range(2):
        found = compare(plant(seed)).quantities["offset_ppm"]
        # 3e-8 ppm of white noise, five times that; its interval is up to ten times as wide where it looks like a walk
        assert abs(found.value) < 1.5e-7
        assert found.uncertainty < 6e-7


@pytest.mark.parametrize("ppm", [-50.0, 50.0])
def test_offsets_near_the_pull_in_are_found(plant, ppm):
    planted = plant(linewidth_hz=0.1)
    planted.agent().configure(Change(clock_trim_ppm=ppm))
    assert compare(planted).quantities["offset_ppm"].value == pytest.approx(ppm, abs=1e-3)


# 104 ppm is one whole turn of the short part's frequency: its carrier looks right
@pytest.mark.parametrize("ppm", [-90.0, 55.0, 62.0, 100.0])
def test_offsets_beyond_the_pull_in_are_refused_with_the_remedy(plant, ppm):
    planted = plant()
    planted.agent().configure(Change(clock_trim_ppm=ppm))
    with pytest.raises(CalibrationError, match=r"further apart than ±125 kHz.*trim one of the clocks") as caught:
        compare(planted)
    assert caught.value.word == "unstable"


def test_trim_removes_the_offset(plant):
    planted = plant(offset_ppm=20.0, linewidth_hz=0.1)
    agent = planted.agent()
    agent.configure(Change(clock_trim_ppm=-3.0))
    agent.configure(Change(clock_trim_ppm=compare(planted).quantities["trim_ppm"].value))
    assert abs(planted_ppm(planted, agent)) < 1e-3
    assert abs(compare(planted).quantities["offset_ppm"].value) < 1e-3


def test_trim_is_a_step_of_the_radio_or_absent(plant):
    planted = plant(offset_ppm=20.0)
    gains = planted.agent().limits.tx_attenuation_db, planted.agent().limits.rx_gain_db
    planted.agent().limits = Limits(*gains, Range(-100.0, 100.0, 0.5))
    measurement = compare(planted)
    found = measurement.quantities
    assert found["trim_ppm"].value % 0.5 == 0
    assert 0.01 < abs(found["trim_ppm"].value + found["offset_ppm"].value) <= 0.25
    assert measurement.verdict.word == "good"  # what a coarse step leaves is no fault
    planted.agent().limits = Limits(*gains)
    assert "trim_ppm" not in compare(planted).quantities


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_trim_that_ends_too_soon_is_too_strong(plant, sign):
    planted = plant()
    agent = planted.agent()
    agent.configure(Change(clock_trim_ppm=10.0 * sign))
    allowed = Range(*sorted((4.0 * sign, 10.0 * sign)))
    agent.limits = Limits(agent.limits.tx_attenuation_db, agent.limits.rx_gain_db, allowed)
    found = compare(planted)
    assert found.quantities["trim_ppm"].value == 4.0 * sign
    assert found.verdict.word == "too strong"
    assert f"ends at {4 * sign} ppm" in found.verdict.reason
    assert f"leaves {4 * sign:+d} ppm" in found.verdict.reason


def test_a_trim_that_ends_where_it_is_needed_is_good(plant):
    planted = plant()
    agent = planted.agent()
    agent.configure(Change(clock_trim_ppm=10.0))
    for low, word in ((0.009, "good"), (0.011, "too strong")):
        agent.limits = Limits(agent.limits.tx_attenuation_db, agent.limits.rx_gain_db, Range(low, 10.0))
        assert compare(planted).verdict.word == word


def test_settings_are_left_alone(plant):
    planted = plant(offset_ppm=20.0)
    before = planted.agent().settings, planted.server.settings
    compare(planted)
    assert (planted.agent().settings, planted.server.settings) == before


def test_bursts_that_jitter_do_not_mislead(plant):
    for seed in range(2):
        planted = plant(seed, offset_ppm=20.0, timing_jitter=1.0, timing_offset=5.0)
        error = compare(planted).quantities["offset_ppm"].value - planted_ppm(planted, planted.agent())
        assert abs(error) < 2e-6


def test_many_paths_and_a_converters_offset_do_not_mislead(plant):
    for seed in range(2):
        faults = {"profile": "tdl_a", "fading": True, "dc_offset_db": -40.0, "converter_bits": 12}
        planted = plant(seed, offset_ppm=20.0, **faults)
        error = compare(planted).quantities["offset_ppm"].value - planted_ppm(planted, planted.agent())
        # a faded channel has some 15 dB less
        assert abs(error) < 1e-5


def test_a_usual_oscillator_is_good_and_a_restless_one_is_not(plant):
    assert compare(plant(offset_ppm=20.0, **WALKING)).verdict.word == "good"
    # 200 Hz²/s of both are 110 Hz or 0.05 ppm in a minute
    assert compare(plant(offset_ppm=20.0, frequency_walk=100.0)).verdict.word == "unstable"
    lost = compare(plant(offset_ppm=20.0, linewidth_hz=10.0)).verdict
    assert lost.word == "unstable"
    assert "whole turns" in lost.reason


def test_a_reference_that_leaves_in_the_middle_is_named(plant):
    planted = plant(offset_ppm=20.0)
    with pytest.raises(CalibrationError, match=r"lost marker 40 of 69.*still runs"):
        clock.measure(Leaving(planted.server, 40), planted.agent(), planted.signals)


def test_a_reference_that_nobody_hears_is_too_weak(plant):
    planted = plant()
    planted.server.mute()
    with pytest.raises(CalibrationError) as caught:
        compare(planted)
    assert caught.value.word == "too weak"


def test_too_short_a_time_is_refused(plant):
    with pytest.raises(ValueError, match="seconds must be at least"):
        compare(plant(), seconds=0.1)


def test_allan_deviation_of_a_linewidth_follows_its_law(plant):
    ratios = []
    for seed in range(3):
        curves = compare(plant(seed, offset_ppm=20.0, linewidth_hz=0.1)).curves
        law = np.sqrt(0.2 / (2 * np.pi * CARRIER**2 * curves["allan_tau_s"]))
        ratios.append(curves["allan_deviation"] / law)
        assert (curves["allan_low"] < curves["allan_deviation"]).all()
        assert (curves["allan_deviation"] < curves["allan_high"]).all()
    # at τ₀ 64 differences of 65 values have about 50 degrees of freedom, 150 in three runs: 5.8 % of the deviation
    assert np.sqrt(np.mean(np.square(ratios), axis=0))[0] == pytest.approx(1, abs=0.29)


def test_allan_deviation_without_any_is_the_floor_of_measuring(plant):
    ratios = []
    for seed in range(3):
        curves = compare(plant(seed, offset_ppm=20.0)).curves
        ratios.append(curves["allan_deviation"] / curves["allan_floor"])
    # white phase noise: fewer degrees of freedom, some 35 a run and 105 in three: 6.9 %
    assert np.sqrt(np.mean(np.square(ratios), axis=0))[0] == pytest.approx(1, abs=0.35)


def test_allan_deviation_of_a_drift_is_that_of_its_slope():
    time, slope = 0.02 * np.arange(66), 0.3
    found = allan(np.pi * slope * time**2, 0.02, CARRIER, 0.0)
    assert found.deviation == pytest.approx(slope / CARRIER * found.tau / np.sqrt(2))


def test_allan_interval_holds_the_law_of_white_frequency_noise():
    rng, inside = np.random.default_rng(3), []
    for _ in range(200):
        found = allan(np.cumsum(rng.standard_normal(66)), 0.02, CARRIER, 0.0)
        law = 1 / (2 * np.pi * CARRIER * np.sqrt(0.02 * found.tau))
        inside.append((found.low <= law) & (law <= found.high))
    for covering in np.mean(inside, axis=0)[:3]:  # few degrees of freedom are an approximation
        assert abs(covering - 0.95) < 5 * np.sqrt(0.05 * 0.95 / 200)


def walked(rng, diffusion, walk, slope, times, variance):
    """Return increments of a phase, and its mean frequency less that of the slope."""
    fine = np.linspace(0, times[-1], 2001)
    frequency = np.concatenate([[0], np.cumsum(rng.standard_normal(2000))]) * np.sqrt(walk * fine[1])
    path = 2 * np.pi * np.concatenate([[0], np.cumsum((frequency[1:] + frequency[:-1]) / 2)]) * fine[1]
    middle = times[-1] / 2
    path += np.pi * slope * ((fine - middle) ** 2 - middle**2)
    phases = np.interp(times, fine, path) + np.sqrt(variance) * rng.standard_normal(times.size)
    steps = np.sqrt(diffusion * np.diff(times)) * rng.standard_normal(times.size - 1)
    return np.diff(phases) + steps, path[-1] / (2 * np.pi * times[-1])


TIMES = np.concatenate([[0, 1e-3, 3e-3, 8e-3], 0.02 * np.arange(1, 66)])


PHASE_VAR = 2e-6
SPREAD = np.diff(np.eye(TIMES.size), axis=0)
NOISE = PHASE_VAR * SPREAD @ SPREAD.T


def walks(diffusion, walk):
    """Return errors and uncertainties of a hundred fits: frequency and slope, shape (4, 100)."""
    rng, errors = np.random.default_rng(7), []
    for _ in range(100):
        increments, mean = walked(rng, diffusion, walk, 0.5, TIMES, PHASE_VAR)
        found = fit_walk(increments, TIMES, NOISE)
        errors.append((found.frequency - mean, found.frequency_u, found.slope - 0.5, found.slope_u))
    return np.array(errors).T


@pytest.mark.slow
@pytest.mark.parametrize("diffusion", [0.0, 1.0])
@pytest.mark.parametrize("walk", [0.0, 0.01, 0.34])
def test_intervals_of_a_walk_are_honest(diffusion, walk):
    errors = walks(diffusion, walk)
    assert covered(errors[0], errors[1], 100)
    assert never_short(errors[2], errors[3], 100)


@pytest.mark.slow
@pytest.mark.parametrize("diffusion", [1e-6, 3e-6, 1e-5, 3e-5])
def test_a_walk_that_noise_hides_costs_less_than_a_millionth_ppm(diffusion):
    errors = walks(diffusion, 0.0)
    # √(q/T)/2π = 8e-4 Hz at most, five times that
    assert np.abs(errors[0]).max() < 4e-3
    # three of four, five standard errors of it below
    assert (np.abs(errors[0]) <= errors[1]).mean() > 0.75 - 5 * np.sqrt(0.75 * 0.25 / 100)
    assert never_short(errors[2], errors[3], 100)


def test_a_drift_is_told_from_noise():
    increments, _ = walked(np.random.default_rng(8), 0.0, 0.0, 3.0, TIMES, PHASE_VAR)
    found = fit_walk(increments, TIMES, NOISE)
    assert abs(found.slope - 3.0) <= found.slope_u < 0.1
    # a random walk of √r Hz/√s is not seen, and none is claimed
    assert found.wander < 0.01


def test_too_few_increments_are_refused():
    with pytest.raises(ValueError, match="at least 8"):
        fit_walk(np.zeros(5), np.arange(6.0), np.eye(5))
