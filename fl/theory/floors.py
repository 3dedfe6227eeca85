"""Errors of the sum that no SNR takes away, as NMSE: amplitudes left uninverted, and symbols left out.

    phase_only    Var|h|/μ_h²·c,  c = Σ‖g_i‖²/‖Σ g_i‖²      Rayleigh: 4/π − 1 at c = 1, −5.6 dB    [C]
    inversion     1 − e^{−g_th}                             Rayleigh: −10 dB at .1, −20 dB at .01  [R, C]

Both are means over the fading, for updates that are orthogonal (disjoint supports, c = 1): these add powers, as their
errors do. Updates that point the same way have c down to 1/n, and so much less error. They are rigorous for received
symbols divided by the mean scale (docs/theory.md); a receiver that knows of the error shrinks what it reads, and
gets at best f/(1+f) where a linear one is all that it can be: `shrunk`.
"""

from math import expm1

from fl.fading import BlockFading


def phase_only_floor(law: BlockFading, coherence: float = 1.0) -> float:
    """Return E|h|²/μ_h² − 1 times c: the error of Σ (|h_i|/μ_h)·g_i as an estimate of Σ g_i, over ‖Σ g_i‖².

    Args:
        law: of the fading, with E|h|² = 1.
        coherence: c = Σ‖g_i‖²/‖Σ g_i‖²; 1 for orthogonal updates.

    Raises:
        ValueError: c is not positive.
    """
    if not coherence > 0:
        raise ValueError(f"coherence must be positive, got {coherence}")
    return (1 / law.mean_amplitude**2 - 1) * coherence


def truncation_floor(min_gain: float) -> float:
    """Return 1 − e^{−g}, the part of the power of orthogonal updates that truncation erases under Rayleigh fading.

    Args:
        min_gain: g_th, power gain below which inversion stays silent.

    Raises:
        ValueError: g_th is negative.
    """
    if not min_gain >= 0:
        raise ValueError(f"min_gain must not be negative, got {min_gain}")
    return -expm1(-min_gain)


def shrunk(error: float) -> float:
    """Return f/(1+f): the error f, uncorrelated with the sum, after the best scaling."""
    return error / (1 + error)
