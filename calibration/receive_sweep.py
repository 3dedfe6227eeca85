"""Receive sweep: the server's gain rises in steps of at most 3 dB over a constant signal, up to 6 dB below full scale.

Noise from ahead of the converter rises with the gain, the converter's own does not: referred to the antenna, noise is
constant from that gain on at which the converter stops to matter.
"""

from dataclasses import dataclass

import numpy as np

from calibration.measurement import Quantity
from calibration.spectrum import DECIBEL, SURE, listen
from calibration.sweep import AMPLITUDE, HIGHEST_PEAK, STEP_DB, Link, gauge
from dsp.metrics import db
from radio.settings import Change

SPAN_DB = 30.0  # of gains
QUIET_DB = 0.5  # by which noise at the antenna may differ from that at the highest gains
FEWEST = 3  # gains that say what noise at the antenna is


@dataclass(frozen=True)
class ReceiveSweep:
    """Level and noise over gain.

    Args:
        gain: as the radio counts it, in dB, rising, shape (G,).
        level: rms of the signal in dBFS.
        level_std: standard deviation of that in dB.
        noise: σ² in dBFS.
        noise_std: standard deviation of that in dB.
    """

    gain: np.ndarray
    level: np.ndarray
    level_std: np.ndarray
    noise: np.ndarray
    noise_std: np.ndarray

    @property
    def slope(self) -> Quantity | None:
        """Real dB in one dB of the radio's scale; None if there is one gain only."""
        if self.gain.size < 2:
            return None
        weight = 1 / self.level_std**2
        centred = self.gain - np.average(self.gain, weights=weight)
        spread = float(np.sum(weight * centred**2))
        slope = float(np.sum(weight * centred * self.level)) / spread
        left = self.level - np.average(self.level, weights=weight) - slope * centred
        scatter = np.sqrt(float(np.sum(weight * left**2)) / max(self.gain.size - 2, 1))
        return Quantity(slope, float(SURE * max(scatter, 1.0) / np.sqrt(spread)), "dB/dB")

    @property
    def converter_gain(self) -> float:
        """Lowest gain from which on the converter's noise does not matter; −inf: it never does, inf: it always does."""
        at_antenna = self.noise - self.level
        spread = SURE * np.hypot(self.noise_std, self.level_std)
        top = at_antenna[-FEWEST:]
        if self.gain.size < FEWEST or np.ptp(top) > QUIET_DB + 2 * spread[-FEWEST:].max():
            return np.inf
        differs = np.flatnonzero(np.abs(at_antenna - top.mean()) > QUIET_DB + spread)
        if not differs.size:
            return -np.inf
        return float(self.gain[differs[-1] + 1]) if differs[-1] + 1 < self.gain.size else np.inf


def receive_sweep(link: Link, peak: float) -> ReceiveSweep:
    """Return level and noise of the server over its gain, the agent's level staying as it is.

    Args:
        link: of the two.
        peak: of a reading at the server's present gain.

    Raises:
        CalibrationError: the server is at full scale, or the agent fell silent.
        RadioError: a radio failed.
    """
    rows = list[tuple[float, ...]]()
    limits, present = link.server.limits.rx_gain_db, link.server.settings.rx_gain_db
    highest = present + 20 * np.log10(HIGHEST_PEAK / peak)
    gain = limits.nearest(max(highest - SPAN_DB, limits.low))
    while True:
        link.server.configure(Change(rx_gain_db=gain))
        silence = listen(link.server, link.signals)
        reading = gauge(link, silence)
        level = float(db(AMPLITUDE**2 * reading.power))
        level_std = DECIBEL * float(np.sqrt(reading.variance)) / reading.power
        rows.append((gain, level, level_std, float(db(silence.noise_var)), DECIBEL * silence.noise_std))
        following = limits.nearest(min(gain + STEP_DB, limits.high))
        if following <= gain or reading.peak * 10 ** ((following - gain) / 20) > HIGHEST_PEAK:
            return ReceiveSweep(*np.array(rows).T)
        gain = following
