"""What the analogue parts of a radio do to its samples: compression, IQ imbalance, DC offset, converters.

Power amplifier: Rapp, "Effects of HPA-nonlinearity on a 4-DPSK/OFDM signal", 2nd European Conf. Satellite Comm., 1991.
IQ imbalance: Schenk, "RF Imperfections in High-rate Wireless Systems", Springer 2008, chapter 5 (at baseband, the same
for all frequencies).

Samples are complex64, relative to full scale, of any shape with at least one axis, and stay complex64. At its neutral
value, an impairment returns the array it was given.
"""

import math
from dataclasses import dataclass

import numpy as np

MIN_BITS, MAX_BITS = 2, 24
"""Two's complement needs a sign and a step, and the mantissa of a float32 holds no more than 24."""


def rapp(x: np.ndarray, saturation: float, smoothness: float = 2.0) -> np.ndarray:
    """Return the output of a solid-state power amplifier of gain 1, which bends amplitudes and leaves phases.

        y = x / (1 + (|x|/A)^{2p})^{1/(2p)}

    Args:
        x: samples.
        saturation: A, the limit of |y|; inf: no compression.
        smoothness: p, how sharp the knee is.

    Raises:
        ValueError: A or p is not positive.
    """
    _check_samples(x)
    if not saturation > 0:
        raise ValueError(f"saturation must be positive, got {saturation}; set inf for a linear amplifier")
    if not 0 < smoothness < math.inf:
        raise ValueError(f"smoothness must be positive and finite, got {smoothness}; 2 is a usual amplifier")
    if math.isinf(saturation):
        return x
    # In logarithms, because (|x|/A)^{2p} overflows where the knee is sharp.
    ratio = np.maximum(np.abs(x).astype(np.float64) / saturation, np.finfo(np.float64).tiny)
    scale = np.exp(-np.logaddexp(0, 2 * smoothness * np.log(ratio)) / (2 * smoothness))
    return x * scale.astype(np.float32)


def iq_imbalance(x: np.ndarray, gain_db: float, phase_deg: float) -> np.ndarray:
    """Return the samples with the quadrature branch g times as strong and φ off the right angle.

        y = αx + βx*,   α = (1 + g e^{−jφ})/2,   β = (1 − g e^{jφ})/2

    Args:
        x: samples.
        gain_db: 20·log10 g.
        phase_deg: φ.

    Raises:
        ValueError: g or φ is not finite.
    """
    _check_samples(x)
    direct, image = _iq_weights(gain_db, phase_deg)
    if gain_db == 0 and phase_deg == 0:
        return x
    return np.complex64(direct) * x + np.complex64(image) * np.conj(x)


def image_rejection_db(gain_db: float, phase_deg: float) -> float:
    """Return |α|²/|β|² of `iq_imbalance` in dB, signal over image; inf without imbalance.

    Raises:
        ValueError: gain_db or phase_deg is not finite.
    """
    direct, image = _iq_weights(gain_db, phase_deg)
    return 20 * math.log10(abs(direct) / abs(image)) if image != 0 else math.inf


def dc_offset(x: np.ndarray, level: complex) -> np.ndarray:
    """Return x + level, carrier leakage relative to full scale.

    Raises:
        ValueError: the level is beyond full scale.
    """
    _check_samples(x)
    if not abs(level) <= 1:
        raise ValueError(f"dc level must lie within full scale (1), got {level}; a usual radio has 0.01")
    return x + np.complex64(level) if level != 0 else x


def quantise(x: np.ndarray, bits: int | None) -> tuple[np.ndarray, int]:
    """Return the output of a pair of converters, and how many samples they limited.

        Re y, Im y = step·round(·/step) within [−1, 1 − step],   step = 2^{1−bits}

    Args:
        x: samples.
        bits: of each component; None: ideal converters without a limit.

    Raises:
        ValueError: bits are not among 2 to 24.
    """
    _check_samples(x)
    parts = np.ascontiguousarray(x).view(np.float32).reshape(*x.shape, 2)
    if bits is None:
        return x, 0
    if bits not in range(MIN_BITS, MAX_BITS + 1):
        raise ValueError(f"bits must be {MIN_BITS} to {MAX_BITS}, got {bits}; set None for ideal converters")
    largest = np.float32(2 ** (bits - 1))
    levels = np.rint(parts * largest)
    limited = np.clip(levels, -largest, largest - np.float32(1))
    # both components of a sample at once: any(-1) over pairs takes ten times as long
    clipped = int(np.count_nonzero((limited != levels).view(np.uint16)))
    return (limited / largest).view(np.complex64).reshape(x.shape), clipped


@dataclass(frozen=True)
class TransmitChain:
    """From the samples to the antenna: converter, mixer, leakage, attenuator, amplifier, cable.

    Args:
        iq_gain_db: of `iq_imbalance`.
        iq_phase_deg: of `iq_imbalance`.
        dc: level of `dc_offset`.
        pa_saturation: amplitude limit of `rapp`, relative to full scale; None: a linear amplifier.
        pa_smoothness: of `rapp`.
        bits: of `quantise`; None: an ideal converter.
        attenuation_db: ahead of the amplifier.
        gain_db: behind it.
        phase_deg: of its mixer.

    Raises:
        ValueError: one of them is out of range.
    """

    iq_gain_db: float = 0.0
    iq_phase_deg: float = 0.0
    dc: complex = 0j
    pa_saturation: float | None = None
    pa_smoothness: float = 2.0
    bits: int | None = None
    attenuation_db: float = 0.0
    gain_db: float = 0.0
    phase_deg: float = 0.0

    def __post_init__(self) -> None:
        for name in ("attenuation_db", "gain_db", "phase_deg"):
            _check_finite(name, getattr(self, name))
        self.apply(np.zeros(1, np.complex64))

    @property
    def gain(self) -> complex:
        """Gain of attenuator, amplifier below its knee, cable and mixer."""
        return _gain(self.gain_db - self.attenuation_db, self.phase_deg)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return what leaves the antenna."""
        y, _ = quantise(x, self.bits)
        y = dc_offset(iq_imbalance(y, self.iq_gain_db, self.iq_phase_deg), self.dc)
        y = _scaled(y, _gain(-self.attenuation_db, 0.0))
        y = rapp(y, math.inf if self.pa_saturation is None else self.pa_saturation, self.pa_smoothness)
        return _scaled(y, _gain(self.gain_db, self.phase_deg))


@dataclass(frozen=True)
class ReceiveChain:
    """From the antenna to the samples: mixer, leakage, converter.

    Args:
        gain_db: of the amplifier. The air applies it to the signal before it adds noise, whose variance is given at
            the converter; `apply` does not use it.
        iq_gain_db: of `iq_imbalance`.
        iq_phase_deg: of `iq_imbalance`.
        dc: level of `dc_offset`.
        bits: of `quantise`; None: an ideal converter.
        phase_deg: of its mixer, applied like the gain.
        error_db: by which its amplifier is stronger than `gain_db` says.

    Raises:
        ValueError: one of them is out of range.
    """

    gain_db: float = 0.0
    iq_gain_db: float = 0.0
    iq_phase_deg: float = 0.0
    dc: complex = 0j
    bits: int | None = None
    phase_deg: float = 0.0
    error_db: float = 0.0

    def __post_init__(self) -> None:
        for name in ("gain_db", "phase_deg", "error_db"):
            _check_finite(name, getattr(self, name))
        self.apply(np.zeros(1, np.complex64))

    @property
    def gain(self) -> complex:
        """Gain of amplifier and mixer, 10^((gain_db + error_db)/20)·e^{jφ}; real without a phase."""
        return _gain(self.gain_db + self.error_db, self.phase_deg)

    def apply(self, x: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the samples, and how many of them were beyond the converter's range."""
        return quantise(dc_offset(iq_imbalance(x, self.iq_gain_db, self.iq_phase_deg), self.dc), self.bits)


def _iq_weights(gain_db: float, phase_deg: float) -> tuple[complex, complex]:
    """Return α and β of `iq_imbalance`."""
    _check_finite("iq gain_db", gain_db)
    _check_finite("iq phase_deg", phase_deg)
    gain = 10 ** (gain_db / 20)
    turn = complex(np.exp(1j * np.deg2rad(phase_deg)))
    return (1 + gain * turn.conjugate()) / 2, (1 - gain * turn) / 2


def _gain(gain_db: float, phase_deg: float) -> complex:
    """Return the complex amplitude gain; a float without a phase."""
    amplitude = float(10 ** (gain_db / 20))
    return amplitude * complex(np.exp(1j * np.deg2rad(phase_deg))) if phase_deg else amplitude


def _scaled(x: np.ndarray, gain: complex) -> np.ndarray:
    return x if gain == 1 else x * np.complex64(gain)


def _check_samples(x: np.ndarray) -> None:
    if x.dtype != np.complex64 or x.ndim == 0:
        raise ValueError(f"samples must be a complex64 array, got {x.dtype} of shape {x.shape}; convert them first")


def _check_finite(quantity: str, value: float) -> None:
    if not math.isfinite(value):
        raise ValueError(f"{quantity} must be finite, got {value}; 0 changes nothing")
