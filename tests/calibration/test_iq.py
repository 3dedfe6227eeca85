from dataclasses import replace

import numpy as np
import pytest

from calibration import iq
from calibration.iq_fit import fit, split, training, training_wave
from calibration.measurement import CalibrationError
from dsp.ofdm import Numerology
from radio.impairments import image_rejection_db
from radio.settings import Change, Range, SettingError
from tests.calibration.conftest import CARRIER, covered

PLANTED = {"iq_gain_db": 1.0, "iq_phase_deg": 5.0, "dc_offset_db": -25.0}
APART = {"offset_ppm": 10.0}  # carriers; seed 1 leaves less than 1 kHz of it


def truth(planted, sender, hearer):
    """What was planted in a transmitter and in a receiver, under the names of the quantities."""
    pairs = (("tx", planted.unit(sender).transmit), ("rx", planted.unit(hearer).receive))
    values = {}
    for chain, about in pairs:
        values |= {f"{chain}_gain_db": about.iq_gain_db, f"{chain}_phase_deg": about.iq_phase_deg}
        values |= {f"{chain}_dc_i": about.dc.real, f"{chain}_dc_q": about.dc.imag}
    return values


def errors(planted, sender, hearer):
    """Errors and uncertainties of one exchange, by quantity."""
    found = iq.measure(sender, hearer, planted.signals)
    quantities = found.transmit | found.receive
    return {
        name: (quantities[name].value - value, quantities[name].uncertainty)
        for name, value in truth(planted, sender, hearer).items()
    }


def faults(seed, **more):
    """Imbalances of any size up to the largest that is planted."""
    gain, phase = np.random.default_rng([seed, 7]).uniform(-1, 1, 2)
    return PLANTED | {"iq_gain_db": gain, "iq_phase_deg": 5 * phase} | more


class Deaf:
    """A radio that falls silent after a number of bursts."""

    def __init__(self, radio, bursts):
        self.radio, self.left = radio, bursts

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        if self.left > 0:
            self.radio.transmit(samples, at)
        self.left -= 1


@pytest.mark.parametrize(
    ("snr_db", "link"),
    [(20.0, {"offset_ppm": 25.0}), (25.0, {"offset_ppm": 25.0, "profile": "tdl_a", "dc_offset_db": -30.0})],
)
def test_imbalance_is_found_to_a_tenth_of_a_decibel_and_half_a_degree(plant, snr_db, link):
    """At 20 dB and without fading, standard errors are 0.017 dB and 0.11°: √(2σ²/MP) with M = 16,384, P 1 dB below 20.

    The clocks of seeds 0 to 9 differ by 0.9 to 48 ppm, the carriers by 2 to 114 kHz; the deepest fade is 11 dB in the
    mean over the band. Errors are also within five standard errors, as an interval of 95 % says them.
    """
    for seed in range(10):
        planted = plant(seed, snr_db, **faults(seed, **link))
        for name, (error, uncertainty) in errors(planted, planted.agent(), planted.server).items():
            if name.endswith("gain_db"):
                assert abs(error) < 0.1
            elif name.endswith("phase_deg"):
                assert abs(error) < 0.5
            assert abs(error) < 5 / 1.96 * uncertainty


@pytest.mark.slow
@pytest.mark.parametrize("link", [{"offset_ppm": 25.0}, {"offset_ppm": 25.0, "profile": "tdl_a"}, {"offset_ppm": 1.0}])
def test_a_hundred_intervals_hold_what_was_planted(plant, link):
    """The claim of 0.1 dB and 0.5° is for measurements that call themselves good.

    An offset below fading signals stays 10 dB below the mean of the signal, so that beacons are found at any carrier.
    """
    seen = {}
    for seed in range(100):
        planted = plant(seed, 20.0, **faults(seed, dc_offset_db=-37.0 if "profile" in link else -25.0, **link))
        for name, (error, uncertainty) in errors(planted, planted.agent(), planted.server).items():
            seen.setdefault(name, []).append((error, uncertainty))
            limit = iq.WIDEST.get(name[3:], np.inf)
            # a good one's uncertainty may be as large as the limit: then one in twenty is beyond it
            assert abs(error) < max(limit, 2 * uncertainty)
    for values in seen.values():
        found, uncertainty = np.transpose(values)
        assert covered(found, uncertainty, 100)
        # unbiased, in units of the standard error; five of them over ten
        assert abs(np.mean(found / uncertainty * 1.96)) < 0.5


def test_leakage_that_is_not_seen_is_a_bound(plant):
    planted = plant(3, **(PLANTED | {"dc_offset_db": None}), **APART)
    found = iq.measure(planted.agent(), planted.server, planted.signals)
    assert "tx_leakage_dbc" not in found.transmit
    bound = found.transmit["tx_leakage_at_most_dbc"]
    assert -70 < bound.value < -35
    assert (bound.uncertainty, bound.unit) == (0.0, "dBc")


def test_rejection_and_leakage_are_those_of_the_planted_mixer(plant):
    """Five standard errors."""
    planted = plant(3, **PLANTED, **APART)
    agent, signals = planted.agent(), planted.signals
    found = iq.measure(agent, planted.server, signals)
    transmit, receive = planted.unit(agent).transmit, planted.unit(planted.server).receive
    power = signals.amplitude**2 * signals.numerology.crest_power
    expected = {
        "tx_rejection_db": image_rejection_db(transmit.iq_gain_db, transmit.iq_phase_deg),
        "rx_rejection_db": image_rejection_db(receive.iq_gain_db, receive.iq_phase_deg),
        "tx_leakage_dbc": 10 * np.log10(abs(transmit.dc) ** 2 / power),
    }
    for name, value in expected.items():
        quantity = (found.transmit | found.receive)[name]
        assert abs(quantity.value - value) < 5 / 1.96 * quantity.uncertainty
        assert quantity.uncertainty < 1


def test_a_channel_that_moves_a_little_is_the_same_for_both_signs(plant):
    """10 Hz over 4 ms turn a path by 14°; with the signs one after the other, errors reached 0.2 dB and 0.6°."""
    for seed in range(4):
        planted = plant(seed, profile="tdl_a", fading=True, doppler_hz=10.0, **faults(seed, **APART))
        for name, (error, _) in errors(planted, planted.agent(), planted.server).items():
            assert abs(error) < iq.WIDEST.get(name[3:], 0.01)


def test_an_exact_model_is_fitted_exactly():
    """The law of the training itself, for a clock 50 ppm off and two paths, without any radio."""
    numerology = Numerology()
    n, offset, omega = numerology.n_fft, 5e-5, 2 * np.pi * 0.03
    k = np.arange(-numerology.half_width, numerology.half_width + 1)
    response = 0.3j * np.exp(-2j * np.pi * k * 0.4 / n) - 0.2 * np.exp(-2j * np.pi * k * 5.3 / n)
    rho, delta, kappa, d = 0.05 - 0.04j, 0.1 + 0.05j, -0.06 + 0.03j, 0.01j
    parts = split(np.zeros(17_000), 20.3, offset, numerology)
    heard = []
    for part, sign in zip(parts, (0, 1, 1, 0), strict=True):
        at = np.arange(part.samples.size)
        sent = training(numerology)[sign]
        lines = response * (sent + rho * np.conj(sent[::-1]) + delta * np.sqrt(n) * (k == 0)) / np.sqrt(n)
        u = part.phase + (1 + offset) * at
        v = sum(line * np.exp(2j * np.pi * number * u / n) for number, line in zip(k, lines, strict=True))
        v *= np.exp(1j * omega * (part.first + at))
        heard.append(replace(part, samples=v + kappa * np.conj(v) + d))
    found = fit(heard, omega + 1e-5, offset, 8.0, numerology)
    assert np.allclose(found.scalars, [rho, delta, kappa, d], atol=1e-5)
    assert np.isclose(found.frequency, omega, atol=1e-8)
    # modes of less than −60 dB of the strongest are left out
    assert 10 * np.log10(found.noise_var / found.signal) < -70
    assert found.motion < 1e-6


def test_the_training_is_as_strong_as_a_payload_and_has_little_crest():
    numerology = Numerology()
    power = np.abs(training_wave(numerology)) ** 2
    assert np.isclose(power.mean(), numerology.crest_power, rtol=0.01)
    assert power.max() / power.mean() < 10 ** (3 / 10)


def test_equal_carriers_are_told_apart_by_tuning_aside_which_is_put_back(plant):
    planted = plant(2, **PLANTED)
    agent, server = planted.agent(), planted.server
    before = agent.configure(Change(clock_trim_ppm=0.1)), server.settings
    for name, (error, _) in errors(planted, agent, server).items():
        assert abs(error) < iq.WIDEST.get(name[3:], 0.001)
    assert (agent.settings, server.settings) == before
    with pytest.raises(CalibrationError):
        iq.measure(Deaf(agent, 1), server, planted.signals)
    assert (agent.settings, server.settings) == before


FIXED = {"clock_trim_ppm": Range(0.0, 0.0), "lo_offset_hz": Range(0.0, 0.0)}


@pytest.mark.parametrize("fixed", [(), ("lo_offset_hz",)])
def test_the_hearer_is_detuned_if_the_sender_cannot_be_and_nobody_if_neither_can(plant, fixed):
    """Mixers are tuned; where they cannot be, oscillators are trimmed."""
    planted = plant(2, **PLANTED)
    agent, server = planted.agent(), planted.server
    agent.limits, before = replace(agent.limits, **FIXED), server.settings
    server.limits = replace(server.limits, **{name: FIXED[name] for name in fixed})
    assert all(abs(error) < 0.5 for error, _ in errors(planted, agent, server).values())
    assert server.settings == before
    server.limits = agent.limits
    with pytest.raises(CalibrationError, match=r"coincide.*tune them to carriers at least 10 kHz apart") as refused:
        iq.measure(agent, server, planted.signals)
    assert refused.value.word == "too noisy"


@pytest.mark.parametrize("ppm", [0.0, 10.0])
def test_both_radios_are_measured_and_both_corrections_leave_the_noise(plant, ppm):
    """At 25 dB without fading an error of −25 dB is noise.

    What predistortion costs (up to 1.3 dB) is made good, taps take up 0.4 dB, gains of branches another, and a payload
    of 2,400 elements has a standard error of 0.09 dB: −26.0 to −25.4 dB, and some more for what is left of the images.
    Before, offset and images are as strong as the signal.
    """
    planted = plant(3, offset_ppm=ppm, **PLANTED)
    agent, server = planted.agent(), planted.server
    measured = iq.imbalances_of(server, agent, planted.signals)
    for radio, found in zip((agent, server), measured, strict=True):
        assert (found.kind, found.serial, found.partner, found.verdict.word) == ("iq", radio.serial, None, "good")
        for name, value in truth(planted, radio, radio).items():
            quantity = found.quantities[name]
            assert abs(quantity.value - value) < min(5 / 1.96 * quantity.uncertainty, iq.WIDEST.get(name[3:], 0.001))
        assert found.curves["received"].shape == found.curves["corrected"].shape == (12, 200)
        assert -26.4 < found.curves["evm_after_db"] < -25.2
        assert found.curves["evm_before_db"] > -14
        assert found.curves["evm_after_db"].shape == ()


def test_a_measurement_says_what_corrects_its_radio(plant):
    planted = plant(3, **PLANTED, **APART)
    found, _ = iq.imbalances_of(planted.server, planted.agent(), planted.signals)
    sending, hearing = iq.imbalances(found.quantities)
    unit = planted.unit(planted.agent())
    for imbalance, chain in ((sending, unit.transmit), (hearing, unit.receive)):
        assert np.isclose(imbalance.gain_db, chain.iq_gain_db, atol=0.1)
        assert np.isclose(imbalance.phase_deg, chain.iq_phase_deg, atol=0.5)
        assert np.isclose(imbalance.dc, chain.dc, atol=1e-3)
    with pytest.raises(CalibrationError, match="must hold rx_dc_q; calibrate iq again"):
        iq.imbalances({name: value for name, value in found.quantities.items() if name != "rx_dc_q"})


def test_what_noise_hides_is_called_too_noisy(plant):
    planted = plant(3, 7.0, **APART)
    found, _ = iq.imbalances_of(planted.server, planted.agent(), planted.signals)
    assert found.verdict.word == "too noisy"
    assert "limit 0.5" in found.verdict.reason
    assert "lower the sender's attenuation while it has any" in found.verdict.reason


def test_an_interferer_is_named_with_its_frequency(plant):
    """A bin is 1 kHz wide."""
    planted = plant(3, interferer_dbfs=-35.0, interferer_hz=3e5, **APART)
    _, found = iq.imbalances_of(planted.server, planted.agent(), planted.signals)
    assert found.verdict.word == "too noisy"
    assert "a tone +300.8 kHz" in found.verdict.reason or "a tone +299.8 kHz" in found.verdict.reason
    assert "remove it, or choose another carrier" in found.verdict.reason


def test_a_signal_at_full_scale_is_refused(plant):
    planted = plant(3, gain_db=20.0, **APART)
    with pytest.raises(CalibrationError, match="lower its gain or raise the sender's attenuation") as refused:
        iq.measure(planted.agent(), planted.server, planted.signals)
    assert refused.value.word == "too strong"


def test_no_signal_and_a_sender_that_leaves_are_refused(plant):
    planted = plant(3, **APART)
    with pytest.raises(CalibrationError, match=r"training behind it is only .* dB above noise") as refused:
        iq.measure(Deaf(planted.agent(), 1), planted.server, planted.signals)
    assert refused.value.word == "too weak"
    with pytest.raises(CalibrationError, match="heard no beacon"):
        iq.measure(Deaf(planted.agent(), 0), planted.server, planted.signals)


@pytest.mark.parametrize("leaves", ["agent", "server"])
def test_a_sender_that_leaves_before_its_check_payload_is_missed(plant, leaves):
    """Bursts of each: a beacon, training and payload; again a beacon, and the check payload, which does not come."""
    planted = plant(3, **PLANTED, **APART)
    radios = {"server": planted.server, "agent": planted.agent()}
    radios[leaves] = Deaf(radios[leaves], 3)
    with pytest.raises(CalibrationError, match=r"the check payload was not heard: radio .* still sends") as refused:
        iq.imbalances_of(radios["server"], radios["agent"], planted.signals)
    assert refused.value.word == "too weak"


def test_a_check_payload_that_is_worse_than_before_is_refused(plant):
    """The level falls by 20 dB behind the training."""
    planted = plant(3, **APART)

    class Falls(Deaf):
        def transmit(self, samples, at):
            self.left -= 1
            self.radio.transmit(samples * np.float32(1.0 if self.left > 0 else 0.1), at)

    with pytest.raises(CalibrationError, match=r"not heard as well as before.* keep antennas, levels") as refused:
        iq.imbalances_of(planted.server, Falls(planted.agent(), 4), planted.signals)
    assert refused.value.word == "unstable"


def test_a_channel_that_changes_is_called_unstable(plant):
    """20 Hz of Doppler are 2.5 m/s at 2.4 GHz, a wave of the hand: a check payload may fall into a fade.

    With 100 Hz the training shows it, or no fixed channel fits at all.
    """
    planted = plant(1, profile="tdl_a", fading=True, doppler_hz=20.0, **APART)
    with pytest.raises(CalibrationError, match="not heard as well as before") as refused:
        iq.imbalances_of(planted.server, planted.agent(), planted.signals)
    assert refused.value.word == "unstable"
    planted = plant(3, profile="tdl_a", fading=True, doppler_hz=100.0, **APART)
    found, _ = iq.imbalances_of(planted.server, planted.agent(), planted.signals)
    assert found.verdict.word == "unstable"
    assert "keep antennas, people and settings still" in found.verdict.reason
    planted = plant(1, profile="tdl_a", fading=True, doppler_hz=100.0, **APART)
    with pytest.raises(CalibrationError, match="keep antennas and settings still") as refused:
        iq.measure(planted.agent(), planted.server, planted.signals)
    assert refused.value.word == "unstable"


def test_tracking_is_set_where_a_radio_has_it_and_stays_with_a_warning(plant):
    planted = plant(3, **APART)
    agent, server = planted.agent(), planted.server
    agent.limits = replace(agent.limits, has_tracking=True)
    found, other = iq.imbalances_of(server, agent, planted.signals, tracking=True)
    assert agent.settings.quadrature_tracking is True
    assert found.verdict.word == "good"
    assert "what was measured is what it leaves" in found.verdict.reason
    assert "maximum drive" in found.verdict.reason
    assert "near-equal carriers" in iq.TRACKING_WARNING
    assert other.verdict.reason == ""
    found, _ = iq.imbalances_of(server, agent, planted.signals, tracking=False)
    assert agent.settings.quadrature_tracking is False
    assert found.verdict.reason == ""


def test_tracking_is_refused_where_no_radio_has_it(plant):
    planted = plant(3, **APART)
    with pytest.raises(SettingError, match="do not track their quadrature; leave the setting out"):
        iq.imbalances_of(planted.server, planted.agent(), planted.signals, tracking=True)


def test_a_carrier_offset_of_zero_is_what_seeds_without_offset_have(plant):
    """Guards the tests above: without `offset_ppm` the carriers of a bench are equal."""
    planted = plant(2)
    assert planted.unit(planted.agent()).offset_ppm == planted.unit(planted.server).offset_ppm == 0
    assert planted.signals.carrier == CARRIER
