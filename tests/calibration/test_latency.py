import numpy as np
import pytest

from calibration import latency
from calibration.exchange import meet
from calibration.measurement import CalibrationError
from calibration.timing import aimed, path_delay, sounding_delay
from dsp.frame import marker, sounding
from dsp.ofdm import Numerology, delay_ramp
from radio.base import RadioError
from tests.calibration.conftest import covered


def planted_delay(planted, agent):
    """Return the truth, in samples of the server: what an agent counts, the server counts at its own rate."""
    there, here = planted.unit(agent), planted.unit(planted.server)
    return here.timing_offset + there.timing_offset * here.rate / there.rate


def peak_delay(planted, agent):
    """Return the delay of the strongest path that this band can tell from its neighbours."""
    delays, gains = planted.bench.air.oracle_taps(agent.unit, planted.server.unit, np.zeros(1))
    numerology = planted.signals.numerology
    return path_delay(gains[0] @ delay_ramp(numerology, delays), numerology)


def sweep(plant, tries, key="delay_samples", truth=planted_delay, **faults):
    """Return errors and uncertainties of a quantity, one for each seed."""
    errors, uncertainties = [], []
    for seed in range(tries):
        planted = plant(seed, **faults)
        found = latency.measure(planted.server, planted.agent(), planted.signals).quantities[key]
        errors.append(found.value - truth(planted, planted.agent()))
        uncertainties.append(found.uncertainty)
    return np.array(errors), np.array(uncertainties)


class Leaving:
    """A radio that sends nothing after so many bursts."""

    def __init__(self, radio, bursts):
        self.radio, self.bursts = radio, bursts

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        self.bursts -= 1
        if self.bursts >= 0:
            self.radio.transmit(samples, at)


# A sounding at 25 dB has a standard deviation of 6e-4 samples, a beacon 1e-3, both 5.6 times that at 10 dB. The mean of
# eight groups is better than 1e-3 and 4e-3; five of these are far below the half sample that is asked for.
@pytest.mark.parametrize("snr_db, most", [(25.0, 0.005), (10.0, 0.03)])
def test_delay_is_found_to_a_small_part_of_a_sample(plant, snr_db, most):
    errors, _ = sweep(plant, 10, snr_db=snr_db, timing_offset=10.0, offset_ppm=20.0)
    assert np.abs(errors).max() < most


def test_delays_of_twenty_thousand_samples_and_fifty_ppm_are_found(plant):
    errors, _ = sweep(plant, 5, latency=20_000.0, offset_ppm=25.0)
    assert np.abs(errors).max() < 0.005


@pytest.mark.slow
@pytest.mark.parametrize("snr_db, linewidth", [(25.0, 0.0), (10.0, 0.0), (10.0, 0.1)])
def test_interval_of_the_delay_is_honest(plant, snr_db, linewidth):
    faults = {"timing_offset": 10.0, "offset_ppm": 20.0, "linewidth_hz": linewidth}
    errors, uncertainties = sweep(plant, 100, snr_db=snr_db, **faults)
    assert np.abs(errors).max() < 0.5
    assert covered(errors, uncertainties, 100)
    # nor grossly wide: 95 % of normal errors lie within 1.96 standard deviations, t of 7 degrees makes that 2.3
    assert np.median(uncertainties) < 3.5 * errors.std()


def test_strongest_of_many_paths_is_what_counts(plant):
    _multipath(plant, 10, 1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1e-7, 3e-7])
def test_strongest_of_many_paths_is_what_counts_in_a_hundred_channels(plant, spread):
    _multipath(plant, 100, spread)


def _multipath(plant, tries, spread):
    def truth(planted, agent):
        return planted_delay(planted, agent) + 2 * peak_delay(planted, agent)

    faults = {"profile": "tdl_a", "fading": True, "delay_spread_s": spread, "timing_offset": 10.0, "offset_ppm": 20.0}
    # The taps of this profile lie 0.1 samples apart and cannot be told from each other in 3 MHz: the truth is the peak
    # of all together. Against the strongest single tap, one channel in eight is off by more than a sample.
    errors, _ = sweep(plant, tries, truth=truth, **faults)
    assert np.abs(errors).max() < 1


def test_planted_jitter_is_measured_and_called_unstable(plant):
    for seed in range(5):
        planted = plant(seed, timing_jitter=0.3, timing_offset=10.0)
        found = latency.measure(planted.server, planted.agent(), planted.signals)
        jitter = found.quantities["jitter_samples"]
        # 24 degrees of freedom: a relative standard deviation of 1/√48 = 14 %
        assert jitter.value == pytest.approx(0.3, rel=0.72)
        assert found.verdict.word == "unstable"
        assert "hardware" in found.verdict.reason
        # the beacons of eight groups and 32 bursts: 0.3·√(1/8 + 1/32) = 0.12
        delay = found.quantities["delay_samples"]
        assert abs(delay.value - planted_delay(planted, planted.agent())) < 0.6


def test_steady_bursts_have_no_jitter_and_a_good_verdict(plant):
    for snr_db in (0.0, 25.0):
        planted = plant(snr_db=snr_db, offset_ppm=20.0)
        found = latency.measure(planted.server, planted.agent(), planted.signals)
        jitter = found.quantities["jitter_samples"]
        assert jitter.value - jitter.uncertainty <= 0
        assert found.verdict.word == "good"


@pytest.mark.slow
def test_interval_of_the_jitter_is_honest(plant):
    errors, uncertainties = sweep(plant, 100, "jitter_samples", lambda *_: 0.3, timing_jitter=0.3)
    assert covered(errors, uncertainties, 100)


def test_every_sounding_is_in_the_curve(plant):
    planted = plant(timing_offset=10.0)
    found = latency.measure(planted.server, planted.agent(), planted.signals)
    curve = found.curves["delay_samples"]
    assert curve.shape == found.curves["burst"].shape == (32,)
    assert curve.mean() == pytest.approx(found.quantities["delay_samples"].value)
    assert (found.serial, found.partner) == (planted.agent().serial, planted.server.serial)


def test_a_radio_finds_its_own_delay_by_its_leakage(plant):
    for seed in range(5):
        planted = plant(seed, latency=3000.0, leakage_db=-20.0)
        found = latency.measure(planted.server, planted.agent(), planted.signals).quantities["own_samples"]
        alone = latency.own(planted.server, planted.signals)
        # the leakage of -20 dB is 20 dB weaker than a path of gain 1: 5 dB, a tenth as good as 25 dB
        assert found.value == pytest.approx(planted.unit(planted.agent()).timing_offset, abs=0.05)
        assert alone.quantities["own_samples"].value == pytest.approx(
            planted.unit(planted.server).timing_offset, abs=0.05
        )
        assert (alone.kind, alone.partner) == ("latency", None)


@pytest.mark.slow
def test_interval_of_the_own_delay_is_honest(plant):
    errors, uncertainties = [], []
    for seed in range(100):
        planted = plant(seed, latency=3000.0, leakage_db=-20.0)
        found = latency.own(planted.server, planted.signals).quantities["own_samples"]
        errors.append(found.value - planted.unit(planted.server).timing_offset)
        uncertainties.append(found.uncertainty)
    assert covered(np.array(errors), np.array(uncertainties), 100)


def test_a_radio_that_does_not_hear_itself_has_no_own_delay(plant):
    planted = plant()
    assert "own_samples" not in latency.measure(planted.server, planted.agent(), planted.signals).quantities
    alone = latency.own(planted.server, planted.signals)
    assert alone.quantities == {}
    assert alone.verdict.word == "too weak"


def test_an_agent_that_leaves_in_the_middle_is_named(plant):
    planted = plant(offset_ppm=20.0)
    agent = Leaving(planted.agent(), 10)
    with pytest.raises(CalibrationError, match=r"not its sounding.*still runs") as caught:
        latency.measure(planted.server, agent, planted.signals)
    assert agent.serial in str(caught.value)


def test_a_closed_radio_fails_as_such(plant):
    planted = plant()
    planted.agent().close()
    with pytest.raises(RadioError, match="closed"):
        latency.measure(planted.server, planted.agent(), planted.signals)


def test_an_aimed_wave_arrives_on_its_sample_and_on_the_carrier(plant):
    for seed in range(5):
        planted = plant(seed, snr_db=60.0, offset_ppm=25.0)
        server, agent, signals = planted.server, planted.agent(), planted.signals
        meeting, numerology = meet(server, agent, signals), signals.numerology
        wave = signals.amplitude * marker(numerology)
        target = server.now() + 1000
        agent.transmit(*aimed(wave, meeting, meeting.beacon.cfo, target, signals.sample_rate))
        heard = server.receive(wave.size, target).data
        turned = np.vdot(wave, heard)
        # a linear clock inside the simulation's blocks: -77 dB at 40 ppm, and the beacon's 0.06 Hz at 60 dB
        assert abs(turned) ** 2 > (1 - 1e-3) * np.vdot(wave, wave).real * np.vdot(heard, heard).real


def test_path_delay_undoes_any_ramp():
    numerology = Numerology()
    for delay in (-127.3, -1.62, 0.0, 0.124, 3.999, 100.5):
        assert path_delay(delay_ramp(numerology, delay) * 0.3j, numerology) == pytest.approx(delay, abs=1e-6)


def test_sounding_delay_scatters_as_it_says():
    numerology, rng = Numerology(), np.random.default_rng(5)
    wave = sounding(numerology)
    sigma, found = 10**-0.5, []
    for _ in range(100):
        noise = rng.standard_normal((2, wave.size)) * sigma / np.sqrt(2)
        found.append(sounding_delay(wave + noise[0] + 1j * noise[1], numerology, 6.0))
    late, stds = np.array(found).T
    # a standard deviation of 100 values has a standard error of 7 %, the mean one of a tenth
    assert late.std() == pytest.approx(stds.mean(), rel=0.35)
    assert abs(late.mean()) < 0.5 * stds.mean()


def test_noise_alone_is_no_sounding():
    numerology, rng = Numerology(), np.random.default_rng(6)
    for _ in range(50):
        noise = rng.standard_normal((2, 2700))
        assert sounding_delay(noise[0] + 1j * noise[1], numerology, 6.0) is None
