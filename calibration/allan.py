"""The Allan deviation of a clock from its phase at equal steps.

    σ_y²(mτ₀) = 1/(2·m²·τ₀²·(N − 2m)) · Σ_i (x_{i+2m} − 2x_{i+m} + x_i)²

over all i that fit (overlapping). Riley, "Handbook of Frequency Stability Analysis", NIST SP 1065, 2008: sections 5.2.4
and 5.4.1, degrees of freedom for white frequency noise. White noise v of measuring the phase alone gives
σ_y² = 3v/(τ·2πf_c)².
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2


@dataclass(frozen=True)
class Allan:
    """An Allan deviation over averaging times; all arrays of one shape.

    Args:
        tau: in seconds.
        deviation: σ_y, dimensionless.
        low: lower end of its 95 % interval.
        high: upper end.
        floor: what the noise of measuring alone gives.
        freedom: degrees of freedom of the estimate.
    """

    tau: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray
    floor: np.ndarray
    freedom: np.ndarray


def allan(phase: np.ndarray, step: float, carrier: float, phase_var: float) -> Allan:
    """Return the overlapping Allan deviation for m = 1, 2, 4, … up to a third of the series.

    Args:
        phase: of the carrier in radians, unwrapped, at equal steps, shape (N,), N >= 4.
        step: τ₀ in seconds.
        carrier: f_c in Hz.
        phase_var: v in rad², of each phase.
    """
    x, count = phase / (2 * np.pi * carrier), phase.size
    sizes = 2 ** np.arange(int(np.log2(max((count - 1) // 3, 1))) + 1)
    tau = sizes * step
    bends = [x[2 * m :] - 2 * x[m:-m] + x[: -2 * m] for m in sizes.tolist()]
    variance = np.array([np.mean(bend**2) for bend in bends]) / (2 * tau**2)
    freedom = (3 * (count - 1) / (2 * sizes) - 2 * (count - 2) / count) * 4 * sizes**2 / (4 * sizes**2 + 5)
    freedom = np.maximum(freedom, 1.0)
    low, high = (np.sqrt(variance * freedom / chi2.ppf(end, freedom)) for end in (0.975, 0.025))
    floor = np.sqrt(3 * phase_var) / (2 * np.pi * carrier * tau)
    return Allan(tau, np.sqrt(variance), low, high, floor, freedom)
