"""Block fading of the papers' multiple-access channel: one complex gain per agent and block, E|h|² = 1.

Rayleigh: h ~ CN(0, 1). Rician: h = √(K/(K+1))·e^{jφ} + √(1/(K+1))·CN(0, 1), φ uniform. None: h = 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import eval_laguerre


@dataclass(frozen=True)
class BlockFading:
    """The law of the channel gains.

    Args:
        kind: "rayleigh", "rician" or "none".
        k_factor: Rician K, power of the direct path over that of the rest (linear).
    """

    kind: Literal["rayleigh", "rician", "none"] = "rayleigh"
    k_factor: float = 4.0

    def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Return independent gains h, complex128, shape as asked."""
        if self.kind == "none":
            return np.ones(shape, np.complex128)
        scattered = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)
        if self.kind == "rayleigh":
            return scattered
        direct = np.exp(2j * np.pi * rng.random(shape))
        return np.sqrt(self.k_factor / (1 + self.k_factor)) * direct + scattered / np.sqrt(1 + self.k_factor)

    @property
    def mean_amplitude(self) -> float:
        """μ_h = E|h|: 1 without fading, √π/2 for Rayleigh, √(π/(4(K+1)))·L_½(−K) for Rician."""
        if self.kind == "none":
            return 1.0
        k_factor = 0.0 if self.kind == "rayleigh" else self.k_factor
        return float(np.sqrt(np.pi / (4 * (1 + k_factor))) * eval_laguerre(0.5, -k_factor))
