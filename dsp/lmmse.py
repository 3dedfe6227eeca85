"""The linear baseline: x̂ = c/(c + σ'²)·Aᵀy/g, with c the mean power of a real measurement without noise.

g = tr((AᵀA)²)/tr(AᵀA) is 1 for orthonormal rows. Unequal noise weighs each symbol by its own factor.
"""

from typing import Any

from array_api_compat import array_namespace

from dsp.oamp import Recovery, checked_noise, square
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
    signal = xp.mean(square(received) - noise, axis=-1, keepdims=True)
    signal = xp.where(signal > 0, signal, xp.zeros_like(signal))
    total = signal + noise
    weight = xp.where(total > 0, signal / xp.where(total > 0, total, xp.ones_like(total)), xp.zeros_like(total))
    estimate = sensing.adjoint(received * weight)[..., : sensing.length] / sensing.gain_spread
    missed = 1 - min(1.0, sensing.gain / sensing.gain_spread) * xp.mean(weight, axis=-1, keepdims=True)
    energy = signal * sensing.n_symbols / (sensing.gain * sensing.padded_length)
    variance = (missed * energy)[..., 0]
    return Recovery(estimate, variance, missed[..., 0], variance[None, ...])
