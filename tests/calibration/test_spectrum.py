"""The silence check: noise, offset, interferers."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from calibration import spectrum
from calibration.measurement import CalibrationError
from calibration.spectrum import check_quiet, interferer_threshold, listen
from radio.base import Samples
from tests.calibration.conftest import covered

COUNT = spectrum.SEGMENTS * 256


@dataclass
class Noise:
    """A receiver that hears white noise of variance 1e-4."""

    rng: np.random.Generator
    serial: str = "noise"
    lead_time: int = 0

    def now(self):
        return 0

    def receive(self, count, at):
        parts = self.rng.standard_normal((2, count))
        return Samples(np.sqrt(0.5e-4) * (parts[0] + 1j * parts[1]).astype(np.complex64), at)


def test_threshold_is_where_the_tail_of_a_gamma_distribution_has_the_false_alarm_of_one_bin():
    bins, segments = 256, 32
    tail = stats.gamma(segments, scale=1 / segments).sf(interferer_threshold(bins, segments))
    assert tail == pytest.approx(spectrum.FALSE_ALARM / bins, rel=1e-6)


def test_false_alarms_are_as_rare_as_promised(plant, monkeypatch):
    monkeypatch.setattr(spectrum, "FALSE_ALARM", 0.2)
    radio, signals = Noise(np.random.default_rng(1)), plant().signals
    alarms = sum(listen(radio, signals).interferer is not None for _ in range(400))
    # at most 0.2, five standard errors of a binomial above: 80 + 5·√(400·0.16); and not never: it would find nothing
    assert 0 < alarms < 80 + 40


def test_the_noise_floor_is_found(plant):
    errors, widths = [], []
    for seed in range(10):
        planted = plant(seed, level_error_db=3.0)
        floor = listen(planted.server, planted.signals).floor
        errors.append(floor.value - 10 * np.log10(planted.unit(planted.server).noise_var))
        widths.append(floor.uncertainty)
    # five standard errors of a mean power of 8192 samples: 5·4.34/√8192
    assert np.abs(errors).max() < 0.24
    assert covered(np.array(errors), np.array(widths), 10)


def test_what_others_have_sent_before_is_not_listened_to(plant):
    """Buffers of a lead time may be on their way: somebody still sends in them who has been silenced since."""

    class Late(Noise):
        def receive(self, count, at):
            samples = super().receive(count, at)
            samples.data[: max(self.lead_time - at, 0)] *= 10
            return samples

    silence = listen(Late(np.random.default_rng(1), lead_time=5000), plant().signals)
    # five standard errors of a mean power of 8192 samples
    assert silence.floor.value == pytest.approx(-40.0, abs=0.24)


def test_a_tone_does_not_move_the_noise_floor(plant):
    planted = plant(interferer_dbfs=-10.0)
    silence = listen(planted.server, planted.signals)
    # tone 27 dB above the noise; the median of 253 bins is good to 5·4.34·0.02 dB, leakage adds less
    assert silence.floor.value == pytest.approx(10 * np.log10(planted.unit(planted.server).noise_var), abs=0.5)


@pytest.mark.parametrize("frequency", [312.5e3, -1.0e6, 320e3])
def test_an_interferer_is_named_with_its_frequency_and_level(plant, frequency):
    planted = plant(interferer_dbfs=-30.0, interferer_hz=frequency)
    found = listen(planted.server, planted.signals).interferer
    width = planted.signals.sample_rate / 256
    assert abs(found.frequency - frequency) <= width / 2
    # -30 dBFS at the antenna, gain -15 dB, up to 1.4 dB less between two bins; noise of the bin, five errors: 0.6 dB
    assert -45 - 1.5 - 0.6 < found.level_dbfs < -45 + 0.6
    with pytest.raises(CalibrationError, match="choose another carrier") as error:
        check_quiet(listen(planted.server, planted.signals), planted.server)
    assert error.value.word == "too noisy"
    assert f"{found.frequency / 1e3:+.0f} kHz" in str(error.value)


def test_a_tone_below_the_noise_is_found_and_one_far_below_is_not(plant):
    def heard(level):
        planted = plant(interferer_dbfs=level + 15.0)
        return listen(planted.server, planted.signals).interferer

    floor = 10 * np.log10(plant().unit(plant().server).noise_var)
    # a bin holds 256/1.5 = 22.3 dB more of a tone; the threshold is 3.6 dB, and ten errors of the bin's mean are 4 dB
    assert heard(floor - 12) is not None
    assert heard(floor - 35) is None


def test_a_radios_own_offset_is_no_interferer(plant):
    planted = plant(dc_offset_db=-25.0)
    silence = listen(planted.server, planted.signals)
    assert silence.interferer is None
    # five standard errors of a mean of 8192 samples
    error = 5 * np.sqrt(planted.unit(planted.server).noise_var / COUNT)
    assert abs(silence.offset - planted.unit(planted.server).receive.dc) < error


def test_an_offset_that_drifts_is_no_interferer(plant):
    @dataclass
    class Drifting(Noise):
        def receive(self, count, at):
            heard = super().receive(count, at)
            return Samples(heard.data + np.linspace(-0.02, 0.02, count).astype(np.complex64), at)

    # a ramp of twice the noise's amplitude over 32 segments is a constant in each of them, 20 dB above its bin
    assert listen(Drifting(np.random.default_rng(2)), plant().signals).interferer is None


def test_full_scale_without_a_sender_is_too_strong(plant):
    planted = plant(interferer_dbfs=20.0)
    with pytest.raises(CalibrationError, match=r"is at full scale.*lower its gain") as error:
        listen(planted.server, planted.signals)
    assert error.value.word == "too strong"
