"""The ratio of two radios' chains as it was measured, put to use on the subcarriers of a waveform."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calibration.measurement import NORMAL_95, Quantity
from calibration.ratio_fit import ratio_of
from dsp.ofdm import Numerology

PER_NEPER = 20 / float(np.log(10))  # dB


@dataclass(frozen=True)
class Ratio:
    """c of an agent and the server, and at which counters it holds.

    Args:
        gain_db: of c.
        phase_deg: of c, at the carrier.
        delay_samples: τ, by which the uplink is later.
        clock_samples: the agent's counter less the server's, as both directions count it.
        gain_error_db: half the width of the 95 % interval, like the next two.
        phase_error_deg: see above.
        delay_error_samples: see above.
        ripple_db: rms over the subcarriers of what this model of c leaves.
    """

    gain_db: float = 0.0
    phase_deg: float = 0.0
    delay_samples: float = 0.0
    clock_samples: int = 0
    gain_error_db: float = 0.0
    phase_error_deg: float = 0.0
    delay_error_samples: float = 0.0
    ripple_db: float = 0.0

    @classmethod
    def of(cls, quantities: Mapping[str, Quantity]) -> "Ratio":
        """Return the ratio that `measure` found.

        Raises:
            ValueError: a quantity is missing.
        """
        needed = "gain_db", "phase_deg", "delay_samples", "clock_samples", "ripple_db"
        if missing := [name for name in needed if name not in quantities]:
            raise ValueError(
                f"a chain ratio has {', '.join(needed)}, got none of {', '.join(missing)}; run airmeta calibrate "
                "reciprocity"
            )
        gain, phase, delay, clock, ripple = (quantities[name] for name in needed)
        return cls(
            gain.value, phase.value, delay.value, round(clock.value),
            gain.uncertainty, phase.uncertainty, delay.uncertainty, ripple.value,
        )  # fmt: skip

    def on(self, numerology: Numerology) -> np.ndarray:
        """Return c on each subcarrier, shape (2K,): G·e^{j(φ − 2πkτ/N)}."""
        state = np.array([self.gain_db / PER_NEPER, np.deg2rad(self.phase_deg), self.delay_samples])
        return ratio_of(state, numerology)

    def variance(self, numerology: Numerology) -> np.ndarray:
        """Return the variance of c over |c|² on each subcarrier, shape (2K,)."""
        kappa = 2 * np.pi * numerology.subcarriers / numerology.n_fft
        gain = self.gain_error_db / PER_NEPER
        turned = np.deg2rad(self.phase_error_deg) ** 2 + (kappa * self.delay_error_samples) ** 2
        ripple = 10 ** (self.ripple_db / 20) - 1
        return (gain**2 + turned) / NORMAL_95**2 + ripple**2
