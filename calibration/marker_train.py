"""Markers that one radio sends and another follows: the phase of a carrier over a second or more.

The first are 1 to 8 ms apart, the others 20 ms. From one to the next the carrier turns by a phase that is measured
modulo 2π; what is known so far says which turn is meant:

    known from          up to      error of the frequency times spacing
    a beacon            1 ms       0.06 cycles at 0 dB
    k markers           3 … 20 ms  below 0.05 cycles, for linewidths up to 1 Hz
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calibration.exchange import Meeting, Signals, check_scale, receive, soonest
from calibration.measurement import CalibrationError
from calibration.timing import path_delay
from dsp.frame import marker
from dsp.ofdm import delay_ramp
from dsp.sync import USED_REPEATS, Reference, measure_marker, phase_change
from radio.base import Radio

SPACING = 0.02  # seconds
RAMP = 0.0, 1e-3, 3e-3, 8e-3
EDGE = 16  # samples on each side of a marker
LEAST_SNR = 0.1  # of an element; noise alone reaches 0.09 at five standard errors


@dataclass(frozen=True)
class Captures:
    """Markers as samples.

    Args:
        samples: of each marker, shape (K, 5·N).
        firsts: index, of the hearer's counter, of the first sample of each, shape (K,).
        fractions: where in its samples each is expected to begin, shape (K,).
    """

    samples: np.ndarray
    firsts: np.ndarray
    fractions: np.ndarray


@dataclass(frozen=True)
class Train:
    """Markers as the radio heard them.

    Args:
        snr: of an element of each, shape (K,).
        changes: of phase from each to the next in (−π, π], with the carrier of `cfo` undone, shape (K − 1,).
        noise: covariance of these from the receiver's noise, in rad², shape (K − 1, K − 1).
        slips: samples by which each comes later than the one before, beside what `cfo` says, shape (K − 1,).
        instants: whole sample of the radio's counter to which each phase belongs, less the first, shape (K,).
        cfo: in Hz.
    """

    snr: np.ndarray
    changes: np.ndarray
    noise: np.ndarray
    slips: np.ndarray
    instants: np.ndarray
    cfo: float


def listen(sender: Radio, hearer: Radio, signals: Signals, meeting: Meeting, seconds: float) -> Captures:
    """Return markers over a time, sent and heard.

    Raises:
        CalibrationError: the hearer was at full scale.
        RadioError: a radio failed.
    """
    regular = SPACING * np.arange(1, round(seconds / SPACING) + 1)
    offsets = [round(time * signals.sample_rate) for time in (*RAMP, *regular)]
    wave = (signals.amplitude * marker(signals.numerology)).astype(np.complex64)
    start = soonest(sender, hearer, meeting)
    for offset in offsets:  # all of them now: none comes too late, however long listening takes
        sender.transmit(wave, start + offset)
    captures: list[np.ndarray] = []
    firsts: list[int] = []
    fractions: list[float] = []
    for offset in offsets:
        expected = meeting.heard_at(start + offset)
        first = int(np.floor(expected))
        heard = receive(hearer, wave.size + 2 * EDGE, first - EDGE)
        check_scale(heard.data, heard.clipped, hearer)
        # the converter's offset is no part of the marker, whose carrier is unused
        captures.append((heard.data - heard.data.mean())[EDGE:-EDGE])
        firsts.append(first)
        fractions.append(expected - first)
    return Captures(np.array(captures), np.array(firsts, np.int64), np.array(fractions))


def follow(captures: Captures, cfo: float, signals: Signals) -> Train:
    """Return the markers with a carrier undone."""
    numerology, instants = signals.numerology, captures.firsts - captures.firsts[0]
    references = [
        measure_marker(samples, fraction, cfo, float(instant), numerology, signals.carrier)
        for samples, fraction, instant in zip(captures.samples, captures.fractions, instants, strict=True)
    ]
    noise = np.array([one.noise_var for one in references])
    power = np.array([np.mean(np.abs(one.spectrum) ** 2) for one in references])
    slips, changes = [], []
    for before, after in pairwise(references):
        # a burst that left a sample late has the same carrier: without its delay undone, ±K would turn apart
        slip = path_delay(after.spectrum * np.conj(before.spectrum), numerology)
        aligned = Reference(after.spectrum * np.conj(delay_ramp(numerology, slip)), after.noise_var)
        slips.append(slip)
        changes.append(phase_change(before, aligned)[0])
    snr = (power - noise / USED_REPEATS) / np.maximum(noise, np.finfo(float).tiny)
    covariance = _covariance(snr * USED_REPEATS, numerology.n_subcarriers)
    return Train(snr, np.array(changes), covariance, np.array(slips), instants, cfo)


def _covariance(snr: np.ndarray, subcarriers: int) -> np.ndarray:
    """Return the covariance of changes of phase between spectra with noise, shape (K − 1, K − 1).

    The phase of a spectrum has 1/(2·snr·2K), which the changes before and after it share with opposite signs. The
    product of the noise of two spectra adds 1/(2·snr²·2K) to one change alone: what it adds, accumulates.

    Args:
        snr: of an element of each spectrum, shape (K,).
        subcarriers: 2K.
    """
    single = 1 / (2 * subcarriers * np.maximum(snr, LEAST_SNR))
    changes = np.diff(np.eye(snr.size), axis=0)
    return changes * single @ changes.T + np.diag(2 * subcarriers * single[:-1] * single[1:])


def check(train: Train, sender: Radio, hearer: Radio, signals: Signals) -> None:
    """Check that carrier and clock say the same, and that every marker was heard.

    Raises:
        CalibrationError: not so.
    """
    pull_in = 8 * signals.sample_rate / signals.numerology.n_fft
    # a carrier taken for the one 2·pull_in beside it makes the clock wrong by as much
    early = len(RAMP)
    wrong = 2 * pull_in / signals.carrier * float(train.instants[early])
    slipped = float(np.sum(train.slips[:early]))
    lost = np.flatnonzero(train.snr < LEAST_SNR)
    if abs(slipped) > wrong / 2 and (train.snr[: early + 1] >= LEAST_SNR).all():
        raise CalibrationError(
            f"markers of {sender.serial} move by {slipped:.1f} samples in {SPACING:g} s beside what their carrier "
            f"at {train.cfo / 1e3:.0f} kHz says: the two are further apart than ±{pull_in / 1e3:.0f} kHz "
            f"(±{1e6 * pull_in / signals.carrier:.0f} ppm), and the carrier was mistaken; trim one of the clocks, or "
            "use a lower carrier or wider subcarriers",
            "unstable",
        )
    if lost.size:
        raise CalibrationError(
            f"radio {hearer.serial} lost marker {lost[0] + 1} of {train.snr.size} of {sender.serial}; look whether "
            "that still runs and nothing came between them, and measure again"
        )


def unwrapped(train: Train, signals: Signals) -> np.ndarray:
    """Return the increments of phase beside that of `cfo`, turned by whole turns to where they are expected."""
    times = train.instants / signals.sample_rate
    total, increments = 0.0, np.zeros(train.changes.size)
    for number, (change, step) in enumerate(zip(train.changes, np.diff(times), strict=True)):
        expected = total / times[number] * step if number else 0.0
        increments[number] = change + 2 * np.pi * np.rint((expected - change) / (2 * np.pi))
        total += increments[number]
    return increments
