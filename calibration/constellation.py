"""A known QPSK payload from one radio to another: what calibration did to it can be seen, and measured."""

import numpy as np

from calibration.exchange import Heard
from dsp.metrics import evm_db
from dsp.ofdm import Numerology, demodulate, modulate
from dsp.resample import resample

SYMBOLS = 12
SEED = 2024


def payload(numerology: Numerology) -> np.ndarray:
    """Return the elements that are sent, modulus 1, the same every time, shape (SYMBOLS, 2K)."""
    quarter = np.random.default_rng(SEED).integers(4, size=(SYMBOLS, numerology.n_subcarriers))
    return np.exp(0.5j * np.pi * (quarter + 0.5))


def payload_wave(numerology: Numerology, amplitude: float) -> np.ndarray:
    """Return the samples of the payload, its elements of some amplitude or as strong as full scale allows."""
    wave = modulate(payload(numerology), numerology)
    return min(amplitude, 1 / float(np.abs(wave).max())) * wave


def equalised(heard: Heard, begin: int, cfo: float, offset: float, numerology: Numerology) -> np.ndarray:
    """Return the payload as received, turned back and divided by one tap a subcarrier, shape (SYMBOLS, 2K).

    Taps, and one phase a symbol, are those that explain the payload best: they take up 1/SYMBOLS of the error.

    Args:
        heard: what was sent, as it arrived.
        begin: sample of it, as sent, at which the payload begins.
        cfo: frequency of the received carrier in Hz.
        offset: sender's clock rate over the hearer's, less 1.
        numerology: the grid's numbers.
    """
    still = heard.data * np.exp(-2j * np.pi * cfo / numerology.sample_rate * np.arange(heard.data.size))
    rate = 1 / (1 + offset)
    first = np.array([heard.place + begin * rate])
    count = SYMBOLS * numerology.symbol_length
    grid = demodulate(resample(still[None], np.array([rate]), first, count)[0], numerology)
    sent = payload(numerology)
    channel = (grid[0] * np.conj(sent[0]))[None]
    for _ in range(2):
        phase = np.angle(np.sum(np.conj(channel * sent) * grid, axis=1, keepdims=True))
        channel = (grid * np.exp(-1j * phase) * np.conj(sent)).mean(0, keepdims=True)
    return grid * np.exp(-1j * phase) / channel


def error_db(received: np.ndarray, numerology: Numerology) -> np.ndarray:
    """Return the error vector magnitude of an equalised payload in dB, shape ()."""
    return np.array(evm_db(received, payload(numerology)))
