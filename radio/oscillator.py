"""The oscillator of a unit: carrier and sample clock run off by the same parts per million, and the phase wanders.

    θ(t) = 2π·f_c·ε·t + φ(t)
    φ(t) = Wiener(2πΔν) + 2π∫ f(s) ds + PLL(t),   f: random walk of q Hz²/s from 0

Δν is the linewidth in Hz: the Wiener phase has variance 2πΔν·t, Allan variance Δν/(2π f_c² τ). The random walk of
frequency adds an Allan variance q·τ/(3 f_c²): 0.17 Hz²/s is a deviation of 1e-10 at 1 s and 2.4 GHz. PLL is an
Ornstein-Uhlenbeck phase, bounded: rms in radians and bandwidth in Hz.

Two things fall short of these formulas, by the measurements of `airmeta bench crosscheck` (docs/crosscheck.md). The
frequency walks in steps of 4,096 samples, so that its Allan variance is low at short spans: 17 % at τ of one step, 5 %
at two, 1 % at four. And the phase of the PLL is drawn every 32nd sample and straight in between: its rms is 1.6 % low.

Every value is a function of (seed, time): a coarse path of 4,096-sample steps, and inside each step a Brownian bridge
of 32-sample steps, drawn for 2 steps at once. So any span can be had in any order, and skipping idle time costs next to
nothing.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.signal import lfilter

FINE = 32
STEPS = 128
COARSE = FINE * STEPS
GROUP = 2
CHUNK = 1024
SPAN = GROUP * COARSE
KEPT = 256  # groups of bridges: two million samples


@dataclass(frozen=True)
class Wander:
    """What a phase does besides turning at a constant rate; all zero: nothing.

    Args:
        linewidth: Δν in Hz.
        frequency_walk: q in Hz²/s.
        pll_rms: in radians.
        pll_bandwidth: in Hz, at least 1 kHz.
    """

    linewidth: float = 0.0
    frequency_walk: float = 0.0
    pll_rms: float = 0.0
    pll_bandwidth: float = 1e4

    def __post_init__(self) -> None:
        for name in ("linewidth", "frequency_walk", "pll_rms"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.pll_rms and not self.pll_bandwidth >= 1e3:
            raise ValueError(f"pll_bandwidth must be at least 1 kHz, got {self.pll_bandwidth} Hz; slower is wander")

    @property
    def is_still(self) -> bool:
        """Whether the phase does not wander at all."""
        return not (self.linewidth or self.frequency_walk or self.pll_rms)


@dataclass
class Oscillator:
    """The phase φ of one oscillator at any time.

    Args:
        wander: its law.
        sample_rate: of the time axis, in Hz.
        seed: entropy of this oscillator alone.
    """

    wander: Wander
    sample_rate: float
    seed: tuple[int, ...]
    _carry: list[np.ndarray] = field(default_factory=lambda: [np.zeros(2)])
    _chunks: dict[int, np.ndarray] = field(default_factory=dict)
    _groups: dict[int, np.ndarray] = field(default_factory=dict)

    def phase(self, times: np.ndarray) -> np.ndarray:
        """Return φ at times in samples of the time axis, >= 0, any shape; linear between 32-sample points.

        Raises:
            ValueError: a time before 0.
        """
        if self.wander.is_still or not times.size:
            return np.zeros(times.shape)
        low, high = float(times.min()), float(times.max())
        if low < 0:
            raise ValueError(f"times must not be negative, got {low}")
        first, last = int(low // SPAN), int((high + FINE) // SPAN)
        path = np.concatenate([self._group(group) for group in range(first, last + 1)])
        return np.interp(times, first * SPAN + FINE * np.arange(path.size), path)

    def _group(self, group: int) -> np.ndarray:
        """Return φ at the 32-sample points of a group of coarse steps, shape (GROUP·STEPS,)."""
        if group not in self._groups:
            while len(self._groups) >= KEPT:
                self._groups.pop(next(iter(self._groups)))
            self._groups[group] = self._bridges(group) + (self._pll(group) if self.wander.pll_rms else 0)
        return self._groups[group]

    def _bridges(self, group: int) -> np.ndarray:
        """Return φ without PLL, as `_group`: straight lines between coarse points, a bridge and a parabola on each."""
        chunk, place = divmod(group * GROUP, CHUNK)
        ends = self._chunk(chunk)[place : place + GROUP + 1, :, None]
        here, ahead = ends[:-1], ends[1:]
        part, span = np.arange(STEPS) / STEPS, COARSE / self.sample_rate
        wiener = np.cumsum(self._normal(1, group).reshape(GROUP, STEPS), axis=1)
        bridge = -part * wiener[:, -1:]
        bridge[:, 1:] += wiener[:, :-1]
        bridge *= np.sqrt(2 * np.pi * self.wander.linewidth * span / STEPS)
        # ∫f over part of the step, less the straight line between its ends: a parabola
        bend = np.pi * span * (here[:, 1] - ahead[:, 1]) * (part * (1 - part))
        return (here[:, 0] + (ahead[:, 0] - here[:, 0]) * part + bridge + bend).ravel()

    def _pll(self, group: int) -> np.ndarray:
        """Return the bounded phase: white noise of the group before and of this one, through a one-pole low-pass."""
        keep = np.exp(-2 * np.pi * self.wander.pll_bandwidth * FINE / self.sample_rate)
        white = np.concatenate([self._normal(2, group), self._normal(2, group + 1)])
        white[0] /= np.sqrt(1 - keep**2)  # starts stationary
        smooth = lfilter([np.sqrt(1 - keep**2)], [1, -keep], white)
        return self.wander.pll_rms * smooth[GROUP * STEPS :]

    def _chunk(self, chunk: int) -> np.ndarray:
        """Return (φ, f) at the beginnings of the coarse steps of a chunk and of the next, shape (CHUNK + 1, 2)."""
        while len(self._carry) <= chunk:
            self._carry.append(self._walk(len(self._carry) - 1)[-1])
        if chunk not in self._chunks:
            self._chunks = {chunk: self._walk(chunk)}
        return self._chunks[chunk]

    def _walk(self, chunk: int) -> np.ndarray:
        span = COARSE / self.sample_rate
        rng = np.random.default_rng([*self.seed, 0, chunk])
        phase, walk = rng.standard_normal((2, CHUNK))
        start = self._carry[chunk]
        f = start[1] + np.concatenate([[0], np.cumsum(walk) * np.sqrt(self.wander.frequency_walk * span)])
        steps = phase * np.sqrt(2 * np.pi * self.wander.linewidth * span) + np.pi * span * (f[:-1] + f[1:])
        return np.stack([start[0] + np.concatenate([[0], np.cumsum(steps)]), f], axis=1)

    def _normal(self, purpose: int, group: int) -> np.ndarray:
        return np.random.default_rng([*self.seed, purpose, group]).standard_normal(GROUP * STEPS)
