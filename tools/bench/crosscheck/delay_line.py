"""A tapped delay line, TDL-A of TR 38.901: power over delay and correlation over frequency.

GNU Radio's `selective_fading_model` interpolates delays by a sinc cut off at the ends of its filter, so its paths begin
16 taps after the first, and compared is what lies within ±0.4 of the sample rate.
"""

import numpy as np
from scipy.signal.windows import hann

from radio.air import Air
from radio.fading import Fading, profile
from radio.unit import Unit
from tools.bench.crosscheck.effort import CARRIER, SAMPLE_RATE, Effort
from tools.bench.crosscheck.verdict import Statistic, both

DELAY_SPREAD = 2.0  # samples
RESPONSE, BEFORE = 128, 16  # samples of an impulse response, and of it before the first path
FILTER = 64  # taps of GNU Radio's
WAVES = 8  # of GNU Radio's taps, which stand still
BINS = np.arange(-51, 52)  # of RESPONSE: ±0.4 of the sample rate
STEPS = np.arange(4, 52, 4)  # bins
PLACES = np.arange(0, 13, 2)  # samples of delay


def tapped_delay_line(effort: Effort) -> list[Statistic]:
    """Compare the impulse responses of links that stand still, one link a segment."""
    law = Fading(profile("tdl_a"), DELAY_SPREAD / SAMPLE_RATE, SAMPLE_RATE)
    delays, powers = law.delays, law.profile.powers
    unit = Unit()
    air = Air(lambda _: unit, law, CARRIER, SAMPLE_RATE, effort.seed)
    ours = np.stack([_response(air, number) for number in range(effort.segments)])
    pulse = np.zeros(RESPONSE)
    pulse[0] = 1
    theirs = effort.gnuradio.run(
        "selective", pulse, seeds=effort.seeds, waves=WAVES, delays=(delays * effort.wrong + BEFORE).tolist(),
        magnitudes=np.sqrt(powers).tolist(), length=FILTER,
    )  # fmt: skip
    sides = both(_transfer, (ours, theirs))
    spread = np.abs(_back(PLACES[:, None] - delays).sum(-1)) ** 2
    apart = STEPS / RESPONSE
    correlation = np.exp(2j * np.pi * np.multiply.outer(apart, delays)) @ powers
    across, name = both(_across, sides), "TDL-A, correlation over frequency"
    return [
        Statistic("TDL-A, power over delay", PLACES * 1.0, "samples", both(_over_delay, sides), spread @ powers),
        Statistic(f"{name}, real", apart, "Δf/f_s", both(np.real, across), correlation.real),
        Statistic(f"{name}, imaginary", apart, "Δf/f_s", both(np.imag, across), correlation.imag),
    ]


def _response(air: Air, number: int) -> np.ndarray:
    """Return what the receiver hears of a pulse over a link of its own, from BEFORE samples before it on."""
    at = 4096 * (number + 1)
    # In the middle of its burst: nothing is heard before a burst begins, nor the ringing before the first path.
    pulse = np.zeros(2 * RESPONSE, np.complex64)
    pulse[RESPONSE] = 1
    air.transmit(number + 1, pulse, at - RESPONSE)
    return air.receive(0, RESPONSE, at - BEFORE)[0]


def _transfer(responses: np.ndarray) -> np.ndarray:
    """Return H at BINS, the delay of BEFORE taken out, shape (S, bins)."""
    turn = np.exp(2j * np.pi * BINS * BEFORE / RESPONSE)
    return np.asarray(np.fft.fft(responses.astype(complex))[:, BINS] * turn)


def _back(delay: np.ndarray) -> np.ndarray:
    """Return w(f)·e^{j2πfτ} at BINS, w a Hann window of sum 1, shape (..., bins)."""
    window = hann(BINS.size + 2)[1:-1]
    return np.asarray(np.exp(2j * np.pi * np.multiply.outer(delay, BINS) / RESPONSE) * window / window.sum())


def _over_delay(transfer: np.ndarray) -> np.ndarray:
    """Return |h|² at PLACES, as a Hann window over the band shows it, shape (S, places)."""
    return np.asarray(np.abs(transfer @ _back(PLACES).T) ** 2)


def _across(transfer: np.ndarray) -> np.ndarray:
    """Return the mean of H*(f + Δf)·H(f) over the band, shape (S, steps)."""
    return np.stack([(transfer[:, step:].conj() * transfer[:, :-step]).mean(1) for step in STEPS], axis=-1)
