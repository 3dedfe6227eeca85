"""The tones that the FPGA of a Pluto sends when no buffer does: two for I and two for Q.

    I + jQ = Σ_{k=0,1} s_k·cos(2π f_k t + φ_k) + j·Σ_{k=2,3} s_k·cos(2π f_k t + φ_k),    limited to ±1

Scales, steps and refusals as in `cf_axi_dds.c`; `raw` is one switch for all four. A buffer that is destroyed hands the
converter back to the tones, whatever `raw` says: that is how a Pluto goes on sending after a client has gone.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from radio.emulation import synthesis
from radio.emulation.layout import DDS, Attribute
from radio.emulation.protocol import Address, RefusedError

TONES = 4
INCREMENTS = 0xFFFF


@dataclass
class Tones:
    """Frequencies, scales and phases of the tones.

    Args:
        rate: returns the sample rate in Hz.
        before: called ahead of a change.
        after: called behind it.
        select: called with whether the tones or zeros are sent from now on.
        enabled: `raw`.
        scales: s, shape (4,); 0 after power-up.
        counts: f in rate/65535, shape (4,).
        phases: φ in thousandths of a degree, shape (4,).
    """

    rate: Callable[[], int]
    before: Callable[[], None]
    after: Callable[[], None]
    select: Callable[[bool], None]
    enabled: bool = True
    scales: np.ndarray = field(default_factory=lambda: np.zeros(TONES))
    counts: np.ndarray = field(default_factory=lambda: np.full(TONES, 19_796))
    phases: np.ndarray = field(default_factory=lambda: np.array([90_000, 90_000, 0, 0]))

    @property
    def are_silent(self) -> bool:
        """Whether all scales are 0."""
        return not self.scales.any()

    def samples(self, low: int, high: int) -> np.ndarray:
        """Return what they send at counts low to high − 1 of the sample clock, complex64."""
        branches, counts = np.zeros((2, high - low)), np.arange(low, high)
        for tone in np.flatnonzero(self.scales).tolist():
            turns = np.mod(self.counts[tone] / INCREMENTS * counts + self.phases[tone] / 360_000, 1.0)
            branches[tone // 2] += self.scales[tone] * np.cos(2 * np.pi * turns)
        sent = np.empty(high - low, np.complex64)
        sent.real, sent.imag = np.clip(branches, -1, 1)
        return sent

    def attributes(self) -> dict[Address, Attribute]:
        """Return what clients see of them."""
        here: dict[Address, Attribute] = {}
        for tone in range(TONES):
            for name, attribute in self._tone(tone).items():
                here[Address(DDS, "OUTPUT", f"altvoltage{tone}", name)] = attribute
        return here

    def _tone(self, tone: int) -> dict[str, Attribute]:
        def frequency(text: str) -> None:
            wish = synthesis.number(text)
            if not 0 <= wish <= self.rate() / 2:
                raise RefusedError(errno.EINVAL)
            self._set(self.counts, tone, int(wish) * INCREMENTS // self.rate())

        def phase(text: str) -> None:
            wish = synthesis.number(text)
            if not 0 <= wish <= 360_000:
                raise RefusedError(errno.EINVAL)
            self._set(self.phases, tone, int(wish) % 360_000)

        def scale(text: str) -> None:
            wish = synthesis.number(text)
            if not -2 < wish < 2:
                raise RefusedError(errno.EINVAL)
            self._set(self.scales, tone, np.round(wish * 0x4000) / 0x4000)

        return {
            "frequency": Attribute(lambda: str(int(self.counts[tone]) * self.rate() // INCREMENTS), frequency),
            "phase": Attribute(lambda: str(int(self.phases[tone])), phase),
            "raw": Attribute(lambda: str(int(self.enabled)), self._switch),
            "sampling_frequency": Attribute(lambda: str(self.rate())),
            "scale": Attribute(lambda: f"{self.scales[tone]:.6f}", scale),
        }

    def _switch(self, text: str) -> None:
        wanted = bool(int(synthesis.number(text)))
        self.before()
        self.enabled = wanted
        self.select(wanted)
        self.after()

    def _set(self, values: np.ndarray, tone: int, wanted: float) -> None:
        self.before()
        values[tone] = wanted
        self.after()
