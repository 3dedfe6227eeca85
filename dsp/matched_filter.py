"""The receiver without a model of the sum: x̂ = Aᵀy, for operators with orthonormal rows.

It does not shrink: where entries are sent as they are, its estimate is unbiased.
"""

from array_api_compat import array_namespace

from dsp.noise import checked_noise, signal_energy, square
from dsp.oamp import Recovery
from dsp.sensing import Array, Sensing


def recover(received: Array, sensing: Sensing, noise_var: Array | float) -> Recovery:
    """Return Aᵀy of y = A x + n, and the error that noise leaves, over the energy of what A carries of x.

    Args:
        received: y, complex, shape (..., M).
        sensing: A.
        noise_var: σ², per complex symbol: a number, or an array that broadcasts to (..., M).

    Raises:
        ValueError: as `dsp.oamp.recover`.
    """
    xp = array_namespace(received)
    noise = checked_noise(received, sensing, noise_var)
    estimate = sensing.adjoint(received)[..., : sensing.length]
    signal = xp.clip(signal_energy(square(received), sensing, noise)[0], 0, None)[..., 0]
    variance = xp.mean(0.5 * noise, axis=-1)
    known = xp.where(signal > 0, signal, xp.ones_like(signal))
    predicted = xp.where(signal > 0, variance / known, xp.ones_like(signal))
    return Recovery(estimate, variance * sensing.gain, predicted, (variance * sensing.gain)[None, ...])
