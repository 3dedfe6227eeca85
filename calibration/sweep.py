"""One agent's level at the server, read from a chirp of constant envelope, and the way up to where it is heard.

    x[n] = a·e^{jφ[n]},  frequency from −K/N to K/N cycles a sample over `COUNT` samples
    z_b = mean over block b of (y − d)·x*/|x|²·e^{−j2πfn/fs} ≈ H(f_b)        (blocks of 32 samples; d, f: offset, CFO)
    P = mean_b |z_b|² − s,   s = σ²/(32·a²),   var P = (2·P·s + s²)/B

An amplifier sees its amplitude only, and the power is the mean over the band: a single tone would take a fade of its
own for the link. Paths 6 samples apart lose 0.005 dB inside a block.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from calibration.exchange import Meeting, Signals, check_scale, meet, portion, queueing, receive, send
from calibration.measurement import CalibrationError
from calibration.spectrum import Silence
from dsp.frame import beacon
from dsp.ofdm import Numerology
from radio.base import Radio
from radio.settings import Change, Range

COUNT, BLOCK = 8192, 32
AMPLITUDE = 0.95
STEP_DB = 3.0
SPAN = 512  # samples whose power is looked at
LOUD = 0.02  # power of a beacon that may not rise much, whatever the noise: its peaks are 10 dB below full scale
CLEAR = 10.0  # σ²: power of a beacon that is certainly heard
PRECISE = 4e-5  # relative variance of a level that needs no second burst
MOST_BURSTS = 16
LEAST_SURE = 5.0  # standard deviations of a level that is one
HIGHEST_PEAK = 0.5  # 6 dB below full scale


@dataclass(frozen=True)
class Link:
    """An agent that the server hears.

    Args:
        agent: who sends.
        server: who hears.
        signals: what is sent.
        meeting: of these two.
    """

    agent: Radio
    server: Radio
    signals: Signals
    meeting: Meeting


@dataclass(frozen=True)
class Reading:
    """A level.

    Args:
        power: P, received over digital power, mean over the band.
        variance: of that.
        peak: largest envelope of the signal in a block, and the noise's rms on top of it.
    """

    power: float
    variance: float
    peak: float


@dataclass(frozen=True)
class Burst:
    """A beacon that was listened for.

    Args:
        is_clear: whether anything came that was 10 dB above noise, or strong anyway.
        peak: largest envelope while it was listened for, noise included.
    """

    is_clear: bool
    peak: float


@contextmanager
def kept(radio: Radio) -> Iterator[None]:
    """Put a radio's gain and attenuation back afterwards, whatever happens."""
    before = radio.settings
    try:
        yield
    finally:
        radio.configure(Change(tx_attenuation_db=before.tx_attenuation_db, rx_gain_db=before.rx_gain_db))


def chirp(numerology: Numerology) -> np.ndarray:
    """Return the samples of a chirp through the occupied band, shape (COUNT,), of constant amplitude."""
    n, edge = np.arange(COUNT), numerology.half_width / numerology.n_fft
    return AMPLITUDE * np.exp(2j * np.pi * edge * (n**2 / COUNT - n))


def rising(limits: Range, start: float, end: float, step: float) -> list[float]:
    """Return attenuations from `start` down to `end`, at most a step apart, each of them possible, none twice."""
    count = int(np.ceil(max(start - end, 0.0) / step - 1e-9)) + 1
    wanted = [limits.nearest(value) for value in np.linspace(start, end, count)]
    return [value for place, value in enumerate(wanted) if value not in wanted[:place]]


def approach(agent: Radio, server: Radio, signals: Signals, silence: Silence) -> Meeting:
    """Return where two counters meet: the agent's level rises from its lowest until its beacon is clear of noise.

    The agent's attenuation stays where that was.

    Raises:
        CalibrationError: it is not heard at its largest level, or the server is at full scale at its least.
        RadioError: a radio failed.
    """
    limits = agent.limits.tx_attenuation_db
    wave = beacon(signals.numerology)
    loud = replace(signals, amplitude=AMPLITUDE / float(np.abs(wave).max()))
    for attenuation in rising(limits, limits.high, limits.low, STEP_DB):
        agent.configure(Change(tx_attenuation_db=attenuation))
        if attenuation > limits.low and not listen_for(agent, server, loud, silence).is_clear:
            continue
        try:
            return meet(agent, server, loud)
        except CalibrationError as error:
            # somebody else's burst may have been taken for the agent's: its level may still rise
            if error.word == "too strong" or attenuation <= limits.low:
                raise
    raise CalibrationError(
        f"radio {server.serial} does not hear {agent.serial}, attenuation {limits.low:g} dB; look at antennas, cables "
        "and carrier"
    )


def listen_for(sender: Radio, hearer: Radio, signals: Signals, silence: Silence) -> Burst:
    """Return what comes of a beacon within `search` samples of when it may leave.

    Args:
        sender: of the beacon.
        hearer: who listens.
        signals: what is sent.
        silence: of the hearer, at its present gain.

    Raises:
        RadioError: a radio failed.
    """
    wave = (signals.amplitude * beacon(signals.numerology)).astype(np.complex64)
    begun, chunk = hearer.now(), portion(hearer)
    soonest = sender.lead_time + queueing(sender)
    sender.transmit(wave, sender.now() + soonest)
    first, end = begun + sender.lead_time // 2, begun + soonest + signals.search
    is_clear, peak = False, 0.0
    while first < end or is_clear:
        data = receive(hearer, chunk, first).data
        peak = max(peak, float(np.abs(data).max()))
        if is_clear:  # the rest of a beacon may have come in the chunk after the one that made it clear
            break
        heard = np.abs(data[: data.size // SPAN * SPAN] - silence.offset) ** 2
        power = float(heard.reshape(-1, SPAN).mean(1).max())
        is_clear = power > CLEAR * silence.noise_var or power > max(LOUD, 2 * silence.noise_var)
        first += chunk
    return Burst(is_clear, peak)


def gauge(link: Link, silence: Silence) -> Reading:
    """Return the level at which the server hears the agent, from as many bursts as it needs, 16 at most.

    Args:
        link: of the two.
        silence: of the server, at its present gain.

    Raises:
        CalibrationError: the server is at full scale, or the agent is not heard.
        RadioError: a radio failed.
    """
    wave, readings = chirp(link.signals.numerology), list[Reading]()
    while len(readings) < MOST_BURSTS:
        readings.append(_read(link, silence, wave))
        power = float(np.mean([reading.power for reading in readings]))
        variance = float(np.mean([reading.variance for reading in readings])) / len(readings)
        if variance < PRECISE * power**2:
            break
    if power < LEAST_SURE * np.sqrt(variance):
        raise CalibrationError(
            f"radio {link.server.serial} heard {link.agent.serial} at first, and no longer at an attenuation of "
            f"{link.agent.settings.tx_attenuation_db:g} dB; see whether the agent left, was muted, or its stream "
            "stopped, and calibrate it again",
            "unstable",
        )
    return Reading(power, variance, max(reading.peak for reading in readings))


def _read(link: Link, silence: Silence, wave: np.ndarray) -> Reading:
    heard = send(link.agent, link.server, wave, link.meeting)
    check_scale(heard.data, round(heard.clipped * heard.data.size), link.server)
    first = round(heard.place)
    samples = heard.data[first : first + COUNT] - silence.offset
    cfo = link.meeting.offset * link.signals.carrier
    still = samples * np.exp(-2j * np.pi * cfo / link.signals.sample_rate * np.arange(COUNT))
    # the first and the last block are not filled where the strongest path is not the first one
    channel = (still * np.conj(wave) / AMPLITUDE**2).reshape(-1, BLOCK).mean(1)[1:-1]
    noise = silence.noise_var / (BLOCK * AMPLITUDE**2)
    power = float(np.mean(np.abs(channel) ** 2)) - noise
    variance = (2 * max(power, 0.0) * noise + noise**2) / channel.size
    peak = AMPLITUDE * float(np.abs(channel).max()) + float(np.sqrt(silence.noise_var))
    return Reading(power, variance, peak)
