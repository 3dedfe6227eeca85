import numpy as np
import pytest

from calibration.corrected import CorrectedRadio
from calibration.iq_correction import Imbalance
from radio.air import Air
from radio.base import FullScaleError, LateError, Samples
from radio.fading import Fading, profile
from radio.impairments import ReceiveChain, TransmitChain
from radio.loopback import LoopbackRadio
from radio.settings import Change
from radio.unit import Unit

RATE = 4e6
SENDING, HEARING = Imbalance(0.8, -4.0, 0.03 + 0.02j), Imbalance(-0.9, 3.0, 0.04j)
DELAY = 7


def radios(latency=DELAY):
    """A sender whose mixer is crooked and who is late, and a hearer whose mixer is crooked; noise nowhere."""
    units = {
        1: Unit(timing_offset=DELAY, transmit=TransmitChain(SENDING.gain_db, SENDING.phase_deg, SENDING.dc)),
        2: Unit(start=100, receive=ReceiveChain(0.0, HEARING.gain_db, HEARING.phase_deg, HEARING.dc)),
    }
    air = Air(units.__getitem__, Fading(profile("flat"), 0.0, RATE, k_factor=1e12), 2.4e9, RATE, seed=1)
    sender, hearer = LoopbackRadio(air, 1, 8), LoopbackRadio(air, 2, 8)
    return CorrectedRadio(sender, latency, SENDING, timing_uncertainty=1), CorrectedRadio(hearer, hearing=HEARING)


def burst(count=600):
    phases = np.cumsum(np.random.default_rng(0).uniform(-0.5, 0.5, count))
    return (0.9 * np.exp(1j * phases)).astype(np.complex64)


def test_a_burst_is_heard_on_time_and_without_images():
    sender, hearer = radios()
    at = sender.now() + sender.lead_time + 40
    sender.transmit(burst(), at)
    heard = hearer.receive(600, at + 100).data
    gain = np.vdot(burst(), heard) / np.vdot(burst(), burst())
    assert np.abs(heard - gain * burst())[50:-50].max() < 1e-4
    assert np.isclose(abs(gain), SENDING.scale * abs(SENDING.weights[0]), rtol=1e-3)


def test_a_radio_needs_as_much_more_time_as_its_bursts_leave_late():
    sender, _ = radios()
    assert sender.lead_time == sender.radio.lead_time + DELAY
    with pytest.raises(LateError, match=f"hand them over {sender.lead_time} samples ahead"):
        sender.transmit(burst(), sender.now() + sender.lead_time - 1)
    sender.transmit(burst(), sender.now() + sender.lead_time)
    assert radios(latency=-100)[0].lead_time == 0


def test_a_burst_beyond_full_scale_is_refused_although_predistortion_would_lower_it():
    sender, _ = radios()
    with pytest.raises(FullScaleError):
        sender.transmit(burst() / np.float32(0.89), sender.now() + sender.lead_time)


def test_what_a_receiver_says_of_its_samples_is_kept():
    class Clipping:
        """A receiver that loses and limits samples."""

        def __getattr__(self, name):
            return 0

        def receive(self, count, at):
            return Samples(np.full(count, HEARING.dc, np.complex64), at, lost=3, clipped=5)

    heard = CorrectedRadio(Clipping(), hearing=HEARING).receive(10, 77)
    assert (heard.start, heard.lost, heard.clipped) == (77, 3, 5)
    assert np.abs(heard.data).max() < 1e-7


def test_settings_and_names_are_those_of_the_radio():
    sender, _ = radios()
    after = sender.configure(Change(tx_attenuation_db=3.0, clock_trim_ppm=1.5))
    assert after == sender.settings == sender.radio.settings
    assert (after.tx_attenuation_db, after.clock_trim_ppm) == (3.0, 1.5)
    for name in ("serial", "session", "limits", "sample_rate", "timing_repeatability"):
        assert getattr(sender, name) == getattr(sender.radio, name)
    assert sender.timing_uncertainty == 1


def test_a_new_session_of_the_radio_is_one_of_the_corrected_radio():
    sender, _ = radios()
    sender.radio.session = "retuned"
    sender.configure(Change(tx_attenuation_db=1.0))
    assert sender.session == "retuned"
