"""One exchange: the imbalance of a sender's transmitter and of a hearer's receiver, with intervals.

    g·e^{jφ} = (1 − 2ρ + |ρ|²)/(1 − |ρ|²)   of a transmitter, ρ = b/a        d = δ·a
    g·e^{jφ} = (1 − κ)/(1 + κ)              of a receiver,    κ = b/a*

ρ, δ and κ are those of `calibration.iq_fit`, a and b those of `calibration.iq_correction`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from calibration.constellation import equalised, payload_wave
from calibration.exchange import Heard, Meeting, Signals, check_scale, send
from calibration.iq_fit import ORDER, Fit, fit, split, training_wave
from calibration.measurement import NORMAL_95, Quantity, no_more
from dsp.metrics import db
from radio.base import Radio

LARGEST_TONE = 0.05  # of the residual: were it to fall on a line of the training, two standard errors
MARGIN = 2  # samples by which a channel's delays may exceed the stated spread
UNITS = {
    "gain_db": "dB",
    "phase_deg": "°",
    "dc_i": "of full scale",
    "dc_q": "of full scale",
    "rejection_db": "dB",
    "leakage_dbc": "dBc",
}


@dataclass(frozen=True)
class Exchange:
    """What one exchange shows.

    Args:
        transmit: of the sender: tx_gain_db, tx_phase_deg, tx_dc_i, tx_dc_q, tx_rejection_db, and
            tx_leakage_dbc or, where none is seen, tx_leakage_at_most_dbc.
        receive: of the hearer: rx_gain_db, rx_phase_deg, rx_dc_i, rx_dc_q, rx_rejection_db.
        hearer: serial of who heard.
        snr_db: of a sample of the training, over the residual.
        motion: energy of the channel's changes during the training over that of the channel.
        tone_hz: frequency of an interferer in the residual; None: there is none.
        received: the test payload as it came, equalised, shape (symbols, 2K).
    """

    transmit: dict[str, Quantity]
    receive: dict[str, Quantity]
    hearer: str
    snr_db: float
    motion: float
    tone_hz: float | None
    received: np.ndarray


def exchange(sender: Radio, hearer: Radio, signals: Signals, meeting: Meeting) -> Exchange:
    """Return what a training and a test payload from one radio to another show.

    Args:
        sender: who sends.
        hearer: who hears.
        signals: what is sent.
        meeting: of these two, recent; their carriers differ.

    Raises:
        CalibrationError: the hearer was at full scale, or the training was not heard or changed.
        RadioError: a radio failed.
    """
    numerology = signals.numerology
    training = signals.amplitude * training_wave(numerology)
    wave = np.concatenate([training, payload_wave(numerology, signals.amplitude)])
    heard = hear(sender, hearer, wave, meeting)
    parts = split(heard.data, heard.place, meeting.offset, numerology)
    turning = 2 * np.pi * meeting.beacon.cfo / signals.sample_rate
    found = fit(parts, turning, meeting.offset, signals.delay_spread + MARGIN, numerology)
    snr = found.signal / max(found.noise_var, 1e-30)  # zero without any noise
    cfo = found.frequency / (2 * np.pi) * signals.sample_rate
    return Exchange(
        _transmit(found, signals),
        _receive(found),
        hearer.serial,
        float(db(snr)),
        found.motion,
        _tone(found.residual, signals.sample_rate),
        equalised(heard, training.size, cfo, meeting.offset, numerology),
    )


def hear(sender: Radio, hearer: Radio, wave: np.ndarray, meeting: Meeting) -> Heard:
    """Return a wave as the hearer got it, below full scale.

    Raises:
        CalibrationError: the hearer was at full scale.
        RadioError: a radio failed.
    """
    heard = send(sender, hearer, wave, meeting)
    check_scale(heard.data, round(heard.clipped * heard.data.size), hearer)
    return heard


def _transmit(found: Fit, signals: Signals) -> dict[str, Quantity]:
    """Return gain, phase, leakage and rejection of the sender, intervals by the first-order law of propagation."""
    rms = signals.amplitude * np.sqrt(signals.numerology.crest_power)

    def law(real: np.ndarray) -> np.ndarray:
        image, leakage = real.view(complex)
        turned = (1 - 2 * image + abs(image) ** 2) / (1 - abs(image) ** 2)
        dc = leakage * signals.amplitude * (1 + turned.conjugate()) / 2
        return np.array([*_polar(turned), dc.real, dc.imag, -db(abs(image) ** 2), db(abs(dc) ** 2 / rms**2)])

    quantities = _propagated(law, found.scalars[:2], found.covariance[:4, :4], "tx", tuple(UNITS))
    parts = quantities["tx_dc_i"], quantities["tx_dc_q"]
    size, doubt = (float(np.hypot(*(getattr(part, name) for part in parts))) for name in ("value", "uncertainty"))
    if size > doubt:
        return quantities
    del quantities["tx_leakage_dbc"]  # a level in dB has no interval that reaches down to nothing
    return quantities | {"tx_leakage_at_most_dbc": no_more(float(db((size + doubt) ** 2 / rms**2)), "dBc")}


def _receive(found: Fit) -> dict[str, Quantity]:
    """Return gain, phase, offset and rejection of the hearer."""

    def law(real: np.ndarray) -> np.ndarray:
        image, dc = real.view(complex)
        return np.array([*_polar((1 - image) / (1 + image)), dc.real, dc.imag, -db(abs(image) ** 2)])

    return _propagated(law, found.scalars[2:], found.covariance[4:, 4:], "rx", tuple(UNITS)[:-1])


def _polar(turned: complex) -> tuple[float, float]:
    """Return the gain in dB and the phase in degrees of g·e^{jφ}."""
    return float(db(abs(turned) ** 2)), float(np.degrees(np.angle(turned)))


def _propagated(
    law: Callable[[np.ndarray], np.ndarray],
    scalars: np.ndarray,
    covariance: np.ndarray,
    chain: str,
    names: tuple[str, ...],
) -> dict[str, Quantity]:
    real = scalars.view(np.float64)
    steps = 1e-3 * np.diag(np.sqrt(np.diag(covariance)) + 1e-12)
    slopes = np.array([(law(real + step) - law(real - step)) / (2 * step.sum()) for step in steps])
    stds = np.sqrt(np.diag(slopes.T @ covariance @ slopes))
    return {
        f"{chain}_{name}": Quantity(float(value), NORMAL_95 * float(std), UNITS[name])
        for name, value, std in zip(names, law(real), stds, strict=True)
    }


def _tone(residual: np.ndarray, sample_rate: float) -> float | None:
    """Return the frequency of the strongest line in what the model leaves, if it holds too much of that."""
    power = np.abs(np.fft.fft(residual.reshape(len(ORDER), -1) * np.hanning(residual.size // len(ORDER)))) ** 2
    share = power.sum(0) / power.sum()
    place = int(np.argmax(share))
    return float(np.fft.fftfreq(share.size, 1 / sample_rate)[place]) if share[place] > LARGEST_TONE else None
