import numpy as np
import pytest

from calibration.exchange import MARGIN, check_scale, meet, queueing, receive, send
from calibration.measurement import CalibrationError
from calibration.timing import path_delay
from dsp.frame import marker
from dsp.sync import measure_marker
from radio.base import LateError, OverrunError, Samples
from radio.settings import Change


def started(planted, radio, start):
    """Let a radio's counter begin at an index."""
    air, about = planted.bench.air, planted.unit(radio)
    air.replace(radio.unit, type(about)(**{**vars(about), "start": float(start)}))


def test_counters_may_start_anywhere(plant):
    for seed, (there, here) in enumerate([(0, 0), (10**9, 0), (0, 10**9), (123_456_789, 5_000)]):
        planted = plant(seed, offset_ppm=20.0)
        server, agent = planted.server, planted.agent()
        started(planted, server, there)
        started(planted, agent, here)
        meeting = meet(server, agent, planted.signals)
        sent = float(planted.unit(server).time(meeting.sender))
        # the timing of a beacon at 25 dB has a standard deviation of 1e-3 samples
        assert meeting.hearer == pytest.approx(planted.unit(agent).index(sent), abs=0.02)


def test_offset_is_the_rate_of_the_sender_over_that_of_the_hearer(plant):
    for seed in range(5):
        planted = plant(seed, offset_ppm=20.0)
        server, agent = planted.server, planted.agent()
        ratio = planted.unit(server).rate / planted.unit(agent).rate
        # 3.1 Hz of 2.4 GHz is the standard deviation of a beacon at 25 dB, 1.3e-9
        assert meet(server, agent, planted.signals).offset == pytest.approx(ratio - 1, abs=7e-9)
        assert meet(agent, server, planted.signals).offset == pytest.approx(1 / ratio - 1, abs=7e-9)


def test_there_and_back_is_the_same_index(plant):
    planted = plant(offset_ppm=20.0)
    meeting = meet(planted.server, planted.agent(), planted.signals)
    for index in (0.0, 12_345.5, 4e6):
        assert meeting.sent_at(meeting.heard_at(index)) == pytest.approx(index, abs=1e-6)


@pytest.mark.parametrize("later", [None, 400_000])
def test_a_wave_is_found_where_it_is_expected(plant, later):
    for seed in range(5):
        planted = plant(seed, offset_ppm=20.0, timing_offset=10.0)
        signals, server, agent = planted.signals, planted.server, planted.agent()
        meeting = meet(server, agent, signals)
        wave = signals.amplitude * marker(signals.numerology)
        heard = send(server, agent, wave, meeting, later and meeting.sender + later)
        whole, cfo = int(heard.place), meeting.beacon.cfo
        samples = heard.data[whole : whole + wave.size]
        seen = measure_marker(samples, heard.place - whole, cfo, 0.0, signals.numerology, signals.carrier)
        late = path_delay(
            seen.spectrum * np.conj(np.fft.fft(wave[:256])[signals.numerology.subcarriers]), signals.numerology
        )
        # five times 1.3e-9 of 400,000 samples, and the beacon's own timing
        assert abs(late) < 0.02
        assert heard.clipped == 0


def test_a_sender_at_its_largest_attenuation_is_given_as_the_cause_of_silence(plant):
    planted = plant()
    agent = planted.agent()
    agent.configure(Change(tx_attenuation_db=agent.limits.tx_attenuation_db.high))
    agent.mute()
    with pytest.raises(CalibrationError, match=r"heard no beacon .* largest attenuation, .* dB: measure levels"):
        meet(agent, planted.server, planted.signals)


def test_silence_names_both_radios_and_the_remedy(plant):
    planted = plant()
    planted.agent().mute()
    with pytest.raises(CalibrationError, match=r"heard no beacon of .* raise the receiver's gain") as caught:
        meet(planted.agent(), planted.server, planted.signals)
    assert planted.server.serial in str(caught.value)
    assert planted.agent().serial in str(caught.value)
    assert caught.value.word == "too weak"


def test_a_beacon_below_the_noise_is_too_weak(plant):
    planted = plant(snr_db=-15.0)
    with pytest.raises(CalibrationError) as caught:
        meet(planted.agent(), planted.server, planted.signals)
    assert caught.value.word == "too weak"


def test_a_tone_in_the_band_is_named_with_its_frequency(plant):
    planted = plant(interferer_dbfs=0.0, interferer_hz=3e5)
    with pytest.raises(CalibrationError, match=r"tone at \+300 kHz.*move the carrier") as caught:
        meet(planted.agent(), planted.server, planted.signals)
    assert caught.value.word == "too noisy"


def test_a_constant_offset_is_no_tone(plant):
    planted = plant(dc_offset_db=-20.0)
    planted.agent().mute()
    with pytest.raises(CalibrationError, match="no beacon of") as caught:
        meet(planted.agent(), planted.server, planted.signals)
    assert caught.value.word == "too weak"


@pytest.mark.parametrize("bits", [None, 12])
def test_full_scale_asks_for_less_gain(plant, bits):
    planted = plant(converter_bits=bits)
    planted.server.configure(Change(rx_gain_db=25.0))
    with pytest.raises(CalibrationError, match=r"full scale.*lower its gain") as caught:
        meet(planted.agent(), planted.server, planted.signals)
    assert caught.value.word == "too strong"


def test_full_scale_is_remembered_until_the_search_ends(plant):
    planted = plant(gain_db=20.0)
    planted.agent().mute()
    loud = np.exp(2j * np.pi * np.random.default_rng(1).random(1000))
    planted.agent(1).transmit(loud.astype(np.complex64), planted.agent(1).now() + 500)
    with pytest.raises(CalibrationError) as caught:
        meet(planted.agent(), planted.server, planted.signals)
    assert caught.value.word == "too strong"


def test_one_limited_sample_in_a_thousand_is_let_pass(plant):
    radio = plant().server
    data = np.full(2000, 0.1 + 0.1j, np.complex64)
    data[:2] = 1.0
    check_scale(data, 0, radio)
    data[2] = 0.99j
    with pytest.raises(CalibrationError):
        check_scale(data, 0, radio)
    with pytest.raises(CalibrationError):
        check_scale(data[10:], 3, radio)


def test_lost_samples_are_an_overrun(plant):
    class Leaky:
        serial = "leaky"

        def receive(self, count, at):
            return Samples(np.zeros(count, np.complex64), at, lost=7)

    with pytest.raises(OverrunError, match="lost 7 of 100 samples"):
        receive(Leaky(), 100, 0)


class Slow:
    """A radio that must be told long before, and whose owner loses time between now() and transmit()."""

    def __init__(self, radio, lead=0, lost=0):
        self.radio, self.lead_time, self.lost = radio, radio.lead_time + lead, lost

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def transmit(self, samples, at):
        self.radio.receive(1, self.radio.now() + self.lost)
        if at < self.radio.now() + self.lead_time:
            raise LateError("too late")
        self.radio.transmit(samples, at)


@pytest.mark.parametrize("lead", [80_000, 200_000])
def test_a_beacon_is_waited_for_from_when_it_can_come(plant, lead):
    """A search of 80,000 samples lasts as long as a lead time of 80,000: it must begin behind it."""
    planted = plant(offset_ppm=20.0)
    slow = Slow(planted.agent(), lead)
    meeting = meet(slow, planted.server, planted.signals)
    assert meeting.sender >= lead
    heard = send(slow, planted.server, np.full(100, 0.1), meeting)
    assert heard.sent >= meeting.sender + lead


def test_a_burst_may_take_its_time_from_now_to_being_handed_over(plant):
    """4 ms of the 5 that are kept for it, 16,000 samples at 4 MS/s, on either side."""
    planted = plant(offset_ppm=20.0)
    for sender, hearer in ((planted.agent(), planted.server), (planted.server, planted.agent())):
        slow = Slow(sender, lost=16_000)
        meeting = meet(slow, hearer, planted.signals)
        send(slow, hearer, np.full(100, 0.1), meeting)
        assert queueing(slow) == 20_000 + MARGIN
        with pytest.raises(LateError):
            meet(Slow(sender, lost=21_000), hearer, planted.signals)
