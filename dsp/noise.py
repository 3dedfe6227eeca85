"""What symbols show beyond their noise, when the noise differs from symbol to symbol.

With c = tr(AᵀA)/d', symbols e_j = (A z)_j + n_j of a vector z whose entries have mean energy v obey

    E|e_j|² = c·d'/M·v + σ_j²;   v̂ = Σ_j u_j(|e_j|² − σ_j²)/(c·d'/M·Σ_j u_j)

for any weights u_j. Var|e_j|² is the square of E|e_j|², so the best are u_j = (g/(g + σ_j²))² with g = c·d'/M·v: a few
very noisy symbols, in a deep fade or under an interferer, do not decide. Equal noise needs no weights. Our
reconstruction.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from dsp.sensing import Sensing

Array = Any
PASSES = 3  # the weights depend on the result; from any start, two passes are enough


def checked_noise(received: Array, sensing: Sensing, noise_var: Array | float) -> Array:
    """Return σ² in the precision of y, shape (..., 1) or (..., M)."""
    xp = array_namespace(received)
    if not xp.isdtype(received.dtype, "complex floating"):
        raise ValueError(f"received must be complex, got {received.dtype}")
    if received.shape[-1] != sensing.n_symbols:
        raise ValueError(f"received must have M = {sensing.n_symbols} symbols, got {received.shape[-1]}")
    if not bool(xp.all(xp.isfinite(received))):
        raise ValueError("received has symbols that are not finite; leave out the agent or the round that made them")
    real = xp.float64 if received.dtype == xp.complex128 else xp.float32
    noise = xp.asarray(noise_var, dtype=real, device=device(received))
    if not bool(xp.all((noise >= 0) & xp.isfinite(noise))):
        raise ValueError("noise_var must be finite and not negative")
    if not _broadcasts(noise.shape, received.shape):
        raise ValueError(
            f"noise_var must broadcast to received, shape {tuple(received.shape)}, got {tuple(noise.shape)}; "
            "one value a problem has shape (..., 1)"
        )
    return xp.reshape(noise, (1,) * received.ndim) if noise.ndim == 0 else noise


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(tuple(shape), tuple(to)) == tuple(to)
    except ValueError:
        return False


def signal_energy(power: Array, sensing: Sensing, noise: Array, guess: Array | None = None) -> tuple[Array, Array]:
    """Return v̂, which may be negative, and its standard error where there is no signal, each (..., 1).

    Args:
        power: |e_j|², shape (..., M).
        sensing: A.
        noise: σ_j², shape (..., 1) or (..., M).
        guess: v to take the weights from, shape (..., 1); None: found from the symbols.
    """
    xp = array_namespace(power)
    per_symbol = sensing.gain * sensing.padded_length / sensing.n_symbols
    unequal = noise.shape[-1] > 1
    u = _weights(noise, guess * per_symbol) if unequal and guess is not None else xp.ones_like(noise)
    excess, deviation = _weighted(power, noise, u)
    for _ in range(PASSES if unequal and guess is None else 0):
        excess, deviation = _weighted(power, noise, _weights(noise, xp.maximum(excess, deviation)))
    return excess / per_symbol, deviation / per_symbol


def _weights(noise: Array, signal: Array) -> Array:
    """Return u_j = (g/(g + σ_j²))², with g the mean signal power of a symbol; 1 where both are 0."""
    xp = array_namespace(noise)
    total = signal + noise
    return xp.where(total > 0, signal / xp.where(total > 0, total, xp.ones_like(total)), xp.ones_like(total)) ** 2


def _weighted(power: Array, noise: Array, u: Array) -> tuple[Array, Array]:
    """Return Σ u_j(|e_j|² − σ_j²)/Σ u_j and its standard error without signal, each (..., 1)."""
    xp = array_namespace(power)
    mean = xp.mean(u, axis=-1, keepdims=True)
    variance = xp.mean((u * noise) ** 2, axis=-1, keepdims=True) / power.shape[-1]
    return xp.mean(u * (power - noise), axis=-1, keepdims=True) / mean, xp.sqrt(variance) / mean


def square(z: Array) -> Array:
    """Return |z|², real, the shape of z."""
    xp = array_namespace(z)
    real, imaginary = xp.real(z), xp.imag(z)
    return real * real + imaginary * imaginary
