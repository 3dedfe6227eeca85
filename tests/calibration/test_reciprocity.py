"""The ratio of two chains is found as it was planted, whatever the channel does, and refused where there is none."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from calibration.measurement import CalibrationError, Quantity
from calibration.ratio import Ratio
from calibration.ratio_exchange import exchanges as heard_exchanges
from calibration.ratio_fit import Exchanges, fit, turning
from calibration.reciprocity import EXCHANGES, measure
from dsp.ofdm import Numerology, delay_ramp
from radio.base import OverrunError
from tests.calibration.conftest import covered

CHAINS = {"level_error_db": 3.0, "mixer_phases": True, "latency": 3.0}
NAMES = "gain_db", "phase_deg", "delay_samples", "ripple_db"
CASES = [(20.0, {}), (25.0, {"profile": "tdl_a"})]


def truth(planted, clock):
    """Return gain in dB, phase in degrees, delay in samples, ripple in dB.

    The agent hears what left at s on its counter at s + D, later by the server's lateness and the path; the reverse is
    later by its own. With `clock` C in place of D, one direction gains what the other loses: C − D each.
    """
    server, agent = planted.unit(planted.bench.server), planted.unit(planted.agent())
    c = agent.transmit.gain * server.receive.gain / (server.transmit.gain * agent.receive.gain)
    late = agent.timing_offset - server.timing_offset + 2 * (clock - (agent.start - server.start))
    return np.array([20 * np.log10(abs(c)), np.degrees(np.angle(c)), late, 0.0])


def errors_of(planted):
    """Return error and uncertainty of the four quantities."""
    found = measure(planted.bench.server, planted.agent(), planted.signals).quantities
    error = np.array([found[name].value for name in NAMES]) - truth(planted, found["clock_samples"].value)
    error[1] = (error[1] + 180) % 360 - 180
    return error, np.array([found[name].uncertainty for name in NAMES])


def over_seeds(plant, snr_db, faults, seeds):
    found = [errors_of(plant(seed=seed, snr_db=snr_db, **CHAINS, **faults)) for seed in range(seeds)]
    return np.array([error for error, _ in found]), np.array([uncertainty for _, uncertainty in found])


@pytest.mark.parametrize(("snr_db", "faults"), CASES)
def test_gain_phase_and_delay_are_what_was_planted(plant, snr_db, faults):
    errors, uncertainties = over_seeds(plant, snr_db, faults, 10)
    assert np.abs(errors[:, 0]).max() < 0.1
    assert np.abs(errors[:, 1]).max() < 1.0
    assert np.abs(errors[:, 2]).max() < 0.01
    assert (np.abs(errors) < 2.5 * uncertainties + 1e-12).all()  # 4.9 standard deviations


@pytest.mark.slow
@pytest.mark.parametrize(("snr_db", "faults"), [*CASES, (20.0, {"profile": "tdl_a"})])
def test_a_hundred_radios_have_honest_intervals(plant, snr_db, faults):
    errors, uncertainties = over_seeds(plant, snr_db, faults, 100)
    assert np.abs(errors[:, 0]).max() < 0.1
    assert np.abs(errors[:, 1]).max() < 1.0
    for column in range(3):
        assert covered(errors[:, column], uncertainties[:, column], 100)
    assert (np.abs(errors[:, 3]) <= uncertainties[:, 3]).mean() > 0.84  # a ripple is never below 0: one-sided


def test_counters_may_start_anywhere(plant):
    planted = plant(**CHAINS)
    usual = planted.bench.air.unit_of
    planted.bench.air.unit_of = lambda unit: replace(usual(unit), start=[5_000.0, 123_456.0][unit])
    found = measure(planted.bench.server, planted.agent(), planted.signals).quantities
    # the strongest path comes after the server's lateness, up to 3 samples
    assert 0 <= found["clock_samples"].value - 118_456 <= 4
    error, uncertainty = errors_of(planted)
    assert (np.abs(error) < 2.5 * uncertainty + 1e-12).all()


def test_the_ratio_stays_when_the_channel_changes(plant):
    """Channels are drawn anew every 5 ms, between exchanges and inside a few of them, which are left out."""
    planted = plant(profile="tdl_a", redraw=0.005, **CHAINS)
    for _ in range(5):
        error, uncertainty = errors_of(planted)
        assert (np.abs(error) < 2.5 * uncertainty + 1e-12).all()
        assert uncertainty[0] < 0.03


def test_phase_noise_and_jitter_are_in_the_interval(plant):
    for seed in range(5):
        error, uncertainty = errors_of(plant(seed=seed, pll_rms_deg=2.0, timing_jitter=0.02))
        assert (np.abs(error[:3]) < 2.5 * uncertainty[:3]).all()
        assert 0.3 < uncertainty[1] < 3  # without phase noise 0.05


@pytest.mark.parametrize(("offset_ppm", "least"), [(20.0, 1e3), (0.1, 8.0), (0.02, 1.0), (0.001, 0.08)])
def test_carriers_that_differ_are_refused_with_the_difference(plant, offset_ppm, least):
    for seed in range(3):
        planted = plant(seed=seed, offset_ppm=offset_ppm)
        with pytest.raises(CalibrationError, match="need a common clock; give them one 10 MHz reference") as error:
            measure(planted.bench.server, planted.agent(), planted.signals)
        rates = [planted.unit(radio).rate for radio in (planted.bench.server, planted.agent())]
        said = float(str(error.value).split("differ by ")[1].split(" ±")[0])
        assert abs(said) > least
        # beyond 300 Hz it is the mean of two beacons, 3.1 Hz each: five standard deviations
        error_hz = 0.2 + 1e-3 * abs(said) if abs(said) < 300 else 11
        assert said == pytest.approx((rates[0] - rates[1]) * planted.signals.carrier, abs=error_hz)
        assert error.value.word == "unstable"


def test_oscillators_that_wander_are_no_common_clock(plant):
    planted = plant(seed=2, linewidth_hz=0.3)
    with pytest.raises(CalibrationError, match="need a common clock") as error:
        measure(planted.bench.server, planted.agent(), planted.signals)
    assert error.value.word == "unstable"


@pytest.mark.parametrize("profile", ["flat", "tdl_a"])
def test_a_channel_that_moves_between_the_directions_is_refused(plant, profile):
    planted = plant(seed=1, profile=profile, doppler_hz=100.0)
    with pytest.raises(CalibrationError, match=r"changes by \d+ % within an exchange of 0\.9 ms") as error:
        measure(planted.bench.server, planted.agent(), planted.signals)
    assert error.value.word == "unstable"


@dataclass
class Spoilt:
    """A radio that falls silent after some bursts, or loses samples."""

    radio: object
    bursts: int = 10**9
    lost: int = 0

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        self.bursts -= 1
        if self.bursts >= 0:
            self.radio.transmit(samples, at)

    def receive(self, count, at):
        return replace(self.radio.receive(count, at), lost=self.lost)


def test_a_server_without_a_signal_is_named(plant):
    planted = plant()
    with pytest.raises(CalibrationError, match=r"loopback-1-\w+ heard no beacon of loopback-0-\w+ .*antennas"):
        measure(Spoilt(planted.bench.server, 0), planted.agent(), planted.signals)


@pytest.mark.parametrize("bursts", [1, 5])
def test_an_agent_that_leaves_in_the_middle_is_named(plant, bursts):
    planted = plant()
    with pytest.raises(CalibrationError, match=r"no longer hears loopback-1-.*whether it still sends") as error:
        measure(planted.bench.server, Spoilt(planted.agent(), bursts), planted.signals)
    assert error.value.word == "too weak"


def test_lost_samples_fail_the_measurement(plant):
    planted = plant()
    with pytest.raises(OverrunError, match="lost 3 of"):
        measure(planted.bench.server, Spoilt(planted.agent(), lost=3), planted.signals)


def test_a_signal_at_full_scale_is_too_strong(plant):
    planted = plant(gain_db=20.0, converter_bits=12)
    with pytest.raises(CalibrationError, match="at full scale") as error:
        measure(planted.bench.server, planted.agent(), planted.signals)
    assert error.value.word == "too strong"


def test_an_interferer_as_strong_as_the_signal_is_told_from_a_carrier_that_differs(plant):
    planted = plant(interferer_dbfs=-12.0)
    with pytest.raises(CalibrationError, match="look for an interferer in the band") as error:
        measure(planted.bench.server, planted.agent(), planted.signals)
    assert error.value.word == "too noisy"


def test_a_burst_that_is_too_late_to_be_placed_is_sent_to_the_latency_calibration(plant):
    planted = plant(seed=1, latency=300.0)
    with pytest.raises(
        CalibrationError, match=r"arrive 4\d\d samples after .* at most 122 .*airmeta calibrate latency"
    ):
        measure(planted.bench.server, planted.agent(), planted.signals)


def test_much_noise_gives_a_wide_interval_and_says_so(plant):
    planted = plant(snr_db=-4.0)
    found = measure(planted.bench.server, planted.agent(), planted.signals)
    assert found.verdict.word == "too noisy"
    assert "airmeta calibrate levels" in found.verdict.reason


def test_a_measurement_names_both_radios_and_leaves_their_settings(plant):
    planted = plant()
    before = planted.bench.server.settings, planted.agent().settings
    found = measure(planted.bench.server, planted.agent(), planted.signals)
    assert (found.kind, found.serial, found.partner) == (
        "reciprocity", planted.agent().serial, planted.bench.server.serial,
    )  # fmt: skip
    assert (planted.bench.server.settings, planted.agent().settings) == before
    assert {values.shape for values in found.curves.values()} == {(200,)}
    assert set(found.curves) == {"subcarrier_hz", "left_db", "left_deg"}
    assert found.quantities["phase_deg"].unit == "°"


def test_time_for_handing_over_is_kept_once_and_exchanges_stay_near_to_each_other(plant):
    """4 of 5 ms are used, the three markers of an exchange lie within 0.9 ms, and the next follows at once."""
    planted = plant(**CHAINS)
    server, agent = planted.bench.server, planted.agent()
    clock = round(planted.unit(agent).start - planted.unit(server).start)

    class Late(Spoilt):
        def transmit(self, samples, at):
            if self.bursts == 10**9:
                self.radio.receive(1, self.radio.now() + 16_000)
            super().transmit(samples, at)

    found = heard_exchanges(Late(server), agent, planted.signals, clock, 3)
    assert [2 * one.step / 4e6 < 0.95e-3 for one in found] == [True] * 3
    assert np.diff([one.at for one in found]).max() / 4e6 < 1.5e-3
    assert min(min(one.downlink, one.up.strength) for one in found) > 100


def test_a_ratio_is_read_back_from_its_quantities(plant):
    planted, numerology = plant(**CHAINS), Numerology()
    found = measure(planted.bench.server, planted.agent(), planted.signals)
    ratio = Ratio.of(found.quantities)
    gain, phase, delay, _ = truth(planted, ratio.clock_samples)
    expected = 10 ** (gain / 20) * np.exp(1j * np.deg2rad(phase)) * delay_ramp(numerology, delay)
    error = np.abs(ratio.on(numerology) / expected - 1) ** 2
    assert error.mean() < 10 * ratio.variance(numerology).mean()
    assert ratio.variance(numerology).mean() < 1e-4
    with pytest.raises(ValueError, match=r"got none of phase_deg, .*airmeta calibrate reciprocity"):
        Ratio.of({"gain_db": Quantity(0.0, 0.1, "dB")})


def test_a_ratio_without_errors_is_one():
    numerology = Numerology()
    assert np.allclose(Ratio().on(numerology), 1)
    assert not Ratio().variance(numerology).any()


def exchanges(rng, c, noise=0.0, rate=0.0):
    """Return exchanges over channels of two paths, drawn anew for each, through a ratio c, shape (2K,)."""
    numerology, times = Numerology(), np.cumsum(rng.uniform(1e-3, 3e-3, EXCHANGES))

    def error(var):
        return np.sqrt(var / 2) * (rng.standard_normal((EXCHANGES, 200, 2)) @ [1, 1j])

    paths = rng.standard_normal((EXCHANGES, 2, 2)) @ [1, 1j]
    down = paths @ delay_ramp(numerology, np.array([0.0, 3.3]))
    up = c * down * np.exp(1j * rate * times)[:, None]
    return Exchanges(times, up + error(noise), down + error(noise / 2), noise, noise / 2)


def test_without_noise_the_fit_is_exact():
    c = 1.7 * np.exp(2j) * delay_ramp(Numerology(), -17.3)
    found = fit(exchanges(np.random.default_rng(3), c), Numerology())
    assert np.allclose([found.log_gain, found.phase, found.delay, found.ripple], [np.log(1.7), 2, -17.3, 0], atol=1e-9)


def test_noise_on_the_downlink_does_not_make_the_gain_small():
    """Its variance is 0.15 over an energy of 2: without care 7 %, of a gain known to √(0.45/(2·2·3200)) = 0.6 %."""
    found = [fit(exchanges(np.random.default_rng(seed), np.ones(200), 0.3), Numerology()) for seed in range(20)]
    assert abs(np.mean([one.log_gain for one in found])) < 5 * np.mean([one.stds[0] for one in found]) / 20**0.5


def test_ripple_is_what_the_model_leaves():
    """A ripple of modulus 0.05, orthogonal to gain, phase and delay but for their tails."""
    wave = 1 + 0.05 * np.exp(2j * np.pi * np.arange(200) / 8)
    found = fit(exchanges(np.random.default_rng(4), wave, 1e-3), Numerology())
    assert found.ripple == pytest.approx(0.05, abs=0.002)
    assert abs(found.ripple - 0.05) < 2.5 * found.ripple_error


@pytest.mark.parametrize("rate", [0.0, 40.0, -700.0])
def test_the_rate_of_a_turning_ratio_is_found(rate):
    found = turning(exchanges(np.random.default_rng(5), np.ones(200), 0.01, rate), rate + 100, Numerology())
    assert abs(found.rate - rate) < 5 * found.rate_std
    assert found.rate_std < 1
