"""The channel as the server sees it, against the taps that were planted.

Truth of a response: Σ_l g_l·e^{−j2πkτ_l/N} of the air, times the gain of the server's receiver, at the middle of the
first sounding. Its common phase and a constant delay are no part of it: oscillators make the one, latencies the other,
and both are taken out with the values that fit best.
"""

import re
from dataclasses import replace

import numpy as np
import pytest

from calibration import channel, delays
from calibration.coherence import Modes, correlate
from calibration.delay_spread import between
from calibration.doppler import HALVED, WIDER, doppler
from calibration.exchange import CHUNK
from calibration.measurement import CalibrationError
from calibration.response import move, respond
from calibration.soundings import LEAST, MOST, schedule, sound
from dsp.frame import sounding
from dsp.metrics import nmse_db
from dsp.ofdm import Numerology, delay_ramp
from radio.fading import rms_delay_spread
from tests.calibration.conftest import covered, never_short

GRID = Numerology()
EXPONENTIAL = {"profile": "exponential", "delay_spread_s": 1e-6, "offset_ppm": 10.0, "latency": 60.0}
BLUNT = {"profile": "tdl_c", "delay_spread_s": 1.8e-6, "offset_ppm": 10.0}  # its last path comes after 62 samples


def true_response(bench, train, seconds=0.0):
    """Return what the air did at the first sounding, or some time after it."""
    air, server = bench.bench.air, bench.unit(bench.server)
    time = server.time(train.start + seconds * GRID.sample_rate)
    delay, gains = air.oracle_taps(bench.agent().unit, bench.server.unit, np.array([time]))
    return (gains @ delay_ramp(GRID, delay))[0] * server.receive.gain


def aligned(truth, seen):
    """Return the truth with the delay and the common phase with which it is nearest to what was seen."""
    fine = np.zeros(256 * GRID.n_fft, complex)
    fine[GRID.subcarriers % fine.size] = seen * np.conj(truth)
    place = int(np.argmax(np.abs(np.fft.ifft(fine))))
    delay = (place if place < fine.size / 2 else place - fine.size) / 256
    moved = truth * delay_ramp(GRID, delay)
    return moved * np.exp(1j * np.angle(np.vdot(moved, seen)))


def errors(bench, seconds=0.5):
    """Return NMSE in dB, and error and uncertainty of every figure that noise alone makes uncertain."""
    train = sound(bench.server, bench.agent(), bench.signals, seconds)
    response = respond(train, move(train, GRID), GRID)
    truth = aligned(true_response(bench, train), response.value)
    found = channel._figures(train, bench.signals) | channel._ripple(response)
    silent = 1e-9 * np.mean(np.abs(truth) ** 2)
    gain, _, first, last, bandwidth = channel._read(np.tile(truth, (MOST, 1)), silent, GRID)
    noise = bench.unit(bench.server).noise_var
    fs = GRID.sample_rate
    true = {
        "gain_db": gain,
        "snr_db": gain + 10 * np.log10(bench.signals.amplitude**2 / noise),
        "first_path_s": first / fs,
        "last_path_s": last / fs,
        "coherence_bandwidth_hz": bandwidth,
        "ripple_db": 20 * np.log10(np.abs(truth).max() / np.abs(truth).min()),
    }
    error = {name: (found[name].value - true[name], found[name].uncertainty) for name in true if name in found}
    return float(nmse_db(response.value, truth)), error


def test_taps_are_known_to_25_db_at_20_db_over_noise(plant):
    for seed in range(10):
        faults = EXPONENTIAL if seed % 2 else BLUNT
        bench = plant(seed, 20.0, **faults)
        error, _ = errors(bench)
        assert error < -25


def test_gain_and_snr_are_within_their_intervals(plant):
    found = [errors(plant(seed, 20.0, **EXPONENTIAL))[1] for seed in range(10)]
    for name in ("gain_db", "snr_db"):
        error, doubt = np.array([each[name] for each in found]).T
        assert covered(error, doubt, 10)


def delay_spread(bench):
    """Return the rms delay spread of the taps that were drawn, and the ends of what was measured, in s."""
    train = sound(bench.server, bench.agent(), bench.signals, 0.3)
    found, time = channel._figures(train, bench.signals), bench.unit(bench.server).time(train.start)
    delay, gains = bench.bench.air.oracle_taps(bench.agent().unit, bench.server.unit, np.array([time]))
    power = np.abs(gains[0]) ** 2 / np.sum(np.abs(gains[0]) ** 2)
    true = rms_delay_spread(delay, power) / GRID.sample_rate
    if "rms_delay_at_most_s" in found:
        return true, 0.0, found["rms_delay_at_most_s"].value
    seen = found["rms_delay_s"]
    return true, seen.value - seen.uncertainty, seen.value + seen.uncertainty


def test_the_interval_of_the_delay_spread_holds_that_of_the_taps_that_were_drawn(plant):
    faults = {"profile": "tdl_a", "offset_ppm": 10.0}
    true, low, high = np.array([delay_spread(plant(seed, 20.0, **faults)) for seed in range(10)]).T
    assert never_short(true - (low + high) / 2, (high - low) / 2, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [
        {"profile": "flat"},
        {"profile": "tdl_a"},
        {"profile": "tdl_a", "k_factor_db": 6.0},
        {"profile": "tdl_c", "delay_spread_s": 1.8e-6},
        {"profile": "exponential", "delay_spread_s": 1e-6},
    ],
)
def test_the_delay_spread_of_many_channels_lies_where_it_is_said_to(plant, faults):
    outcomes = [delay_spread(plant(seed, 20.0, offset_ppm=10.0, **faults)) for seed in range(100)]
    true, low, high = np.array(outcomes).T
    assert never_short(true - (low + high) / 2, (high - low) / 2, 100)


def test_paths_that_cancel_do_not_hide_their_spread():
    """Two paths half a sample apart, of opposite signs, have a negative moment: it is a bound then, not 0."""
    response = delay_ramp(GRID, 0.0) - 0.5 * delay_ramp(GRID, 0.5)
    seen = delays.spread(delays.profile(response[None], 1e-9, GRID), GRID)
    assert seen.variance < 0
    found = channel._delay_spread(seen.variance, 1e-3, GRID)
    assert set(found) == {"rms_delay_at_most_s"}
    assert found["rms_delay_at_most_s"].value > 0.2 / GRID.sample_rate  # √(0.8·0.2)·0.5 samples


def test_an_interval_of_the_delay_spread_is_twice_as_wide_in_half_the_band():
    half = replace(GRID, n_fft=512)  # K is the same, so the band is half as wide
    for variance in (0.5, 40.0, 4000.0):
        assert between(4 * variance, 0.4, half) == pytest.approx(np.multiply(2, between(variance, 0.1, GRID)))


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say(plant):
    outcomes = [errors(plant(seed, 20.0, **EXPONENTIAL)) for seed in range(100)]
    assert max(error for error, _ in outcomes) < -25
    for name in ("gain_db", "snr_db", "coherence_bandwidth_hz"):
        error, doubt = np.array([each[name] for _, each in outcomes if name in each]).T
        assert covered(error, doubt, error.size), name
    # the resolution of the band is in the one, extremes of noise in the other: wider than 95 %, not narrower
    for name in ("first_path_s", "last_path_s", "ripple_db"):
        error, doubt = np.array([each[name] for _, each in outcomes]).T
        assert (np.abs(error) <= doubt).mean() > 0.95 - 5 * np.sqrt(0.95 * 0.05 / 100), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "largest"),
    [
        ({"profile": "flat"}, 3.0),
        ({"profile": "flat"}, 20.0),
        ({"profile": "tdl_a", "delay_spread_s": 1e-7}, 10.0),
        ({"profile": "exponential", "delay_spread_s": 1e-6}, 30.0),
        ({"profile": "flat", "k_factor_db": 9.0}, 10.0),
    ],
)
def test_the_interval_of_doppler_holds_it_as_often_as_it_says(plant, faults, largest):
    outcomes = []
    for seed in range(100):
        bench = plant(seed, 20.0, fading=True, doppler_hz=largest, offset_ppm=10.0, **faults)
        motion = move(sound(bench.server, bench.agent(), bench.signals, 0.5), GRID)
        if motion.doppler is not None:
            outcomes.append((motion.doppler.low, motion.doppler.high))
    low, high = np.array(outcomes).T
    assert len(outcomes) >= 90
    assert covered((low + high) / 2 - largest, (high - low) / 2, len(outcomes))


@pytest.mark.slow
@pytest.mark.parametrize("faults", [{"profile": "tdl_a"}, {"profile": "exponential", "delay_spread_s": 1e-6}])
def test_with_a_line_of_sight_and_other_taps_the_interval_is_not_short(plant, faults):
    """Widened for the worst of such channels: wider than 95 % where the line is all there is."""
    errors, doubts = [], []
    for seed in range(100):
        bench = plant(seed, 20.0, fading=True, doppler_hz=10.0, k_factor_db=6.0, offset_ppm=10.0, **faults)
        found = move(sound(bench.server, bench.agent(), bench.signals, 0.5), GRID).doppler
        if found is not None:
            errors.append((found.low + found.high) / 2 - 10.0)
            doubts.append((found.high - found.low) / 2)
    assert len(errors) >= 90
    assert never_short(np.array(errors), np.array(doubts), len(errors))


def test_a_line_of_sight_beside_other_taps_widens_the_interval(plant, monkeypatch):
    bench = plant(5, 20.0, profile="tdl_a", fading=True, doppler_hz=10.0, k_factor_db=6.0, offset_ppm=10.0)
    train = sound(bench.server, bench.agent(), bench.signals, 0.5)
    wide = move(train, GRID).doppler
    monkeypatch.setattr("calibration.doppler.WIDER", 1.0)
    narrow = move(train, GRID).doppler
    assert wide.median == narrow.median
    for name in ("low", "high"):
        widths = [np.log(getattr(each, name) / each.median) for each in (wide, narrow)]
        assert widths[0] == pytest.approx(WIDER * widths[1])


def test_a_moving_channel_is_measured_in_hertz(plant):
    held = []
    for seed in range(3):
        bench = plant(seed, 20.0, profile="exponential", delay_spread_s=1e-6, doppler_hz=20.0, offset_ppm=10.0)
        found = channel.measure(bench.server, bench.agent(), bench.signals)
        shift, time = found.quantities["doppler_hz"], found.quantities["coherence_time_s"]
        held.append(abs(shift.value - 20) <= shift.uncertainty)
        assert abs(shift.value - 20) < 10
        assert time.value + time.uncertainty == pytest.approx(HALVED / (shift.value - shift.uncertainty))
        assert found.verdict.word == "unstable"
        assert "turnaround" in found.verdict.reason
    assert sum(held) >= 2  # of three at 95 %: fewer with a probability of 0.7 %


def test_a_round_is_as_long_as_its_signals_say(plant):
    """At 5 Hz a channel stays alike for 6.4 ms: less than a round of 50 ms, more than one of 1 ms, interval and all."""
    bench = plant(4, 20.0, profile="exponential", delay_spread_s=1e-6, doppler_hz=5.0, offset_ppm=10.0)
    short = replace(bench.signals, round_span_s=1e-3, turnaround_s=4e-4)
    for signals, word in ((bench.signals, "unstable"), (short, "good")):
        found = channel.measure(bench.server, bench.agent(), signals)
        assert found.verdict.word == word
        assert ("turnaround_s" in found.verdict.reason) == (word == "unstable")


def test_what_of_a_round_is_payload_is_left_to_it_by_the_advice(plant):
    signals = replace(plant().signals, round_span_s=0.08, turnaround_s=0.05)
    present = channel._present(signals)
    assert (present.turnaround_s, present.payload_s) == (0.05, pytest.approx(0.03))
    present = channel._present(replace(signals, round_span_s=0.02))
    assert (present.turnaround_s, present.payload_s) == (0.02, 0.0)


def test_timing_that_jitters_does_not_look_like_movement(plant):
    bench = plant(1, 20.0, profile="exponential", delay_spread_s=1e-6, offset_ppm=10.0, timing_jitter=0.3)
    assert move(sound(bench.server, bench.agent(), bench.signals, 0.3), GRID).doppler is None
    error, _ = errors(bench, 0.3)
    assert error < -25


def test_the_servers_own_offset_is_no_interferer(plant):
    bench = plant(7, 20.0, offset_ppm=20.0, dc_offset_db=-35.0)
    found = channel.measure(bench.server, bench.agent(), bench.signals, 0.2)
    assert found.verdict.word == "good"
    # the agent's offset, at -35 dBFS and through -15 dB of gain, lies on the carrier, which is not used
    assert found.quantities["snr_db"].value == pytest.approx(20, abs=0.2)


def test_the_response_of_a_moving_channel_is_that_of_its_first_instants(plant):
    # over the 0.032/f_D that are averaged it moves by J0 = 0.99, -17 dB; in their middle by a quarter of that
    for seed in range(2):
        bench = plant(seed, 20.0, profile="exponential", delay_spread_s=1e-6, doppler_hz=5.0)
        train = sound(bench.server, bench.agent(), bench.signals, 0.3)
        response = respond(train, move(train, GRID), GRID)
        begun, later = (
            nmse_db(response.value, aligned(true_response(bench, train, seconds), response.value))
            for seconds in (response.seconds, response.seconds + 0.2)
        )
        assert begun < -20
        assert later > -10


def test_oscillators_do_not_look_like_movement(plant):
    steady, wild = (
        plant(3, 20.0, profile="exponential", delay_spread_s=1e-6, doppler_hz=10.0, **wander)
        for wander in ({}, {"linewidth_hz": 0.5, "frequency_walk": 100.0, "offset_ppm": 10.0})
    )
    first, second = (
        move(sound(bench.server, bench.agent(), bench.signals, 0.3), GRID).correlation for bench in (steady, wild)
    )
    # what the wander turns within a sounding of 0.6 ms is 0.1 rad rms
    assert second.value == pytest.approx(first.value, abs=0.02)


def test_a_still_channel_stays_alike_for_longer_than_was_looked(plant):
    bench = plant(1, 20.0, **EXPONENTIAL)
    found = channel.measure(bench.server, bench.agent(), bench.signals, 0.3)
    assert found.quantities["coherence_at_least_s"].value == pytest.approx(0.3, rel=0.01)
    assert "doppler_hz" not in found.quantities
    assert found.verdict.word == "good"
    assert (found.kind, found.serial, found.partner) == ("channel", bench.agent().serial, bench.server.serial)


def test_a_flat_channel_is_coherent_over_more_than_the_band(plant):
    bench = plant(1, 20.0, offset_ppm=10.0, timing_offset=3.0)
    found = channel.measure(bench.server, bench.agent(), bench.signals).quantities
    assert found["coherence_bandwidth_at_least_hz"].value == pytest.approx(GRID.half_width * 15625)
    assert 0 < found["rms_delay_at_most_s"].value < 5e-8
    assert found["gain_db"].value == pytest.approx(-15, abs=0.02)
    assert found["snr_db"].value == pytest.approx(20, abs=0.1)
    assert found["ripple_db"].value < 0.1


def test_one_path_is_where_it_is_and_has_no_spread():
    for place in (-7.3, 0.0, 0.5, 41.25):
        response = delay_ramp(GRID, place)[None]
        about = delays.profile(response, 1e-9, GRID)
        seen = delays.spread(about, GRID)
        assert seen.first == pytest.approx(place, abs=0.02)
        assert seen.last == pytest.approx(place, abs=0.02)
        assert abs(seen.variance) < 1e-3


def test_two_equal_paths_spread_by_half_their_distance():
    # no interference between them: the windowed lobes of 2.6 samples do not overlap
    response = delay_ramp(GRID, 3.0) + delay_ramp(GRID, 23.0)
    about = delays.profile(response[None], 1e-9, GRID)
    seen = delays.spread(about, GRID)
    assert seen.variance == pytest.approx(100, rel=1e-3)
    # 0.5 % of all is 1 % of each lobe
    assert seen.last - seen.first == pytest.approx(20, abs=0.4)
    delay, taps = delays.taps(response, about, GRID)
    assert taps[np.isin(delay, [3, 23])] == pytest.approx(np.ones(2), abs=0.01)
    assert nmse_db(taps @ delay_ramp(GRID, delay), response) < -60
    across = delays.band_correlation(response[None], 0.0, GRID)
    # |R(d)| = |cos(π·d·20/N)|, ½ at d = N/60
    assert delays.coherence_bandwidth(across, 1.0) == pytest.approx(256 / 60, rel=0.1)


def test_noise_is_taken_out_of_the_delay_spread():
    rng = np.random.default_rng(5)
    truth = delay_ramp(GRID, 3.0) + delay_ramp(GRID, 13.0)
    noise = (rng.standard_normal((64, 200)) + 1j * rng.standard_normal((64, 200))) * np.sqrt(0.1 / 2)
    about = delays.profile(truth + noise, 0.1, GRID)
    # the window holds 256/200 of N bins; each of about 25 points adds t²·σ²·√(1/64)/2 to 25: below 1 %, five errors
    assert delays.spread(about, GRID).variance == pytest.approx(25, rel=0.05)


def test_soundings_have_unequal_spacings_that_fill_the_time():
    length = sounding(GRID).size
    starts = schedule(length, 2_000_000)
    assert starts.size == MOST
    assert 1_990_000 < starts[-1] <= 2_000_000
    assert np.diff(starts).min() > length
    assert np.unique(np.diff(starts)).size == 8


def test_too_short_a_time_is_refused(plant):
    bench = plant(1)
    with pytest.raises(ValueError, match=f"{LEAST} soundings .* measure longer"):
        channel.measure(bench.server, bench.agent(), bench.signals, 0.01)


def test_intensity_correlation_is_that_of_jakes():
    # 300 draws of a flat Rayleigh channel: 1 − D has mean J0², standard error about 0.6/√300 where it is near ½
    from scipy.special import j0

    rng, times = np.random.default_rng(2), schedule(2624, 2_000_000) / 4e6
    values = []
    for _ in range(300):
        amplitude = (rng.standard_normal(64) + 1j * rng.standard_normal(64)) / np.sqrt(128)
        wave = np.exp(2j * np.pi * 30 * np.cos(2 * np.pi * rng.random(64))[:, None] * times)
        seen = (amplitude @ wave)[:, None]
        found = correlate(Modes(seen / np.sqrt(np.mean(np.abs(seen) ** 2)), np.ones(1), 1e-9), times)
        values.append(found.value)
    middle = np.abs(found.lag - 5e-3).argmin()
    lag = found.lag[: middle + 1]
    # normalised by its own mean power, of about 30 independent fades: a bias of some 3/30
    assert np.mean(values, 0)[: middle + 1] == pytest.approx(j0(2 * np.pi * 30 * lag) ** 2, abs=0.15)


def test_a_channel_that_jumps_once_has_no_doppler_of_its_own():
    times = schedule(2624, 2_000_000) / 4e6
    rng = np.random.default_rng(4)
    values = np.where(times[:, None] < 0.25, [1, 0], [0, 1]) * np.ones((1, 2), complex)
    values += 1e-3 * (rng.standard_normal(values.shape) + 1j * rng.standard_normal(values.shape))
    found = doppler(Modes(values, np.array([0.5, 0.5]), 2e-6), times)
    assert found is None


def test_a_weak_channel_is_too_weak(plant):
    bench = plant(2, 6.0, gain_db=-40.0)
    found = channel.measure(bench.server, bench.agent(), bench.signals, 0.2)
    assert found.verdict.word == "too weak"
    assert "6.0 dB" in found.verdict.reason
    assert "attenuation" in found.verdict.reason


def test_noise_that_gain_does_not_help_is_too_noisy(plant):
    bench = plant(2, 6.0)
    found = channel.measure(bench.server, bench.agent(), bench.signals, 0.2)
    assert found.verdict.word == "too noisy"
    assert "other senders" in found.verdict.reason


def test_an_interferer_is_named_by_its_frequency(plant):
    bench = plant(2, 25.0, interferer_dbfs=-40.0, interferer_hz=4e5, offset_ppm=10.0)
    found = channel.measure(bench.server, bench.agent(), bench.signals, 0.2)
    assert found.verdict.word == "too noisy"
    named = float(re.search(r"(-?\d+) kHz", found.verdict.reason)[1])
    assert named == pytest.approx(400, abs=9)  # half a subcarrier, rounded


def test_a_signal_at_full_scale_is_refused(plant):
    bench = plant(2, 25.0, gain_db=25.0)
    with pytest.raises(CalibrationError, match="full scale") as caught:
        channel.measure(bench.server, bench.agent(), bench.signals, 0.2)
    assert caught.value.word == "too strong"


def test_no_signal_is_said_to_be_none(plant):
    bench = plant(2, 25.0)
    bench.agent().mute()
    with pytest.raises(CalibrationError, match="heard no beacon") as caught:
        channel.measure(bench.server, bench.agent(), bench.signals, 0.2)
    assert caught.value.word == "too weak"


class Leaves:
    """An agent that is switched off as soon as the server has heard a number of times."""

    def __init__(self, server, agent, after):
        self.server, self.agent, self.left = server, agent, after

    def __getattr__(self, name):
        return getattr(self.server, name)

    def receive(self, count, at):
        if count != CHUNK:
            self.left -= 1
            if self.left == 0:
                self.agent.close()
        return self.server.receive(count, at)


def test_an_agent_that_leaves_in_the_middle_is_missed(plant):
    bench = plant(2, 25.0)
    server = Leaves(bench.server, bench.agent(), 20)
    with pytest.raises(CalibrationError, match="fell silent: 19 of ") as caught:
        channel.measure(server, bench.agent(), bench.signals, 0.3)
    assert caught.value.word == "unstable"


def test_settings_stay_as_they_were(plant):
    bench = plant(2, 25.0)
    before = bench.server.settings, bench.agent().settings
    channel.measure(bench.server, bench.agent(), bench.signals, 0.2)
    assert (bench.server.settings, bench.agent().settings) == before


def test_curves_have_one_value_for_each_place(plant):
    bench = plant(2, 25.0, **EXPONENTIAL)
    curves = channel.measure(bench.server, bench.agent(), bench.signals, 0.2).curves
    for first, *others in (
        ("frequency_hz", "response_db", "response_phase_deg"),
        ("delay_s", "profile_db"),
        ("lag_s", "correlation", "correlation_fit"),
    ):
        for name in others:
            assert curves[name].shape == curves[first].shape
            assert np.isfinite(curves[name]).all()
    assert (curves["correlation_fit"] == 1).all()
