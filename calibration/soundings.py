"""A train of soundings from an agent to the server, at unequal spacings, and the channel that each of them shows.

    H_i[k] = amplitude⁻¹·X*[k]·mean_r Y_ir[k],   σ_H² = σ²/(R·amplitude²),   R = 8 periods, X of modulus 1

Carrier and clock are undone with what a beacon of the agent said, what is left of the carrier with the soundings
themselves, so that the phase common to all subcarriers is arbitrary and new in each of them. The window begins half a
period behind the prefix: paths up to N/2 samples before and N/2 + prefix samples after the beacon's are seen whole.

Delays count from the strongest path of that beacon; latencies of both radios are in it, and so do not appear. Where a
radio says that its timing jitters from burst to burst, each sounding is moved to where it is most like the first one.
"""

import math
from dataclasses import dataclass

import numpy as np

from calibration.exchange import MARGIN, Meeting, Signals, check_scale, meet, receive, soonest
from calibration.measurement import CalibrationError
from dsp.frame import SOUNDING_REPEATS, slot_prefix, sounding, training_symbol
from dsp.metrics import alignment
from dsp.ofdm import Numerology, delay_ramp, from_bins
from dsp.resample import GUARD, resample
from dsp.sync import ml_frequency
from radio.base import Radio

PERIODS = SOUNDING_REPEATS - 2
MOST, LEAST = 64, 16  # soundings of a train
GAPS = np.arange(8.0) ** 2  # how the spacings of a train differ, again after eight
CLOSEST = 1.2  # lengths of a sounding, from one to the next
SILENCE = 4096  # samples ahead of the first one, from which the receiver's offset is taken
FARTHEST = 3.0  # standard deviations of its jitter by which a sounding may be early or late
HEARD = 1.5  # of R·mean|Y|²/σ², which noise alone makes 1 within 0.2
TONE = 4.0  # times the median noise of all subcarriers: eight standard errors and more


@dataclass(frozen=True)
class Train:
    """Channels at several instants.

    Args:
        channels: H_i[k], common phases arbitrary, shape (S, 2K).
        times: in seconds from the first sounding to each, as the agent counts them, shape (S,).
        start: index of the server's counter at which the middle of the first one was heard.
        cfo: of the agent's carrier as received, in Hz.
        noise: σ² of an element on each subcarrier, shape (2K,).
        amplitude: of an element as sent.
    """

    channels: np.ndarray
    times: np.ndarray
    start: float
    cfo: float
    noise: np.ndarray
    amplitude: float

    @property
    def noise_var(self) -> float:
        """σ², the mean of all subcarriers."""
        return float(self.noise.mean())

    @property
    def error_var(self) -> float:
        """σ_H² of one channel estimate."""
        return self.noise_var / (PERIODS * self.amplitude**2)


def sound(server: Radio, agent: Radio, signals: Signals, seconds: float) -> Train:
    """Return the channels from agent to server, over a time.

    Raises:
        CalibrationError: no beacon or no sounding was heard, the agent fell silent, or the server was at full scale.
        RadioError: a radio failed.
        ValueError: the time is too short.
    """
    offsets = schedule(sounding(signals.numerology).size, round(seconds * signals.sample_rate))
    wave = (signals.amplitude * sounding(signals.numerology)).astype(np.complex64)
    meeting = meet(agent, server, signals)
    start = soonest(agent, server, meeting) + SILENCE
    for offset in offsets.tolist():
        agent.transmit(wave, start + offset)
    # the gap behind the beacon is silent: a constant that is heard there is the receiver's own
    constant = receive(server, SILENCE, math.floor(meeting.heard_at(start - MARGIN)) - SILENCE).data.mean()
    heard = (_still(server, signals, meeting, start + offset, constant) for offset in offsets.tolist())
    channels, noise = _channels(np.stack(list(heard)), signals, (server.serial, agent.serial))
    if agent.timing_repeatability:
        channels = _punctual(channels, FARTHEST * agent.timing_repeatability, signals.numerology)
    begun = meeting.heard_at(start + wave.size / 2)
    return Train(channels, offsets / signals.sample_rate, begun, meeting.beacon.cfo, noise, signals.amplitude)


def schedule(length: int, span: int) -> np.ndarray:
    """Return the first samples of soundings: gaps of a·(1 + b·{0, 1, 4, … 49}) samples, over and over.

    Args:
        length: samples of a sounding.
        span: from the first to the last one, at most.

    Raises:
        ValueError: fewer than 16 fit.
    """
    shortest = math.ceil(CLOSEST * length)
    count = min(MOST, int(span / (1.25 * shortest)))
    if count < LEAST:
        raise ValueError(
            f"seconds must hold {LEAST} soundings of {length} samples ({1.25 * shortest * LEAST} samples), got {span} "
            "samples; measure longer"
        )
    steps = np.resize(GAPS, count - 1)
    growth = (span / (count - 1) / shortest - 1) * (count - 1) / steps.sum()
    gaps = np.floor(shortest * (1 + growth * steps)).astype(int)
    return np.concatenate([[0], np.cumsum(gaps)])


def _still(server: Radio, signals: Signals, meeting: Meeting, sent: int, constant: complex) -> np.ndarray:
    """Return Y_r[k] of one sounding, carrier and clock of the beacon undone, shape (R, 2K)."""
    numerology, skipped = signals.numerology, slot_prefix(signals.numerology) + signals.numerology.n_fft // 2
    count, rate = PERIODS * numerology.n_fft, 1 + meeting.offset
    begin = meeting.heard_at(sent + skipped)
    first = math.floor(begin) - GUARD
    heard = receive(server, count + 2 * GUARD + 2, first)
    check_scale(heard.data, heard.clipped, server)
    turn = np.mod(meeting.beacon.cfo / numerology.sample_rate * np.arange(heard.data.size), 1.0)
    still = (heard.data - constant) * np.exp(-2j * np.pi * turn)
    if meeting.offset or begin != first + GUARD:
        still = resample(still[None], np.array([1 / rate]), np.array([begin - first]), count)[0]
    else:
        still = still[GUARD:][:count]
    return from_bins(np.fft.fft(still.reshape(PERIODS, -1), norm="ortho"), numerology)


def _channels(spectra: np.ndarray, signals: Signals, serials: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Return H_i of Y_ir, shape (S, R, 2K), what was left of the carrier undone, and σ² of each subcarrier."""
    numerology = signals.numerology
    periods = np.arange(PERIODS) - (PERIODS - 1) / 2
    left = np.array([ml_frequency(each, 0.0, numerology.n_fft, numerology.sample_rate) for each in spectra])
    cycles = np.multiply.outer(left * numerology.n_fft / numerology.sample_rate, periods)
    spectra = spectra * np.exp(-2j * np.pi * cycles)[..., None]
    mean = spectra.mean(1)
    # one degree of freedom a sounding goes into the frequency, far from that of a subcarrier
    noise = (np.abs(spectra - mean[:, None]) ** 2).sum((0, 1)) / (len(spectra) * (PERIODS - 1))
    _check_heard(PERIODS * (np.abs(mean) ** 2).mean(-1) / max(float(np.median(noise)), 1e-30), serials)
    back = delay_ramp(numerology, numerology.n_fft / 2) * np.conj(training_symbol(numerology)) / signals.amplitude
    return mean * back, noise


def _punctual(channels: np.ndarray, farthest: float, numerology: Numerology) -> np.ndarray:
    """Return channels moved in time to where they are most like the first, each by a few samples at most."""
    first = channels[0]
    found = [alignment(each, first, numerology.subcarriers, numerology.n_fft).delay_samples for each in channels]
    return channels * delay_ramp(numerology, -np.clip(found, -farthest, farthest))


def _check_heard(strength: np.ndarray, serials: tuple[str, str]) -> None:
    """Check that soundings were heard to the end.

    Raises:
        CalibrationError: none was, or the last ones were not.
    """
    heard = np.flatnonzero(strength > HEARD)
    if heard.size == 0:
        raise CalibrationError(
            f"radio {serials[0]} heard a beacon of {serials[1]}, but none of {strength.size} soundings (strongest "
            f"{strength.max():.2f} times noise, limit {HEARD}); raise the receiver's gain or lower the sender's "
            "attenuation"
        )
    last = int(heard[-1]) + 1
    if strength.size - last >= max(3, strength.size // 10):
        raise CalibrationError(
            f"radio {serials[1]} fell silent: {last} of {strength.size} soundings were heard by {serials[0]}, none "
            "after; look at its power and its cable, start its stream again, and calibrate again",
            "unstable",
        )


def interferer(train: Train, signals: Signals) -> float | None:
    """Return the frequency in Hz, beside the server's carrier, of noise that stands out; None: none does."""
    worst = int(np.argmax(train.noise))
    if train.noise[worst] <= TONE * float(np.median(train.noise)):
        return None
    return float(train.cfo + signals.numerology.subcarriers[worst] * signals.sample_rate / signals.numerology.n_fft)
