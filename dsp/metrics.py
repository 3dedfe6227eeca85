"""Figures of merit: normalised errors, decibels, support."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

Array = Any


def db(ratio: Array) -> Array:
    """Return 10·log10 of a power ratio; −inf at zero."""
    with np.errstate(divide="ignore"):
        return 10 * np.log10(np.asarray(ratio, np.float64))


def from_db(decibel: float) -> float:
    """Return the power ratio of a value in dB."""
    return float(10 ** (decibel / 10))


def energy(x: Array) -> Array:
    """Return ‖x‖² over the last axis, real or complex."""
    xp = array_namespace(x)
    if xp.isdtype(x.dtype, "complex floating"):
        real, imaginary = xp.real(x), xp.imag(x)
        return xp.sum(real * real + imaginary * imaginary, axis=-1)
    return xp.sum(x * x, axis=-1)


def nmse(estimate: Array, truth: Array) -> Array:
    """Return ‖estimate − truth‖²/‖truth‖² over the last axis; inf where the truth is zero and the estimate is not.

    Amplitude errors count: nothing is normalised away.
    """
    xp = array_namespace(estimate, truth)
    error, reference = energy(estimate - truth), energy(truth)
    safe = xp.where(reference > 0, reference, xp.ones_like(reference))
    missed = xp.where(error > 0, xp.full_like(error, float("inf")), xp.zeros_like(error))
    return xp.where(reference > 0, error / safe, missed)


def nmse_db(estimate: Array, truth: Array) -> Array:
    """Return `nmse` in dB, as a NumPy float64 array."""
    ratio = nmse(estimate, truth)
    return db(ratio.tolist() if hasattr(ratio, "tolist") else ratio)


def union_support(kept: Array) -> float:
    """Return the fraction of entries that at least one agent keeps, of updates of shape (n, d)."""
    xp = array_namespace(kept)
    return float(xp.mean(xp.astype(xp.any(kept != 0, axis=0), xp.float64)))


def papr_db(samples: np.ndarray) -> np.ndarray:
    """Return peak over mean power over the last axis, in dB."""
    power = np.abs(samples) ** 2
    return db(power.max(-1) / power.mean(-1))


def evm_db(received: np.ndarray, reference: np.ndarray) -> float:
    """Return the error vector magnitude in dB: rms of the error over rms of the reference."""
    return float(db(np.sum(np.abs(received - reference) ** 2) / np.sum(np.abs(reference) ** 2)))


@dataclass(frozen=True)
class Alignment:
    """How one agent's pilots arrived: a diagnostic, never a correction.

    Args:
        gain: complex least-squares gain of the pilots against what was expected; 1 is perfect.
        delay_samples: slope of the phase over subcarriers.
    """

    gain: complex
    delay_samples: float

    @property
    def gain_db(self) -> float:
        """Magnitude of the gain."""
        return float(db(abs(self.gain) ** 2))

    @property
    def phase_deg(self) -> float:
        """Phase of the gain."""
        return float(np.degrees(np.angle(self.gain)))


def alignment(received: np.ndarray, expected: np.ndarray, subcarriers: np.ndarray, n_fft: int) -> Alignment:
    """Return how pilots arrived, y = g·e^{−j2πkτ/N}·e + n.

    Args:
        received: y, shape (P,).
        expected: e, shape (P,), 0 where a pilot was not sent.
        subcarriers: k, signed, shape (P,).
        n_fft: N.
    """
    energy = float(np.sum(np.abs(expected) ** 2))
    if energy == 0:
        return Alignment(0j, 0.0)
    product = np.conj(expected) * received
    gain = complex(product.sum() / energy)
    weight = np.abs(expected) ** 2
    phase = np.angle(product * np.conj(gain))
    centred = subcarriers - np.average(subcarriers, weights=weight)
    spread = float(np.sum(weight * centred**2))
    slope = float(np.sum(weight * centred * phase)) / spread if spread else 0.0
    return Alignment(gain, -slope * n_fft / (2 * np.pi))
