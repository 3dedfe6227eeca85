"""The beacon: false alarms and misses against theory, timing and carrier offset against the Cramér-Rao bound.

The bounds are those of the samples that the estimator uses, R = 4 periods of the long part, N·R = L samples of mean
power S in noise σ², in a flat channel whose amplitude and phase are unknown:

    var f >= 6·(fs/2π)² / (S/σ²·L·(L² − 1))       (Rife, Boorstyn, IEEE Trans. Inf. Theory 1974)
    var τ >= 1 / (2·R·SNR·Σ_k (2πk/N)²)           SNR of a subcarrier; Σ k = 0, so the unknown phase costs nothing

Carrier offsets are uniform over ±120 kHz, the sample clock is off by as many ppm, and the beacon begins anywhere
between two samples.
"""

import numpy as np
from scipy.optimize import brentq

from dsp.detection import detection_threshold, lag_metric, miss_rate
from dsp.frame import beacon as beacon_samples
from dsp.metrics import from_db
from dsp.ofdm import Numerology
from dsp.resample import resample
from dsp.sync import USED_REPEATS, NotDetected, acquire
from tools.bench.waveform.claims import Claim, Effort, Part, Row, chunks, share

NUMEROLOGY = Numerology()
CARRIER = 2.4e9
PULL_IN = 120e3
SNRS = 10, 20, 30, 40
POSITIONS = 4000
FALSE_ALARMS = 0.3, 0.1, 0.03, 0.01
THRESHOLDS_OF = 1e-2, 1e-6
MISS_SNRS = -9, -8, -7, -6.5, -6, -5.5, -5, -4.5, -4
CHUNK = 100


def beacon(effort: Effort) -> Part:
    """Measure detection and estimation."""
    false_alarms, misses, bounds = _false_alarms(effort), _misses(effort), _bounds(effort)
    shifts = [abs(row[f"shift_{rate:g}_db"]) for row in misses for rate in THRESHOLDS_OF if row[f"shift_{rate:g}_db"]]
    claims = [
        Claim("false alarms against theory, worst beyond chance", max(_beyond(r) for r in false_alarms), 0.1, ""),
        Claim("misses against theory, worst shift in SNR", max(shifts, default=np.nan), 0.3),
        Claim("carrier offset over its bound, worst SNR", max(row["cfo_over_db"] for row in bounds), 1.5),
        Claim("timing over its bound, worst SNR", max(row["timing_over_db"] for row in bounds), 1.5),
        Claim("beacons within ±120 kHz that were missed", sum(row["missed"] for row in bounds), 0, ""),
        Claim("largest error of a carrier offset", max(row["cfo_worst_hz"] / row["cfo_bound_hz"] for row in bounds), 6,
              "bounds"),
    ]  # fmt: skip
    notes = (
        f"false alarms among {POSITIONS} positions; beyond chance: |measured/theory - 1| less five standard errors",
        "shift: SNR at which theory has the measured miss probability, less the true one, where it is 2 to 98 %",
        "whole: with the check that follows the threshold, carrier offset and start drawn, 1e-6 over its own window",
    )
    tables = {"false alarms": false_alarms, "misses": misses, "estimates in flat AWGN": bounds}
    return Part("The beacon: detection, timing, carrier offset", tables, claims, notes)


def _false_alarms(effort: Effort) -> list[Row]:
    tasks = [(effort.seed, first, count) for first, count in chunks(effort.trials, CHUNK)]
    largest = np.concatenate(share(noise_metrics, tasks, effort, "false alarms"))
    rows = []
    for rate in FALSE_ALARMS:
        threshold = detection_threshold(rate, POSITIONS, NUMEROLOGY)
        measured = float(np.mean(largest > threshold))
        error = float(np.sqrt(rate * (1 - rate) / largest.size))
        rows.append({"theory": rate, "measured": measured, "standard_error": error, "threshold": threshold})
    return rows


def _beyond(row: Row) -> float:
    return max(abs(row["measured"] - row["theory"]) - 5 * row["standard_error"], 0.0) / float(row["theory"])


def noise_metrics(seed: int, first: int, count: int) -> np.ndarray:
    """Return the largest detection metric of each of `count` windows of noise."""
    rng, span = np.random.default_rng([seed, 1, first]), 31 * NUMEROLOGY.n_fft // 16
    length = POSITIONS - 1 + span + NUMEROLOGY.n_fft // 16
    return np.array([lag_metric(_noise(rng, length, 1.0), NUMEROLOGY)[0].max() for _ in range(count)])


def _misses(effort: Effort) -> list[Row]:
    rows: list[Row] = []
    pieces = chunks(effort.trials, 10 * CHUNK)
    tasks = [(effort.seed, snr, first, count) for snr in MISS_SNRS for first, count in pieces]
    metrics = np.reshape(np.concatenate(share(own_metrics, tasks, effort, "misses")), (len(MISS_SNRS), effort.trials))
    wholes = chunks(max(effort.trials // 4, 1), CHUNK)
    tasks = [(effort.seed, snr, first, count) for snr in MISS_SNRS for first, count in wholes]
    whole = share(estimates, tasks, effort, "beacons in strong noise")
    for place, snr in enumerate(MISS_SNRS):
        row: Row = {"snr_db": snr}
        for rate in THRESHOLDS_OF:
            threshold = detection_threshold(rate, POSITIONS, NUMEROLOGY)
            measured = float(np.mean(metrics[place] < threshold))
            row |= {
                f"miss_{rate:g}": measured,
                f"theory_{rate:g}": miss_rate(threshold, from_db(snr), NUMEROLOGY),
                f"shift_{rate:g}_db": _shift(threshold, measured, snr),
            }
        found = np.concatenate(whole[place * len(wholes) : (place + 1) * len(wholes)])
        rows.append(row | {"whole": float(np.mean(np.isnan(found[:, 0])))})
    return rows


def _shift(threshold: float, measured: float, snr_db: float) -> float | None:
    """Return by how many dB theory would have to be moved; None where chance says too little."""
    if not 0.02 <= measured <= 0.98:
        return None
    return float(brentq(lambda x: miss_rate(threshold, from_db(x), NUMEROLOGY) - measured, -20, 10)) - snr_db


def own_metrics(seed: int, snr_db: float, first: int, count: int) -> np.ndarray:
    """Return the detection metric at the beacon's own position, `count` times; SNR of a sample."""
    rng, length = np.random.default_rng([seed, 2, first]), 32 * NUMEROLOGY.n_fft // 16
    wave = beacon_samples(NUMEROLOGY)[:length] * np.sqrt(from_db(snr_db) / NUMEROLOGY.crest_power)
    return np.array([lag_metric(wave + _noise(rng, length, 1.0), NUMEROLOGY)[0][0] for _ in range(count)])


def _bounds(effort: Effort) -> list[Row]:
    pieces = chunks(effort.trials, CHUNK)
    # SNR of a subcarrier; that of a sample is lower by the unused ones
    tasks = [(effort.seed, snr + _crest_db(), first, count) for snr in SNRS for first, count in pieces]
    found = share(estimates, tasks, effort, "timing and carrier offset")
    rows = []
    for place, snr in enumerate(SNRS):
        errors = np.concatenate(found[place * len(pieces) : (place + 1) * len(pieces)])
        cfo_bound, timing_bound = bounds(from_db(snr))
        cfo, timing = np.sqrt(np.nanmean(errors**2, axis=0))
        rows.append(
            {
                "snr_db": snr,
                "cfo_rms_hz": float(cfo),
                "cfo_bound_hz": cfo_bound,
                "cfo_over_db": 20 * float(np.log10(cfo / cfo_bound)),
                "cfo_worst_hz": float(np.nanmax(np.abs(errors[:, 0]))),
                "timing_rms": float(timing),
                "timing_bound": timing_bound,
                "timing_over_db": 20 * float(np.log10(timing / timing_bound)),
                "missed": int(np.isnan(errors[:, 0]).sum()),
            }
        )
    return rows


def bounds(snr: float) -> tuple[float, float]:
    """Return the smallest standard deviations of frequency in Hz and of timing in samples, at an SNR per subcarrier."""
    length, turn = USED_REPEATS * NUMEROLOGY.n_fft, NUMEROLOGY.sample_rate / (2 * np.pi)
    frequency = turn * np.sqrt(6 / (snr * NUMEROLOGY.crest_power * length * (length**2 - 1)))
    slopes = np.sum((2 * np.pi * NUMEROLOGY.subcarriers / NUMEROLOGY.n_fft) ** 2)
    return float(frequency), float(1 / np.sqrt(2 * USED_REPEATS * snr * slopes))


def estimates(seed: int, snr_db: float, first: int, count: int) -> np.ndarray:
    """Return errors of carrier offset in Hz and start in samples, shape (count, 2), nan if missed; SNR of a sample."""
    rng, sent = np.random.default_rng([seed, 3, first]), beacon_samples(NUMEROLOGY)
    padded, fs = np.concatenate([sent, np.zeros(100)])[None], NUMEROLOGY.sample_rate
    errors = np.full((count, 2), np.nan)
    for trial in range(count):
        cfo, start = rng.uniform(-PULL_IN, PULL_IN), rng.uniform(800, 1300)
        rate = 1 + cfo / CARRIER
        heard = resample(padded, np.array([rate]), np.array([-start]), 4600)[0]
        heard = heard * np.exp(2j * np.pi * cfo / fs * np.arange(heard.size))
        heard += _noise(rng, heard.size, NUMEROLOGY.crest_power / from_db(snr_db))
        try:
            found = acquire(heard, NUMEROLOGY, CARRIER)
        except NotDetected:
            continue
        errors[trial] = found.cfo - cfo, found.start - start / rate
    return errors


def _crest_db() -> float:
    return 10 * float(np.log10(NUMEROLOGY.crest_power))


def _noise(rng: np.random.Generator, count: int, variance: float) -> np.ndarray:
    real, imaginary = rng.standard_normal((2, count)) * np.sqrt(variance / 2)
    noise: np.ndarray = real + 1j * imaginary
    return noise
