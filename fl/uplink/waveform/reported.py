"""A channel without a sounding: what an agent hears of a beacon and reports, and what the server makes of it.

    H_up = c·H_down,   Var H_up/|H_up|² = Var H_down/|H_down|² + Var c/|c|²

Both directions count on one relation of the counters, the one at which the ratio c was measured (`Ratio`); the
strongest path of this round's beacon has no part in it.
"""

from dataclasses import dataclass

import numpy as np

from calibration.ratio import Ratio
from dsp.channel_estimation import smooth
from dsp.frame import LONG_REPEATS, SHORT_REPEATS, SOUNDING_REPEATS, beacon, training_symbol
from dsp.ofdm import from_bins
from dsp.phase_tracking import Track
from dsp.sync import USED_REPEATS, Beacon, NotDetected, acquire, measure_marker
from fl.uplink.waveform.server import Link
from fl.uplink.waveform.settings import Modem
from radio.base import OverrunError, Radio, RadioError

MARGIN = 64  # samples before and after a beacon that is where the calibration says


@dataclass(frozen=True)
class Report:
    """What an agent tells the server of a beacon, and how the server reads it.

    Args:
        channel: H_down, as the fixed relation of the counters shows it, shape (2K,).
        error_var: of `channel` on each subcarrier.
        ratio: c of the agent and the server.
    """

    channel: np.ndarray
    error_var: float
    ratio: Ratio


def hear(radio: Radio, modem: Modem, beacon_at: int, clock_samples: int) -> tuple[np.ndarray, float, Beacon]:
    """Return H_down and its error on each subcarrier, as an agent reports them, and the beacon as it was found.

    Args:
        radio: of the agent.
        modem: the waveform.
        beacon_at: index of the server at which the beacon leaves.
        clock_samples: of the agent's counter ahead of the server's (`Ratio`).

    Raises:
        NotDetected: no beacon is where the counters say.
        RadioError: it is, but not exactly, or the radio failed.
    """
    numerology = modem.numerology
    first = beacon_at + clock_samples - MARGIN
    heard = radio.receive(beacon(numerology).size + 2 * MARGIN, first)
    if heard.lost:
        raise OverrunError(f"lost {heard.lost} samples of the beacon; lower the sample rate or the load of the machine")
    try:
        found = acquire(heard.data, numerology, modem.carrier, modem.false_alarm)
    except NotDetected as error:
        raise NotDetected(f"{error}; if the radio was restarted: airmeta calibrate reciprocity") from error
    moved = found.start - MARGIN
    if abs(moved) > modem.delay_spread + 1:
        raise RadioError(
            f"its counter has moved by {moved:.1f} samples against the server's since the chain ratio was measured, "
            f"paths explain {modem.delay_spread + 1:g}; airmeta calibrate reciprocity"
        )
    place = MARGIN + SHORT_REPEATS * numerology.n_fft // 16
    long_part = heard.data[place : place + LONG_REPEATS * numerology.n_fft]
    seen = measure_marker(long_part, 0.0, 0.0, 0.0, numerology, modem.carrier)
    channel = seen.spectrum * np.conj(training_symbol(numerology)) / modem.level
    return channel, seen.noise_var / USED_REPEATS / modem.level**2, found


def silence_noise(samples: np.ndarray, modem: Modem) -> float:
    """Return σ² of an element, in units of P, from a silence of ten symbols without prefix."""
    n = modem.numerology.n_fft
    periods = samples[: SOUNDING_REPEATS * n].reshape(-1, n).astype(np.complex128)
    elements = from_bins(np.fft.fft(periods, norm="ortho"), modem.numerology)
    return float(np.mean(np.abs(elements) ** 2)) / modem.level**2


def link_of(report: Report, noise_var: float, modem: Modem, at: float, residual: Track) -> Link:
    """Return the uplink of an agent from its report.

    Args:
        report: the agent's.
        noise_var: σ² of an element at the server, in units of P.
        modem: the waveform.
        at: index of the server at which the beacon was heard.
        residual: what is known of the agent's carrier.
    """
    c = report.ratio.on(modem.numerology)
    gain = float(np.mean(np.abs(c) ** 2))
    channel, error_var, delay = smooth(
        c * report.channel, gain * report.error_var, modem.numerology, modem.delay_spread
    )
    return Link(channel, noise_var, error_var, delay, at, residual)
