"""Finding a beacon: is it there, when did it begin, and by how much do the carriers differ.

    detection   the short part repeats itself (`dsp.detection`)
    pull-in     the ML frequency (below) of the short part's repeats: ±8·fs/N
    check       five periods of our chirp follow, none before them, as strong as the short part was: the onset of any
                signal correlates while few of its samples are inside the window, and soundings hold the same chirp
    CFO         maximum of Σ_k |Σ_r Y_r[k]·e^{−jωNr}|² over four periods of the long part: the ML estimate for
                an unknown channel, 10·log10(R²/(R² − 1)) = 0.28 dB above the Cramér-Rao bound of a known one
                (Morelli, Mengali 1999, give a closed form); repeated after the sample clock has been undone
    timing      maximum of |Σ_k H[k]·e^{j2πkτ/N}|²: ML in a flat channel, the strongest path otherwise

Units: frequencies in Hz, times in samples.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dsp.detection import detection_threshold, lag_metric, metric_span
from dsp.frame import LONG_REPEATS, SHORT_REPEATS, training_symbol
from dsp.ofdm import Numerology, from_bins

USED_REPEATS = LONG_REPEATS - 1
ITERATIONS = 12
LEAST_COHERENCE = 0.05  # of the strongest path; 200 elements of something else reach it by chance in 2 % of cases
LEAST_SNR = 0.15  # of an element; four periods of noise-like signals reach 0.1 by chance, a beacon at -6 dB has 0.2
LARGEST_RATIO = 4.0  # between the powers of short and long part; the short one sees 12 subcarriers only


class NotDetected(RuntimeError):  # noqa: N818 - a finding, named as the field names it
    """No beacon where one was looked for."""


@dataclass(frozen=True)
class Reference:
    """A long part as received, averaged over its repeats.

    Args:
        spectrum: mean Y[k], carrier and clock undone, shape (2K,).
        noise_var: σ² of an element of one repeat.
    """

    spectrum: np.ndarray
    noise_var: float


@dataclass(frozen=True)
class Beacon:
    """A beacon that was found.

    Args:
        start: its first sample in the capture, fractional.
        cfo: frequency of the received carrier in Hz.
        cfo_std: standard deviation of that, in Hz.
        reference: its long part, phases as at the long part's first sample.
        metric: M at the detection.
    """

    start: float
    cfo: float
    cfo_std: float
    reference: Reference
    metric: float


def acquire(samples: np.ndarray, numerology: Numerology, carrier: float, false_alarm: float = 1e-6) -> Beacon:
    """Return the first beacon of a capture.

    Args:
        samples: shape (count,); the whole beacon has to lie within.
        numerology: the grid's numbers.
        carrier: in Hz; says what clock offset belongs to a carrier offset.
        false_alarm: probability of finding one in a capture of noise alone; at most, because of the check.

    Raises:
        NotDetected: there is none, or its end is cut off.
    """
    short = SHORT_REPEATS * numerology.n_fft // 16
    needed = short + numerology.n_fft // 2 + USED_REPEATS * numerology.n_fft
    if samples.size < needed:
        raise NotDetected(f"no beacon fits {samples.size} samples, it needs {needed}; lengthen the window")
    metric, products = lag_metric(samples, numerology)
    threshold = detection_threshold(false_alarm, metric.size, numerology)
    others = 0
    for place in _candidates(metric > threshold, np.abs(products), metric_span(numerology)):
        if place + needed > samples.size:
            raise NotDetected(
                f"what may be a beacon begins at sample {place} of {samples.size} and is cut off; lengthen the window "
                "(waveform.search_s)"
            )
        found = _examine(samples, place, abs(products[place]) / metric_span(numerology), numerology, carrier)
        if found is not None:
            return replace(found, metric=float(metric[place]))
        others += 1
    raise NotDetected(
        f"no beacon in {samples.size} samples: largest correlation {metric.max():.4f}, threshold {threshold:.4f}, "
        f"{others} signals above it that are no beacon; check that the server sends, the level, and the window "
        "(waveform.search_s)"
    )


def measure_marker(
    samples: np.ndarray, fraction: float, cfo: float, elapsed: float, numerology: Numerology, carrier: float
) -> Reference:
    """Return a long part received at a known time, with carrier and clock undone.

    Args:
        samples: 5·N samples, the marker's first one at index `fraction`.
        fraction: in samples, |fraction| <= 1.
        cfo: frequency of the received carrier in Hz.
        elapsed: samples from the reference instant of the carrier phase to `samples[0]`.
        numerology: the grid's numbers.
        carrier: in Hz.
    """
    n = numerology.n_fft
    reference = _average(samples[n // 2 : n // 2 + USED_REPEATS * n], cfo, cfo / carrier, numerology)
    moved = _moved(reference, cfo, cfo / carrier, n // 2 - fraction, numerology)
    turn = np.exp(-2j * np.pi * cfo * (elapsed + fraction) / numerology.sample_rate)
    return Reference(moved.spectrum * turn, reference.noise_var)


def phase_change(before: Reference, after: Reference) -> tuple[float, float]:
    """Return the phase by which a later long part is ahead, in (−π, π], and its variance."""
    product = np.vdot(before.spectrum, after.spectrum)
    size, early, late = after.spectrum.size, before.noise_var / USED_REPEATS, after.noise_var / USED_REPEATS
    energy = max(float(np.sum(np.abs(after.spectrum) ** 2)) - size * late, 1e-30)
    return float(np.angle(product)), (early + late) / 2 / energy + size * early * late / 2 / energy**2


def ml_frequency(spectra: np.ndarray, coarse: float, period: int, sample_rate: float) -> float:
    """Return the frequency in Hz that maximises Σ_k |Σ_r Y_r[k]·e^{−jωNr}|², within ± half of fs/N of a coarse one.

    Args:
        spectra: Y_r[k] of successive periods, the coarse frequency still in them, shape (R, subcarriers).
        coarse: in Hz, within ± half of fs/N of the truth.
        period: N in samples.
        sample_rate: in Hz.
    """
    lags, trial, turns = _trials(spectra.shape[0])
    steer = np.exp(-2j * np.pi * coarse * period / sample_rate * lags)
    sums = np.array([np.vdot(spectra[:-lag], spectra[lag:]) for lag in lags]) * steer
    omega = float(trial[np.argmax((turns @ sums).real)])
    for _ in range(ITERATIONS):
        terms = sums * np.exp(-1j * omega * lags)
        slope, bend = float((lags * terms.imag).sum()), float(-(lags**2 * terms.real).sum())
        if bend >= 0 or abs(step := -slope / bend) < 1e-12:
            break
        omega += float(np.clip(step, -0.1, 0.1))
    return coarse + omega * sample_rate / (2 * np.pi * period)


@lru_cache(maxsize=8)
def _trials(repeats: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return lags, trial frequencies ω, and e^{−jω·lag}, shapes (R − 1,), (16·R,), (16·R, R − 1)."""
    lags = np.arange(1, repeats)
    trial = np.linspace(-np.pi, np.pi, 16 * repeats, endpoint=False)
    return lags, trial, np.exp(-1j * np.multiply.outer(trial, lags))


def _candidates(above: np.ndarray, strength: np.ndarray, span: int) -> Iterator[int]:
    """Yield where a beacon may begin, in order.

    M is near 1 as soon as a strong beacon enters the window; the sum itself is largest when all of it is inside.
    """
    places = np.flatnonzero(above)
    while places.size:
        near = places[: np.searchsorted(places, places[0] + 2 * span)]
        best = int(near[np.argmax(strength[near])])
        yield best
        places = places[places > best + span // 4]  # half a span is what a beacon's timing may differ by


def _examine(
    samples: np.ndarray, place: int, short_power: float, numerology: Numerology, carrier: float
) -> Beacon | None:
    """Return the beacon whose short part was found near a place, or None if something else is there."""
    fs, n = numerology.sample_rate, numerology.n_fft
    short = SHORT_REPEATS * n // 16
    begin = place + short + n // 2
    cfo = _short_cfo(samples[place : place + short], numerology)
    for _ in range(2):
        long_part = samples[begin : begin + USED_REPEATS * n]
        if long_part.size < USED_REPEATS * n:
            return None
        long_part = _without_constant(long_part, cfo, numerology)
        for _ in range(2):
            cfo = _long_cfo(long_part, cfo, cfo / carrier, numerology)
        reference = _average(long_part, cfo, cfo / carrier, numerology)
        delay, gain = _timing(reference.spectrum, numerology)
        slip = _slip(samples, begin - delay, cfo, numerology)
        if not slip:
            break
        begin += slip * n
    total = float(np.mean(np.abs(reference.spectrum) ** 2))
    power = max(total - reference.noise_var / USED_REPEATS, 1e-30) * numerology.crest_power
    if power < LEAST_SNR * numerology.crest_power * reference.noise_var:
        return None
    rate = 1 + cfo / carrier
    first = begin - delay / rate
    start = first - short / rate
    if slip != 0 or abs(start - place) > metric_span(numerology) / 2 or abs(gain) ** 2 < LEAST_COHERENCE * total:
        return None
    if not 1 / LARGEST_RATIO < short_power / power < LARGEST_RATIO:
        return None
    snr = power / max(reference.noise_var, 1e-30)
    cfo_std = np.sqrt(6 * 16 / 15 / (snr * (USED_REPEATS * n) ** 3)) * fs / (2 * np.pi)
    moved = _moved(reference, cfo, cfo / carrier, begin - first, numerology)
    return Beacon(start, cfo, float(cfo_std), moved, np.nan)


def _without_constant(samples: np.ndarray, cfo: float, numerology: Numerology) -> np.ndarray:
    """Return periods without a constant offset: least squares beside anything that is periodic behind the carrier."""
    n = numerology.n_fft
    tone = np.exp(-2j * np.pi * cfo / numerology.sample_rate * np.arange(samples.size)).reshape(-1, n)
    odd = tone - tone.mean(0)
    energy = float(np.vdot(odd, odd).real)
    if energy < samples.size / 200:  # the offset is itself periodic behind the carrier, and does no harm
        return samples
    return samples - np.vdot(odd, samples.reshape(-1, n) * tone) / energy


def _slip(samples: np.ndarray, first: float, cfo: float, numerology: Numerology) -> int | None:
    """Return by how many periods the long part begins later than `first`; None if it is longer than a beacon's."""
    n = numerology.n_fft
    index = round(first) + np.arange(-n, (LONG_REPEATS + 1) * n)
    inside = (index >= 0) & (index < samples.size)
    periods = np.where(inside, samples[np.clip(index, 0, samples.size - 1)], 0)
    spectra = _spectra(periods, cfo, 0.0, numerology)
    held = np.abs(spectra @ np.conj(training_symbol(numerology))) ** 2
    slip = int(np.argmax(np.convolve(held, np.ones(LONG_REPEATS), "valid"))) - 1
    return None if slip == 0 and held[0] > held[1:-1].mean() / 2 else slip


def _short_cfo(samples: np.ndarray, numerology: Numerology) -> float:
    """Return the CFO seen by the short part; its outer repeats may not be inside."""
    lag = numerology.n_fft // 16
    inner = samples[lag:-lag].astype(np.complex128)
    return ml_frequency((inner - inner.mean()).reshape(-1, lag), 0.0, lag, numerology.sample_rate)


def _long_cfo(samples: np.ndarray, cfo: float, clock: float, numerology: Numerology) -> float:
    spectra = _spectra(samples, cfo, clock, numerology)
    return cfo + ml_frequency(spectra, 0.0, numerology.n_fft, numerology.sample_rate)


def _spectra(samples: np.ndarray, cfo: float, clock: float, numerology: Numerology) -> np.ndarray:
    """Return Y_r[k] of each period with carrier and clock undone, shape (R, 2K)."""
    n = numerology.n_fft
    turned = samples * np.exp(-2j * np.pi * cfo / numerology.sample_rate * np.arange(samples.size))
    spectra = from_bins(np.fft.fft(turned.reshape(-1, n), norm="ortho"), numerology)
    # the sender's clock, faster by `clock`, has advanced by clock·N·r samples (and by half a period inside one)
    drift = clock * n * (np.arange(len(spectra)) + 0.5)
    return spectra * np.exp(-2j * np.pi * np.multiply.outer(drift, numerology.subcarriers) / n)


def _average(samples: np.ndarray, cfo: float, clock: float, numerology: Numerology) -> Reference:
    spectra = _spectra(samples, cfo, clock, numerology)
    mean = spectra.mean(0)
    noise = float(np.sum(np.abs(spectra - mean) ** 2) / ((len(spectra) - 1) * mean.size))
    return Reference(mean, noise)


def _moved(reference: Reference, cfo: float, clock: float, ahead: float, numerology: Numerology) -> Reference:
    """Return a reference as if its window had begun `ahead` samples earlier."""
    turn = np.exp(-2j * np.pi * cfo * ahead / numerology.sample_rate)
    ramp = np.exp(-2j * np.pi * numerology.subcarriers * ahead * (1 + clock) / numerology.n_fft)
    return Reference(reference.spectrum * turn * ramp, reference.noise_var)


def _timing(spectrum: np.ndarray, numerology: Numerology) -> tuple[float, complex]:
    """Return by how many samples, in [0, N), the window began after a period, and the gain of that path."""
    n, k = numerology.n_fft, numerology.subcarriers
    channel = spectrum * np.conj(training_symbol(numerology))
    response = np.zeros(8 * n, complex)
    response[k % (8 * n)] = channel
    delay = float(np.argmax(np.abs(np.fft.fft(response)))) / 8
    for _ in range(ITERATIONS):
        terms = channel * np.exp(-2j * np.pi * k * delay / n)
        total, first, second = terms.sum(), (-1j * k * terms).sum(), (-(k**2) * terms).sum()
        slope = 2 * np.real(np.conj(total) * first)
        bend = 2 * np.real(np.abs(first) ** 2 + np.conj(total) * second)
        if bend >= 0:
            break
        step = -slope / bend * n / (2 * np.pi)
        delay += float(np.clip(step, -0.1, 0.1))
        if abs(step) < 1e-9:
            break
    return delay % n, complex((channel * np.exp(-2j * np.pi * k * delay / n)).mean())
