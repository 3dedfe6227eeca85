"""Images, leakage, offset and channel of one link, fitted to a one-sided training: maximum likelihood.

    v(m) = e^{jωm}·(h ∗ (x + ρ·x* + δ))((1 + ε)m)        what comes to the receiver's mixer, times its a
    y(m) = v(m) + κ·v*(m) + d + n                        what it makes of that
    ρ = b/a,  δ = d_t/a  of the transmitter,     κ = b/a*,  d  of the receiver       (`calibration.iq_correction`)

The training has four parts: subcarriers k > 0 only, k < 0 twice, k > 0 again. A transmitter's image falls where parts
of the other sign know the channel, and what drifts steadily is the same for both signs. The parts are periodic, so that
v is a sum of exponentials at ω + 2πk(1 + ε)/N, exact for any clock. The channel is a sum of the modes that delays
within ±`reach` of the expected one have; Gauss-Newton over all unknowns, ω among them, from ρ = δ = κ = 0. Images of a
few percent make the model nearly linear: three or four steps.

The covariance is that of least squares with the variance of the residual. It holds what carriers that nearly coincide
do to it: then ρ and κ are alike. A residual that is alike from period to period is a channel that moved. Steady motion
cancels, curved motion makes the images uncertain, by about its energy over that of the channel; `CURVED` times that
held what was planted in eight channels at 10 and 20 Hz of Doppler. What an amplifier's compression adds to an image
cannot be told from it: up to 0.04 dB and 0.2° for a payload 8 dB below saturation, outside of the interval.

The model is Schenk's (2008, chapter 5); the training and the fit are ours.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from calibration.measurement import CalibrationError
from dsp.metrics import db
from dsp.ofdm import Numerology

ORDER = 0, 1, 1, 0  # of the signs
REPEATS = 16  # periods of a part
LEAD, SKIP, TAIL = 96, 64, 64  # samples ahead of the periods, those of them left out, samples behind them
NEGLIGIBLE = 1e-6
STEPS, SMALL = 12, 0.05  # of standard errors
SCALARS = 8  # real numbers in ρ, δ, κ, d
LEAST_SNR = 1.0
CURVED = 2.0
LIKENESS = 0.03  # between periods of white noise, five standard errors of it


@dataclass(frozen=True)
class Part:
    """A part of the training, as heard.

    Args:
        samples: y, shape (R·N,).
        first: m of the first one. It counts from the middle of all parts, where errors of ω and of the channel's
            phase are separate.
        phase: sample of the sender's period at which it was received, fractional.
    """

    samples: np.ndarray
    first: float
    phase: float


@dataclass(frozen=True)
class Fit:
    """What the training says.

    Args:
        scalars: ρ, δ, κ, d.
        covariance: of their real and imaginary parts in that order, shape (8, 8).
        frequency: ω, in radians a sample.
        signal: mean |v|².
        motion: energy of a channel's changes during the training over that of the channel.
        residual: y less the model, all parts in a row.
    """

    scalars: np.ndarray
    covariance: np.ndarray
    frequency: float
    signal: float
    motion: float
    residual: np.ndarray

    @property
    def noise_var(self) -> float:
        """Mean square of the residual."""
        return float(np.mean(np.abs(self.residual) ** 2))


@lru_cache(maxsize=8)
def training(numerology: Numerology) -> np.ndarray:
    """Return X of both signs on subcarriers −K … K, shape (2, 2K + 1): a chirp of the power of 2K; read-only."""
    k = numerology.half_width
    grid = np.zeros((2, 2 * k + 1), complex)
    grid[0, k + 1 :] = np.sqrt(2) * np.exp(1j * np.pi * np.arange(k) ** 2 / k)
    grid[1] = grid[0, ::-1]
    grid.flags.writeable = False
    return grid


def training_wave(numerology: Numerology) -> np.ndarray:
    """Return the samples of the training, its parts with their prefix and suffix, mean power 2K/N."""
    n, k = numerology.n_fft, np.arange(-numerology.half_width, numerology.half_width + 1)
    bins = np.zeros((2, n), complex)
    bins[:, k % n] = training(numerology)
    periods = np.fft.ifft(bins, norm="ortho")
    return periods[:, np.arange(-LEAD, REPEATS * n + TAIL) % n][list(ORDER)].ravel()


def split(heard: np.ndarray, place: float, offset: float, numerology: Numerology) -> list[Part]:
    """Return the periods of all parts.

    Args:
        heard: samples.
        place: of the first sample of the training in them.
        offset: ε, sender's clock rate over the hearer's, less 1.
        numerology: the grid's numbers.
    """
    count, length = REPEATS * numerology.n_fft, LEAD + REPEATS * numerology.n_fft + TAIL
    firsts = [int(np.ceil(place + (part * length + SKIP) / (1 + offset))) for part in range(len(ORDER))]
    middle = (firsts[0] + firsts[-1] + count) / 2
    parts = []
    for number, first in enumerate(firsts):
        phase = (first - place) * (1 + offset) - number * length - LEAD
        parts.append(Part(heard[first : first + count].astype(np.complex128), first - middle, phase))
    return parts


def fit(parts: list[Part], frequency: float, offset: float, reach: float, numerology: Numerology) -> Fit:
    """Return the maximum-likelihood fit.

    Args:
        parts: from `split`.
        frequency: ω in radians a sample, to within a tenth of a cycle over the training.
        offset: ε.
        reach: samples by which the channel's delays may be off those of the parts' phases.
        numerology: the grid's numbers.

    Raises:
        CalibrationError: no convergence, because something changed during the training, or nothing was heard.
    """
    modes = _modes(numerology, reach)
    heard = np.concatenate([part.samples for part in parts])
    channel, scalars = np.zeros(modes.shape[1], complex), np.zeros(SCALARS // 2, complex)
    for step in range(STEPS):
        v, jacobian = _jacobian(parts, frequency, offset, (modes, channel, scalars), numerology)
        residual = heard - (v + scalars[2] * np.conj(v) + scalars[3])
        if step == 1:
            _check_signal(v, residual)
        # without a channel yet, images and leakage are zero, and the first step is for channel and offset
        used = np.arange(jacobian.shape[1]) if step else np.r_[0 : 2 * channel.size, -3, -2]
        normal, right = _normal(jacobian, residual)
        moved = np.zeros(jacobian.shape[1])
        moved[used] = np.linalg.solve(normal[np.ix_(used, used)], right[used])
        complex_steps = moved[:-1].reshape(-1, 2) @ (1, 1j)
        channel, scalars = channel + complex_steps[: channel.size], scalars + complex_steps[channel.size :]
        frequency += moved[-1] / heard.size
        variance = float(np.sum(np.abs(residual) ** 2)) / (2 * heard.size - moved.size)
        if step and (moved**2 < SMALL**2 * variance * np.diag(np.linalg.inv(normal))).all():
            covariance = variance * np.linalg.inv(normal)[-SCALARS - 1 : -1, -SCALARS - 1 : -1]
            motion = _motion(v, residual, frequency * numerology.n_fft, numerology.n_fft)
            covariance += (CURVED * motion) ** 2 / 2 * np.diag(np.repeat(np.abs(scalars) ** 2 * (1, 1, 1, 0), 2))
            return Fit(scalars, covariance, frequency, float(np.mean(np.abs(v) ** 2)), motion, residual)
    raise CalibrationError(
        f"the training fits no fixed channel after {STEPS} steps: it changed while it was heard; keep antennas and "
        "settings still, and calibrate again",
        "unstable",
    )


def _jacobian(
    parts: list[Part],
    frequency: float,
    offset: float,
    model: tuple[np.ndarray, np.ndarray, np.ndarray],
    numerology: Numerology,
) -> tuple[np.ndarray, np.ndarray]:
    """Return v, shape (M,), and the derivatives of y by channel, ρ, δ, κ, d and ω·M, shape (M, 2L + 9)."""
    modes, channel, (image, leakage, mirrored, _) = model
    constant = np.zeros(modes.shape[0])
    constant[numerology.half_width] = np.sqrt(numerology.n_fft)
    columns = []
    for part, sent in zip(parts, training(numerology)[list(ORDER)], strict=True):
        turned = np.conj(sent[::-1])
        driven = sent + image * turned + leakage * constant
        response = modes @ channel
        spectra = np.vstack([modes.T * driven, response * turned, response * constant])
        columns.append(_waves(part, spectra, frequency, offset, numerology))
    of_channel = np.concatenate(columns, axis=1)
    v = channel @ of_channel[:-2]
    count = v.size
    at = np.concatenate([part.first + np.arange(part.samples.size) for part in parts])
    through = [(column, 1j * column) for column in of_channel]
    mixed = [part + mirrored * np.conj(part) for pair in through for part in pair]
    turning = 1j * at / count * v
    ones = np.ones(count)
    direct = [np.conj(v), 1j * np.conj(v), ones, 1j * ones, turning + mirrored * np.conj(turning)]
    return v, np.stack([*mixed, *direct], axis=1)


def _waves(part: Part, spectra: np.ndarray, frequency: float, offset: float, numerology: Numerology) -> np.ndarray:
    """Return the waves of some spectra as they reach a part of the hearer's samples, shape (rows, R·N).

    Σ_k S_k/√N · e^{jωm}·e^{j2πk·u(m)/N},   u(m) = phase + (1 + ε)(m − first)
    """
    n, k = numerology.n_fft, np.arange(-numerology.half_width, numerology.half_width + 1)
    inside, period = np.arange(n), np.arange(part.samples.size // n)
    rates = frequency + 2 * np.pi * k * (1 + offset) / n
    one = np.exp(1j * np.multiply.outer(rates, inside)) / np.sqrt(n)
    # k whole turns a period are left out: large angles lose digits
    steps = frequency * n + 2 * np.pi * k * offset
    begin = 2 * np.pi * k * part.phase / n + frequency * part.first
    periods = np.exp(1j * (begin + np.multiply.outer(period, steps)))
    return ((spectra[:, None, :] * periods) @ one).reshape(len(spectra), -1)


def _normal(jacobian: np.ndarray, residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Re JᴴJ and Re Jᴴr, for real unknowns."""
    stacked = jacobian.view(np.float64).reshape(*jacobian.shape, 2)
    real = np.concatenate([stacked[..., 0], stacked[..., 1]])
    return real.T @ real, real.T @ np.concatenate([residual.real, residual.imag])


def _check_signal(v: np.ndarray, residual: np.ndarray) -> None:
    snr = float(np.mean(np.abs(v) ** 2)) / max(float(np.mean(np.abs(residual) ** 2)), 1e-30)
    if snr < LEAST_SNR:
        raise CalibrationError(
            f"a beacon was heard, but the training behind it is only {db(snr):.1f} dB above noise and interference; "
            "see that the sender keeps sending, raise its level, or look for an interferer"
        )


def _motion(v: np.ndarray, residual: np.ndarray, turning: float, n: int) -> float:
    """Return the energy of what of a residual is alike in neighbouring periods over that of the signal."""
    periods = residual.reshape(len(ORDER), -1, n)
    alike = np.vdot(periods[:, :-1], periods[:, 1:] * np.exp(-1j * turning)).real * REPEATS / (REPEATS - 1)
    excess = alike - LIKENESS * float(np.sum(np.abs(residual) ** 2))
    return max(excess, 0.0) / float(np.sum(np.abs(v) ** 2))


@lru_cache(maxsize=8)
def _modes(numerology: Numerology, reach: float) -> np.ndarray:
    """Return an orthonormal basis of channels with delays in ±reach, on −K … K, shape (2K + 1, L)."""
    k = np.arange(-numerology.half_width, numerology.half_width + 1)
    values, vectors = np.linalg.eigh(np.sinc((k[:, None] - k) * 2 * reach / numerology.n_fft))
    return vectors[:, values > NEGLIGIBLE * values[-1]].astype(complex)
