"""Levels of planted radios: gains, 1 dB points, noise, and what is said when they cannot be measured."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from calibration.downlink import WELL_DB
from calibration.levels import measure
from calibration.measurement import CalibrationError
from calibration.spectrum import listen
from calibration.sweep import AMPLITUDE, STEP_DB, listen_for
from radio.base import RadioError
from radio.settings import Change, Range, SettingError
from tests.calibration.conftest import covered

FAULTS = {"level_error_db": 3.0, "offset_ppm": 20.0, "latency": 100.0, "timing_offset": 4.0}
TOP = 20 * np.log10(AMPLITUDE)


@dataclass
class Watched:
    """A radio that notes what it is asked for, and may leave or refuse in the middle."""

    radio: object
    leaves_after: float = np.inf
    refuses: bool = False
    sent: int = 0
    levels: list = field(default_factory=list)
    peaks: list = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def configure(self, change):
        if self.refuses and change.tx_attenuation_db is not None:
            raise SettingError("tx_attenuation_db: the attenuator does not answer")
        return self.radio.configure(change)

    def transmit(self, samples, at):
        self.sent += 1
        if self.sent > self.leaves_after:
            self.radio.mute()
        self.levels.append(-self.radio.settings.tx_attenuation_db)
        self.radio.transmit(samples, at)

    def receive(self, count, at):
        samples = self.radio.receive(count, at)
        self.peaks.append(float(np.abs(samples.data).max()))
        return samples


def link_gain(planted):
    agent, server = planted.unit(planted.agent()), planted.unit(planted.server)
    gains = agent.transmit.gain_db + server.receive.gain_db + server.receive.error_db
    return gains - agent.path_loss_db - server.path_loss_db


def one_db_point(saturation_dbfs, smoothness):
    """Return where Rapp's amplifier has lost 1 dB: A·(10^{2p/20} − 1)^{1/2p}."""
    return saturation_dbfs + 20 / (2 * smoothness) * np.log10(10 ** (2 * smoothness / 20) - 1)


def truths(planted, saturation_dbfs=None, smoothness=2.0):
    noise = 10 * np.log10(planted.unit(planted.server).noise_var)
    gain = link_gain(planted)
    known = {"link_gain_db": gain, "noise_floor_dbfs": noise}
    known["snr_unattenuated_db"] = gain + 20 * np.log10(planted.signals.amplitude) - noise
    if saturation_dbfs is not None:
        known["compression_dbfs"] = one_db_point(saturation_dbfs, smoothness)
    return known


def errors_of(plant, seeds, **faults):
    """Return errors and uncertainties of each quantity over seeds, shapes (seeds,)."""
    errors, widths = {}, {}
    about = {name.removeprefix("pa_"): value for name, value in faults.items() if name.startswith("pa_")}
    for seed in seeds:
        planted = plant(seed, **FAULTS, **faults)
        known = truths(planted, **about)
        quantities = measure(planted.agent(), planted.server, planted.signals).quantities
        for name, value in known.items():
            errors.setdefault(name, []).append(quantities[name].value - value)
            widths.setdefault(name, []).append(quantities[name].uncertainty)
    return {name: (np.array(errors[name]), np.array(widths[name])) for name in errors}


def test_planted_gain_and_compression_point_are_found(plant):
    found = errors_of(plant, range(10), pa_saturation_dbfs=-4.0)
    assert np.abs(found["link_gain_db"][0]).max() < 0.1
    assert np.abs(found["compression_dbfs"][0]).max() < 0.3
    # a mean power of 8192 samples, five standard errors: 5·4.34/√8192
    assert np.abs(found["noise_floor_dbfs"][0]).max() < 0.24


@pytest.mark.slow
@pytest.mark.parametrize(
    "faults",
    [
        {"pa_saturation_dbfs": -4.0},
        {"pa_saturation_dbfs": -6.0, "pa_smoothness": 3.0},
        {"pa_saturation_dbfs": -4.0, "path_loss_db": 15.0, "converter_bits": 12},
        {},
    ],
)
def test_intervals_hold_the_truth_in_a_hundred_benches(plant, faults):
    found = errors_of(plant, range(1000, 1100), **faults)
    assert np.abs(found["link_gain_db"][0]).max() < 0.1
    for name, (errors, widths) in found.items():
        if name == "compression_dbfs":
            assert np.abs(errors).max() < 0.3
        assert covered(errors, widths, 100), name


@pytest.mark.parametrize("smoothness", [1.0, 3.0, 10.0])
def test_the_one_db_point_is_found_however_sharp_the_knee(plant, smoothness):
    planted = plant(3, pa_saturation_dbfs=-4.0, pa_smoothness=smoothness)
    point = measure(planted.agent(), planted.server, planted.signals).quantities["compression_dbfs"]
    assert point.value == pytest.approx(one_db_point(-4.0, smoothness), abs=0.3)
    assert point.uncertainty < 0.3


def test_a_linear_amplifier_has_no_one_db_point_and_that_is_no_fault(plant):
    planted = plant()
    found = measure(planted.agent(), planted.server, planted.signals)
    assert "compression_dbfs" not in found.quantities
    assert found.verdict.word == "good"
    assert "no 1 dB point" in found.verdict.reason
    assert found.quantities["linear_high_at_least_dbfs"].value == pytest.approx(TOP, abs=0.01)


def test_link_gain_is_the_mean_over_the_band_where_paths_fade(plant):
    planted = plant(5, profile="tdl_a", fading=True, delay_spread_s=3e-7)
    delays, gains = planted.bench.air.oracle_taps(1, 0, np.zeros(1))
    numerology = planted.signals.numerology
    ramps = np.exp(-2j * np.pi * np.outer(delays, numerology.subcarriers) / numerology.n_fft)
    power = np.abs(gains[0] @ ramps) ** 2
    # a tone would have read one of these: they are far from their mean
    assert np.ptp(10 * np.log10(power)) > 5
    truth = 10 * np.log10(power.mean()) + link_gain(planted)
    found = measure(planted.agent(), planted.server, planted.signals).quantities["link_gain_db"]
    # paths of up to 3 µs spread inside a block of 32 samples: 0.02 dB; the two end blocks of 256: 0.03 dB
    assert found.value == pytest.approx(truth, abs=0.1)


def test_downlink_level_and_snr_are_found(plant):
    planted = plant(2, **FAULTS)
    server, agent = planted.unit(planted.server), planted.unit(planted.agent())
    gain = server.transmit.gain_db + agent.receive.gain_db + agent.receive.error_db
    amplitude, crest = planted.signals.amplitude, planted.signals.numerology.crest_power
    level = gain + 10 * np.log10(amplitude**2 * crest)
    quantities = measure(planted.agent(), planted.server, planted.signals).quantities
    # 800 elements at 25 dB, five standard errors, and 0.02 dB for the interpolator: 5·8.7·√(1/(2·800·316)) + 0.02
    assert quantities["downlink_dbfs"].value == pytest.approx(level, abs=0.08)
    snr = gain + 20 * np.log10(amplitude) - 10 * np.log10(agent.noise_var)
    assert quantities["downlink_snr_db"].value == pytest.approx(snr, abs=0.08 + 0.24)


def test_an_agent_at_full_scale_hears_the_beacon_at_a_lower_gain(plant):
    planted = plant(gain_db=25.0, snr_db=35.0)
    quantities = measure(planted.agent(), planted.server, planted.signals).quantities
    level = 25.0 + 10 * np.log10(planted.signals.amplitude**2 * planted.signals.numerology.crest_power)
    assert level > 10
    assert quantities["downlink_dbfs"].value == pytest.approx(level, abs=0.1)


def test_a_server_that_is_heard_well_keeps_its_attenuation(plant):
    planted = plant(2, **FAULTS, tx_attenuation_db=3.0)
    quantities = measure(planted.agent(), planted.server, planted.signals).quantities
    assert quantities["heard_at_tx_attenuation_db"].value == 3.0


@pytest.mark.parametrize("attenuation", [89.75, 40.0])
def test_a_server_that_is_too_weak_rises_until_its_beacon_is_heard_well(plant, attenuation):
    planted = plant(2, **FAULTS, tx_attenuation_db=attenuation)
    quantities = measure(planted.agent(), planted.server, planted.signals).quantities
    snr = quantities["downlink_snr_db"]
    # the first of steps of at most 3 dB, and two measurements of it at five standard errors: 2.5 half widths
    assert WELL_DB - 2.5 * snr.uncertainty < snr.value < WELL_DB + STEP_DB + 2.5 * snr.uncertainty
    assert 0 < quantities["heard_at_tx_attenuation_db"].value < attenuation


@pytest.mark.parametrize("gain", [20.0, 40.0])
@pytest.mark.parametrize("attenuation", [0.0, 89.75])
def test_the_servers_beacon_rises_by_three_db_and_stops_six_db_below_full_scale(plant, gain, attenuation):
    planted = plant(2, **FAULTS, tx_attenuation_db=attenuation, snr_db=60.0)
    agent, server = Watched(planted.agent()), Watched(planted.server)
    agent.configure(Change(rx_gain_db=gain))
    measure(agent, server, planted.signals)
    steps = np.diff([-server.limits.tx_attenuation_db.high, *server.levels])
    assert steps.max() <= 3.0 + 1e-9
    assert steps[0] == 0
    assert 0.01 < max(agent.peaks) <= 0.5


def test_a_server_stays_below_its_attenuation_where_the_agent_cannot_hear_less(plant):
    planted = plant(2, snr_db=60.0)
    agent = Watched(planted.agent())
    agent.configure(Change(rx_gain_db=20.0))
    agent.limits = replace(agent.limits, rx_gain_db=Range(20.0, 60.0, 1.0))
    quantities = measure(agent, planted.server, planted.signals).quantities
    assert max(agent.peaks) <= 0.5
    # within a step of 3 dB and the 0.9 dB that are left for the next peak
    assert max(agent.peaks) > 0.5 * 10 ** (-(STEP_DB + 1.0) / 20)
    assert quantities["heard_at_tx_attenuation_db"].value > 0
    assert agent.settings.rx_gain_db == 20.0


def test_a_beacon_is_waited_for_as_long_as_its_sender_needs_to_send_it(plant):
    planted = plant()
    planted.agent().lead_time = planted.signals.search + 20_000
    silence = listen(planted.server, planted.signals)
    assert listen_for(planted.agent(), planted.server, planted.signals, silence).is_clear


def test_full_scale_in_dbm_follows_from_a_reference(plant):
    planted = plant(2, pa_saturation_dbfs=-4.0, **FAULTS)
    found = measure(planted.agent(), planted.server, planted.signals, reference_dbm=7.0)
    lost = 5 * np.log10(1 + 10 ** (4 * (TOP + 4.0) / 20))
    truth = 7.0 - (link_gain(planted) + TOP - lost)
    assert found.quantities["full_scale_dbm"].value == pytest.approx(truth, abs=0.1)


def test_a_strong_agent_is_measured_at_lower_gains_of_the_server(plant):
    planted = plant(4, gain_db=25.0, snr_db=30.0, pa_saturation_dbfs=-6.0, **FAULTS)
    truth = link_gain(planted)
    found = measure(planted.agent(), planted.server, planted.signals).quantities
    assert found["link_gain_db"].value == pytest.approx(truth, abs=0.1)
    assert found["compression_dbfs"].value == pytest.approx(one_db_point(-6.0, 2.0), abs=0.3)


def test_levels_rise_by_three_db_at_most_and_stop_six_db_below_full_scale(plant):
    planted = plant(4, gain_db=25.0, snr_db=30.0)
    agent, server = Watched(planted.agent()), Watched(planted.server)
    measure(agent, server, planted.signals)
    steps = np.diff(agent.levels)
    # the last step goes from the transmit sweep, at the server's lowest gain, to the receive sweep's level
    assert steps[steps > 0].max() <= 3.0 + 1e-9
    # 6 dB below full scale, and noise on top of it: at most 5 σ at the gain at the beginning
    noise = np.sqrt(planted.unit(planted.server).noise_var)
    assert max(server.peaks) <= 0.5 + 4 * noise


def test_settings_are_put_back(plant):
    planted = plant(gain_db=20.0)
    before = planted.agent().settings, planted.server.settings
    measure(planted.agent(), planted.server, planted.signals)
    assert (planted.agent().settings, planted.server.settings) == before
    planted.agent().mute()
    with pytest.raises(CalibrationError):
        measure(planted.agent(), planted.server, planted.signals)
    assert (planted.agent().settings, planted.server.settings) == before


def test_the_slope_of_a_true_gain_scale_is_one(plant):
    planted = plant(2, **FAULTS)
    slope = measure(planted.agent(), planted.server, planted.signals).quantities["rx_gain_slope"]
    # 2.5 times the half width of a 95 % interval is five standard deviations
    assert abs(slope.value - 1) < 2.6 * slope.uncertainty


def test_the_gain_at_which_a_converter_stops_to_matter_is_found(plant):
    bits = 8
    planted = plant(2, converter_bits=bits, gain_db=0.0, snr_db=15.0)
    found = measure(planted.agent(), planted.server, planted.signals).quantities["converter_gain_db"]
    # rounding adds step²/12 to noise σ² of a component, 0.5 dB at σ = 0.83 steps
    noise_db = 10 * np.log10(planted.unit(planted.server).noise_var)
    truth = 20 * np.log10(np.sqrt(2) * 0.83 * 2.0 ** (1 - bits)) - noise_db
    # the first of the sweep's gains above that, and 1 dB for the noise of a floor that is not quite Gaussian
    assert -1.0 < found.value - truth < STEP_DB + 1.0


def test_a_silent_agent_is_not_heard(plant):
    planted = plant()
    planted.agent().mute()
    with pytest.raises(CalibrationError, match="antennas, cables and carrier"):
        measure(planted.agent(), planted.server, planted.signals)


@pytest.mark.parametrize("bursts", [30, 60, 90])
def test_an_agent_that_leaves_in_the_middle_is_named(plant, bursts):
    planted = plant()
    with pytest.raises(CalibrationError, match="see whether the agent left") as error:
        measure(Watched(planted.agent(), leaves_after=bursts), planted.server, planted.signals)
    assert error.value.word == "unstable"


def test_an_interferer_is_refused(plant):
    planted = plant(interferer_dbfs=-20.0)
    with pytest.raises(CalibrationError, match=r"interferer at \+297 kHz.*choose another carrier") as error:
        measure(planted.agent(), planted.server, planted.signals)
    assert error.value.word == "too noisy"


def test_a_receiver_at_full_scale_is_too_strong(plant):
    planted = plant(interferer_dbfs=30.0)
    with pytest.raises(CalibrationError, match="full scale") as error:
        measure(planted.agent(), planted.server, planted.signals)
    assert error.value.word == "too strong"


def test_a_radio_that_refuses_a_setting_is_reported(plant):
    planted = plant()
    with pytest.raises(RadioError, match="attenuator does not answer"):
        measure(Watched(planted.agent(), refuses=True), planted.server, planted.signals)


def test_an_amplifier_that_bends_below_the_noise_is_too_weak(plant):
    planted = plant(3, snr_db=12.0, pa_saturation_dbfs=-25.0)
    with pytest.raises(CalibrationError, match="bends already") as error:
        measure(planted.agent(), planted.server, planted.signals)
    assert error.value.word == "too weak"
