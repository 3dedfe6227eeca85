"""What a radio hears while nobody sends: its noise, its own constant offset, and whether somebody else is in the band.

    S[k] = 1/R · Σ_r |Σ_m w[m]·y_r[m]·e^{−j2πkm/N}|² / Σ w²      (R segments of N samples, no overlap, Hann's window)

In white noise S[k]·R/σ² is Gamma(R), exactly: an interferer is a bin above the value that the largest of N bins exceeds
with a probability of at most `FALSE_ALARM`. σ² is compared through the median of the bins, which a tone cannot move.
The bins −1, 0, 1 hold the radio's own offset and are left out.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from calibration.exchange import Signals, check_scale, receive, settled
from calibration.measurement import CalibrationError, Quantity
from dsp.metrics import db
from radio.base import Radio

SEGMENTS = 32
FALSE_ALARM = 1e-6
SURE = 1.96  # standard deviations on each side of a 95 % interval
DECIBEL = 10 / np.log(10)  # dB of a small relative change of power
SMALLEST = 1e-20  # of a variance: a noiseless radio has one, too


@dataclass(frozen=True)
class Interferer:
    """Somebody else in the band.

    Args:
        frequency: beside the carrier, in Hz, to half a bin.
        above_db: its bin over the noise in that bin.
        level_dbfs: its power, if it is a tone.
    """

    frequency: float
    above_db: float
    level_dbfs: float


@dataclass(frozen=True)
class Silence:
    """What is heard while nobody sends.

    Args:
        noise_var: σ² of a sample.
        noise_std: standard deviation of that, relative to it.
        offset: mean of the samples.
        interferer: the strongest, if there is any.
    """

    noise_var: float
    noise_std: float
    offset: complex
    interferer: Interferer | None

    @property
    def floor(self) -> Quantity:
        """Noise floor in dBFS."""
        return Quantity(float(db(self.noise_var)), float(SURE * DECIBEL * self.noise_std), "dBFS")


def listen(hearer: Radio, signals: Signals) -> Silence:
    """Return what a radio hears while nobody sends, from `SEGMENTS` segments of N samples.

    Raises:
        CalibrationError: it is at full scale.
        RadioError: the radio failed.
    """
    n = signals.numerology.n_fft
    heard = receive(hearer, SEGMENTS * n, settled(hearer))
    check_scale(heard.data, heard.clipped, hearer)
    samples = heard.data.astype(np.complex128)
    offset = complex(samples.mean())
    spectrum = _periodogram((samples - offset).reshape(SEGMENTS, n))
    own = np.isin(np.arange(n), (0, 1, n - 1))
    middle, error = _median_noise(spectrum[~own])
    interferer = _strongest(np.where(own, 0.0, spectrum), middle, error, signals)
    if interferer is not None:
        return Silence(middle, error, offset, interferer)
    variance = float(np.sum(np.abs(samples - offset) ** 2)) / (samples.size - 1)
    return Silence(max(variance, SMALLEST), samples.size**-0.5, offset, None)


def check_quiet(silence: Silence, hearer: Radio) -> None:
    """Check that nobody else is in the band.

    Raises:
        CalibrationError: somebody is.
    """
    found = silence.interferer
    if found is not None:
        raise CalibrationError(
            f"radio {hearer.serial} hears an interferer at {found.frequency / 1e3:+.0f} kHz, {found.above_db:.0f} dB "
            f"above the noise of a subcarrier ({found.level_dbfs:.0f} dBFS), while nobody sends; choose another "
            "carrier, or switch it off",
            "too noisy",
        )


def interferer_threshold(bins: int, segments: int = SEGMENTS) -> float:
    """Return t with P(S[k] > t·σ² for any of so many bins) <= `FALSE_ALARM`: Q(R, R·t) = FALSE_ALARM/bins."""
    return float(special.gammainccinv(segments, FALSE_ALARM / bins)) / segments


def _periodogram(segments: np.ndarray) -> np.ndarray:
    """Return S[k], shape (R, N) to (N,); its mean over noise is σ²."""
    n = segments.shape[1]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return np.mean(np.abs(np.fft.fft(segments * window)) ** 2, axis=0) / np.sum(window**2)


def _median_noise(bins: np.ndarray) -> tuple[float, float]:
    """Return σ² from the median of bins, and its relative standard deviation.

    A bin has a relative variance of 1/R; the median's is π/2 of the mean's, and under Hann's window 1.94 neighbours
    count as one bin (Σ of the squared correlations of their powers: 1 + 2·(2/3)⁴ + …, rounded up to 2).
    """
    middle = float(special.gammaincinv(SEGMENTS, 0.5)) / SEGMENTS
    error = np.sqrt(np.pi / 2 * 2 / (SEGMENTS * bins.size))
    return max(float(np.median(bins)) / middle, SMALLEST), float(error)


def _strongest(spectrum: np.ndarray, noise_var: float, error: float, signals: Signals) -> Interferer | None:
    """Return the strongest bin if noise does not explain it; the threshold allows for three errors of σ²."""
    n, place = spectrum.size, int(np.argmax(spectrum))
    if noise_var <= SMALLEST or spectrum[place] <= interferer_threshold(n) * (1 + 3 * error) * noise_var:
        return None
    number = place - n if place >= n // 2 else place
    excess = float(spectrum[place]) - noise_var
    # a tone in the middle of a bin has N·(Σw)²/(N·Σw²) = N/1.5 times its power there, halfway between two 1.4 dB less
    return Interferer(
        number * signals.sample_rate / n, float(db(spectrum[place] / noise_var)), float(db(excess * 1.5 / n))
    )
