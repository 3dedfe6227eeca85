"""The linear baseline: x̂ = c/(c + σ'²)·Aᵀy/κ, with c the mean power of a real measurement without noise.

κ = tr((AᵀA)²)/tr(AᵀA) is 1 for orthonormal rows, and c is κ times the mean energy of an entry. Unequal noise weighs
each symbol by its own factor.
"""

from typing import Any

from array_api_compat import array_namespace

from dsp.noise import checked_noise, signal_energy, square
from dsp.oamp import Recovery
from dsp.sensing import Sensing

Array = Any


def recover(received: Array, sensing: Sensing, noise_var: Array | float) -> Recovery:
    """Return the LMMSE estimate of x from y = A x + n, without a prior on the shape of x.

    Args:
        received: y, complex, shape (..., M).
        sensing: A.
        noise_var: σ², per complex symbol: a number, or an array that broadcasts to (..., M).

    Raises:
        ValueError: as `dsp.oamp.recover`.
    """
    xp = array_namespace(received)
    noise = checked_noise(received, sensing, noise_var)
    energy = xp.clip(signal_energy(square(received), sensing, noise)[0], 0, None)
    signal = sensing.gain_spread * energy
    total = signal + 0.5 * noise
    weight = signal / xp.where(total > 0, total, xp.ones_like(total))
    estimate = sensing.adjoint(received * weight)[..., : sensing.length] / sensing.gain_spread
    seen = min(1.0, sensing.gain / sensing.gain_spread)
    missed = (1 - seen * xp.mean(weight, axis=-1, keepdims=True))[..., 0]
    variance = missed * energy[..., 0]
    return Recovery(estimate, variance, missed, variance[None, ...])
