"""How two radios hear each other in a calibration: where their counters meet, and one wave from one to the other.

Nothing is assumed of the two: their counters start anywhere, their oscillators differ by up to the pull-in of a beacon
(±8·fs/N in Hz), a burst leaves later than asked by a delay that nobody knows.
"""

from dataclasses import dataclass

import numpy as np

from calibration.measurement import CalibrationError
from dsp.frame import beacon
from dsp.metrics import db
from dsp.ofdm import Numerology
from dsp.sync import Beacon, NotDetected, acquire
from radio.base import OverrunError, Radio

CHUNK = 4096
MARGIN = 256  # samples before and after what is expected
QUEUEING = 5e-3  # s, beyond its lead time, that a radio is given between now() and a burst being handed over
FULL_SCALE = 0.98  # of a component's range: a converter without a limit of its own is taken to have this one
MOST_CLIPPED = 1e-3
TONE_SHARE = 0.3  # of the power heard; five of thousands of bins hold as much only if a tone is there


@dataclass(frozen=True)
class Signals:
    """What calibration sends.

    Args:
        numerology: the OFDM grid of the waveform that is to be calibrated for.
        carrier: in Hz.
        amplitude: of a resource element at power P, relative to full scale.
        delay_spread: delays of a channel that are allowed for, in samples.
        search: samples for which an unknown radio is listened for, from the first at which its beacon can come.
        false_alarm: probability of finding a beacon in noise.
        round_span_s: from the last sounding to the end of the payload of a round, in seconds.
        turnaround_s: the part of that which waveform.turnaround_s sets, in seconds.
        for_rounds: whether rounds are sent with this waveform, so that advice about it is of use.
    """

    numerology: Numerology
    carrier: float
    amplitude: float
    delay_spread: float
    search: int = 80_000
    false_alarm: float = 1e-6
    round_span_s: float = 0.05
    turnaround_s: float = 0.05
    for_rounds: bool = True

    @property
    def sample_rate(self) -> float:
        """In Hz."""
        return self.numerology.sample_rate


@dataclass(frozen=True)
class Meeting:
    """How the counters of a sender and a hearer run beside each other, from one beacon.

    Args:
        sender: index at which the beacon was handed over for.
        hearer: index at which it was heard: latency and the strongest path are in it.
        offset: sender's clock rate over the hearer's, less 1.
        beacon: as it was found.
        noise_var: σ² of a sample at the hearer, measured in the beacon.
    """

    sender: int
    hearer: float
    offset: float
    beacon: Beacon
    noise_var: float

    def heard_at(self, sender: float) -> float:
        """Return the hearer's index at which something is heard that was sent at an index of the sender."""
        return self.hearer + (sender - self.sender) / (1 + self.offset)

    def sent_at(self, hearer: float) -> float:
        """Return the sender's index for which something was handed over that is heard at an index of the hearer."""
        return self.sender + (hearer - self.hearer) * (1 + self.offset)


@dataclass(frozen=True)
class Heard:
    """A wave as it arrived.

    Args:
        data: samples, complex64.
        first: index, of the hearer's counter, of the first one.
        place: where in `data` the first sample of the wave is expected, fractional.
        sent: index, of the sender's counter, at which it was handed over for.
        clipped: share of the samples at the limit of the converter.
    """

    data: np.ndarray
    first: int
    place: float
    sent: int
    clipped: float


def queueing(radio: Radio) -> int:
    """Return the samples of a radio that pass while a burst is handed over: `QUEUEING` at its rate, and `MARGIN`.

    A burst is meant to leave at now() + lead_time + queueing: on hardware the clock runs on from now() to transmit(),
    by a whole buffer at a time, of which lead times hold four and more.
    """
    return round(QUEUEING * radio.sample_rate) + MARGIN + radio.lead_time // 4


def settled(hearer: Radio) -> int:
    """Return the index from which on nothing is heard that others have sent before this call.

    Whole buffers may be on their way to a hearer: fewer than a lead time holds, or its transmitter would have run dry.
    """
    return hearer.now() + hearer.lead_time


def portion(hearer: Radio) -> int:
    """Return how many samples to ask for at a time while a burst is waited for: a buffer or two, at least `CHUNK`."""
    return max(CHUNK, hearer.lead_time // 4)


def meet(sender: Radio, hearer: Radio, signals: Signals) -> Meeting:
    """Return where two counters meet: one beacon, listened for until it comes.

    Raises:
        CalibrationError: no beacon came within `search` samples of when it was due, or the hearer was at full scale.
        RadioError: a radio failed.
    """
    numerology = signals.numerology
    wave = (signals.amplitude * beacon(numerology)).astype(np.complex64)
    ahead = sender.lead_time + queueing(sender)
    at, begun, chunk = sender.now() + ahead, hearer.now(), portion(hearer)
    sender.transmit(wave, at)
    first, end = begun + sender.lead_time // 2, begun + ahead + signals.search
    heard = np.zeros(0, np.complex64)
    loudest = Span(heard, 0)
    reason = ""
    while first + heard.size < end:
        samples = receive(hearer, chunk, first + heard.size)
        # the beacon may be at full scale in a chunk that is no longer kept when the search ends
        loudest = max(loudest, samples, key=_loudness)
        heard = np.concatenate([heard, samples.data])
        if heard.size < wave.size:
            continue
        try:
            found = acquire(heard, numerology, signals.carrier, signals.false_alarm)
        except NotDetected as error:
            reason = str(error)
            kept = heard[-(wave.size + chunk) :]
            first += heard.size - kept.size
            heard = kept
            continue
        check_scale(loudest.data, loudest.clipped, hearer)
        return Meeting(at, first + found.start, found.cfo / signals.carrier, found, found.reference.noise_var)
    check_scale(loudest.data, loudest.clipped, hearer)
    _check_tone(heard, signals.sample_rate, hearer)
    raise CalibrationError(
        f"radio {hearer.serial} heard no beacon of {sender.serial} in {signals.search} samples ({reason}); "
        f"{_advice(sender)}"
    )


def _advice(sender: Radio) -> str:
    """Return what to do if a sender is not heard."""
    set_to, most = sender.settings.tx_attenuation_db, sender.limits.tx_attenuation_db
    if most.low < most.high <= set_to:
        return f"the sender has its largest attenuation, {set_to:g} dB: measure levels first, or set tx_attenuation_db"
    return "look at antennas, cables and carrier, raise the receiver's gain or lower the sender's attenuation"


def send(sender: Radio, hearer: Radio, wave: np.ndarray, meeting: Meeting, at: int | None = None) -> Heard:
    """Return a wave as the hearer got it, with `MARGIN` samples before and after.

    Args:
        sender: who sends.
        hearer: who hears.
        wave: samples within full scale, shape (count,).
        meeting: of these two, recent: an error of 0.1 ppm moves a wave by a sample in 2.5 s at 4 MS/s.
        at: index of the sender to send from; None: as soon as possible.

    Raises:
        RadioError: a radio failed, or samples were lost.
    """
    burst = wave.astype(np.complex64)
    at = soonest(sender, hearer, meeting) if at is None else at
    sender.transmit(burst, at)
    expected = meeting.heard_at(at)
    first = int(np.floor(expected)) - MARGIN
    samples = receive(hearer, wave.size + 2 * MARGIN, first)
    return Heard(samples.data, first, expected - first, at, samples.clipped / samples.data.size)


def soonest(sender: Radio, hearer: Radio, meeting: Meeting) -> int:
    """Return the sender's index from which a burst can be sent that is handed over next, and heard from its start."""
    first = max(sender.now() + sender.lead_time, int(np.ceil(meeting.sent_at(hearer.now() + MARGIN))))
    return first + queueing(sender)


@dataclass(frozen=True)
class Span:
    """Samples and how many of them were limited."""

    data: np.ndarray
    clipped: int


def receive(hearer: Radio, count: int, at: int) -> Span:
    """Return samples, none of them lost.

    Raises:
        OverrunError: some are missing.
        RadioError: the radio failed.
    """
    samples = hearer.receive(count, at)
    if samples.lost:
        raise OverrunError(
            f"radio {hearer.serial} lost {samples.lost} of {count} samples; lower the sample rate or the load of the "
            "machine, and calibrate again"
        )
    return Span(samples.data, samples.clipped)


def check_scale(data: np.ndarray, clipped: int, hearer: Radio) -> None:
    """Check that samples are below full scale.

    Raises:
        CalibrationError: more than one in a thousand is at it.
    """
    beyond = int((np.maximum(np.abs(data.real), np.abs(data.imag)) >= FULL_SCALE).sum())
    share = max(clipped, beyond) / max(data.size, 1)
    if share > MOST_CLIPPED:
        largest = float(db(float(np.max(np.abs(data))) ** 2))
        raise CalibrationError(
            f"radio {hearer.serial} is at full scale in {100 * share:.2g} % of its samples (largest {largest:.1f} "
            "dBFS); lower its gain or raise the sender's attenuation",
            "too strong",
        )


def _loudness(span: Span) -> tuple[int, float]:
    """Return what says how near to full scale samples are: those that were limited, then the largest."""
    parts = np.ascontiguousarray(span.data).view(np.float32)
    return span.clipped, float(np.max(np.abs(parts), initial=0.0))


def _check_tone(data: np.ndarray, sample_rate: float, hearer: Radio) -> None:
    """Check that no tone holds most of what was heard, a constant offset of the converter apart.

    Raises:
        CalibrationError: one does.
    """
    power = np.abs(np.fft.fft((data - data.mean()) * np.hanning(data.size))) ** 2
    place = int(np.argmax(power))
    # a Hann window spreads a tone over four bins
    share = float(power[np.arange(place - 2, place + 3) % data.size].sum() / max(power.sum(), 1e-30))
    if share > TONE_SHARE:
        frequency = np.fft.fftfreq(data.size, 1 / sample_rate)[place]
        level = float(db(max(share * float(np.mean(np.abs(data) ** 2)), 1e-30)))
        raise CalibrationError(
            f"radio {hearer.serial} heard no beacon but a tone at {frequency / 1e3:+.0f} kHz of its carrier "
            f"({level:.0f} dBFS, {100 * share:.0f} % of what it hears); find what sends there, or move the carrier",
            "too noisy",
        )
