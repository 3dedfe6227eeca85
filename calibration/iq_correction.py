"""IQ imbalance and DC offset of a mixer, and their exact digital inverses for a receiver and for a transmitter.

    y = a·x + b·x* + d,   a = (1 + g·e^{−jφ})/2,   b = (1 − g·e^{jφ})/2

One law for both directions: x is what should have come out, y what did. It is real-linear, with singular values
|a| + |b| and |a| − |b|, and |a|² − |b|² = g·cos φ, so that it can be undone while |φ| < 90°.
Schenk, "RF Imperfections in High-rate Wireless Systems", Springer 2008, chapter 5.

Samples are complex64, relative to full scale.
"""

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Imbalance:
    """What a mixer does to its samples.

    Args:
        gain_db: 20·log10 g, of the quadrature branch over the other.
        phase_deg: φ, by which the branches miss the right angle.
        dc: d, relative to full scale: carrier leakage of a transmitter, DC offset of a receiver.

    Raises:
        ValueError: a number is not finite, or no samples are left between the offset and full scale.
    """

    gain_db: float = 0.0
    phase_deg: float = 0.0
    dc: complex = 0j

    def __post_init__(self) -> None:
        for name in ("gain_db", "phase_deg", "dc"):
            if not np.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}; 0 changes nothing")
        if not abs(self.phase_deg) < 90:
            raise ValueError(f"phase_deg must lie within ±90, got {self.phase_deg:g}; calibrate iq again")
        if not self.scale > 0:
            raise ValueError(
                f"an imbalance of {self.gain_db:g} dB, {self.phase_deg:g}° and |dc| {abs(self.dc):.3g} leaves no room "
                "below full scale to correct it; calibrate iq again"
            )

    @property
    def weights(self) -> tuple[complex, complex]:
        """The weights a of the signal and b of its image."""
        turned = 10 ** (self.gain_db / 20) * complex(np.exp(1j * np.deg2rad(self.phase_deg)))
        return (1 + turned.conjugate()) / 2, (1 - turned) / 2

    @property
    def rejection_db(self) -> float:
        """Signal over image, |a|²/|b|² in dB; inf without imbalance."""
        direct, image = self.weights
        return 20 * math.log10(abs(direct) / abs(image)) if image else math.inf

    @property
    def scale(self) -> float:
        """By what `predistorted` lowers the wanted signal: s = (|a| − |b| − |d|)/|a|, at most 1.

        The corrected sample is at most (s·|a·x| + |d|)/(|a| − |b|), so that |x| <= 1 stays within full scale.
        """
        direct, image = self.weights
        return (abs(direct) - abs(image) - abs(self.dc)) / abs(direct)

    @property
    def cost_db(self) -> float:
        """What a predistorted signal loses in level, −20·log10 s; a channel estimate contains it."""
        return -20 * math.log10(self.scale)


def corrected(received: np.ndarray, imbalance: Imbalance) -> np.ndarray:
    """Return what came to a receiver's mixer, from what it made of it.

        x = (a*·(y − d) − b·(y − d)*) / (|a|² − |b|²)

    Args:
        received: y, complex64.
        imbalance: of the receiver.

    Raises:
        ValueError: the samples are not complex64.
    """
    direct, image = imbalance.weights
    whole = abs(direct) ** 2 - abs(image) ** 2
    return _mapped(received, direct.conjugate() / whole, -image / whole, imbalance.dc)


def predistorted(samples: np.ndarray, imbalance: Imbalance) -> np.ndarray:
    """Return the samples for which a transmitter's mixer puts out s·a·x: the wanted part alone, by `cost_db` weaker.

        x' = (a*·u − b·u*) / (|a|² − |b|²),   u = s·a·x − d;     |x| <= 1 implies |x'| <= 1

    Args:
        samples: x, complex64.
        imbalance: of the transmitter.

    Raises:
        ValueError: the samples are not complex64.
    """
    direct, image = imbalance.weights
    whole, level = abs(direct) ** 2 - abs(image) ** 2, imbalance.scale
    own, mirrored = abs(direct) ** 2 / whole, -image * direct.conjugate() / whole
    offset = imbalance.dc / (level * direct)
    return _mapped(samples, level * own, level * mirrored, offset)


def _mapped(samples: np.ndarray, own: complex, mirrored: complex, offset: complex) -> np.ndarray:
    """Return own·v + mirrored·v*, v = samples − offset; the array itself if that changes nothing."""
    if samples.dtype != np.complex64:
        raise ValueError(f"samples must be complex64, got {samples.dtype}; convert them first")
    if own == 1 and mirrored == 0 and offset == 0:
        return samples
    result = np.conj(samples)
    result *= np.complex64(mirrored)
    result += np.complex64(own) * samples
    result -= np.complex64(own * offset + mirrored * offset.conjugate())
    return result
