"""The simulated air: what every unit hears is a function of what all units sent up to then, the seed, and time.

    y_r[m] = g·Σ_u Σ_l h_l(t)·x_u(p(t) − τ_l)·e^{j(θ_u(t) − θ_r(t))} + n,     t = (m − s_r)/(1 + ε_r)

t is air time in nominal samples; s and ε are the start and the clock offset of a unit's counter; p(t) is where in its
burst unit u is at t; θ its oscillator (`radio.oscillator`), h the taps of the link (`radio.fading`), the same both
ways. Receiving a span fixes it: whoever sends into it afterwards is late. Spans may be received in any pieces and any
order: the samples are the same, because blocks, noise and wander are tied to absolute indices, and a burst is nowhere
heard before its first sample or after a cut (there, the interpolator's ringing and the echoes of at most 64 samples
are cut off as well). Nor does the order count in which units hand over their bursts: they are added in the order of
units and instants, to the last bit.

How a burst comes to a receiver's blocks is `radio.propagation`, to −77 dB for two clocks 40 ppm apart.
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from radio.base import LateError, OverrunError, check_burst
from radio.fading import Fading
from radio.links import Burst, Links
from radio.noise import NOISE_CHUNK, noise_key, normal_chunk
from radio.propagation import BLOCK, KERNEL, LEFT, LONGEST_DELAY, ROUNDING, gate, move, turn
from radio.unit import Unit

BATCH = 16  # blocks worked on together: their arrays stay in the second-level cache


@dataclass
class Air:
    """An air with any number of units.

    Args:
        unit_of: the unit of an id.
        fading: law of every link.
        carrier: in Hz.
        sample_rate: nominal, in Hz.
        seed: of everything random here.
        memory: seconds for which bursts and spans can still be heard.
    """

    unit_of: Callable[[int], Unit]
    fading: Fading
    carrier: float
    sample_rate: float
    seed: int
    memory: float = 2.0
    frontier: float = 0.0
    _bursts: list[Burst] = field(default_factory=list)
    _sent: dict[int, int] = field(default_factory=dict)
    _replaced: dict[int, Unit] = field(default_factory=dict)
    _links: Links = field(init=False)

    def __post_init__(self) -> None:
        if self.fading.span > LONGEST_DELAY:
            raise ValueError(
                f"the longest path is {self.fading.span:.1f} samples, this air covers {LONGEST_DELAY}; shorten the "
                "delay spread or lower the sample rate"
            )
        self._links = Links(self.unit, self.fading, self.carrier, self.sample_rate, self.seed)

    def unit(self, unit: int) -> Unit:
        """Return a unit as it is now."""
        return self._replaced.get(unit) or self.unit_of(unit)

    def replace(self, unit: int, about: Unit) -> None:
        """Change a unit from now on: what it has sent stays as it is, its counter runs on."""
        shift = self.frontier * (self.unit(unit).rate - about.rate)
        self._replaced[unit] = replace(about, start=about.start + shift) if shift else about

    def restore(self, unit: int) -> None:
        """Undo what `replace` has changed of a unit, from now on; its counter runs on."""
        if unit in self._replaced:
            self.replace(unit, replace(self.unit_of(unit), start=self.unit(unit).start))

    def transmit(self, unit: int, samples: np.ndarray, at: int) -> None:
        """Put samples on the air; index `at` is of the unit's counter.

        Raises:
            LateError: somebody has already heard that instant.
            FullScaleError: a sample has |x| > 1.
        """
        burst, about = check_burst(samples), self.unit(unit)
        number = self._sent[unit] = self._sent.get(unit, -1) + 1
        jitter = about.timing_jitter * self._rng(unit, 3, at % 2**64).standard_normal() if about.timing_jitter else 0.0
        first = at + about.timing_offset + jitter
        early = self.frontier - float(about.time(first))
        if early > ROUNDING:
            raise LateError(
                f"burst {number} of unit {unit} would leave {early:.0f} samples before what has been heard already; "
                f"hand it over earlier, or start it at {int(np.ceil(at + early * about.rate)) + 1}"
            )
        self._put(about, unit, burst, first)

    def stream(self, unit: int, samples: np.ndarray, first: float, continues: bool) -> None:
        """Put a piece of a running stream on the air: |x| may reach √2, as two converters at full scale send it.

        Args:
            unit: who sends.
            samples: complex64, shape (n,).
            first: index of the unit's counter, not rounded, at which they leave; `timing_offset` is not added.
            continues: whether the piece before this one ended at `first`; both together are then heard as one.

        Raises:
            LateError: somebody has already heard that instant.
        """
        about = self.unit(unit)
        early = self.frontier - float(about.time(first - KERNEL if continues else first))
        if early > ROUNDING:
            raise LateError(
                f"a piece of the stream of unit {unit} comes {early:.0f} samples after it has been heard; hand it over "
                "earlier"
            )
        self._put(about, unit, samples, first, continues)

    def _put(self, about: Unit, unit: int, samples: np.ndarray, first: float, continues: bool = False) -> None:
        if not (about.transmit.dc or samples.any()):
            return  # zeros, which running streams consist of most of the time, add nothing to anything
        begin = float(about.time(first - KERNEL))
        end = float(about.time(first + samples.size + LEFT))
        sent = about.transmit.apply(samples)
        burst = Burst(unit, first, sent, begin, end, np.inf, about.transmit_hz, continues)
        insort(self._bursts, burst, key=_turn_of)  # sums round alike, whoever handed over first

    def pass_time(self, time: float) -> None:
        """Let time pass up to an air time, with nobody listening: what was not sent by then is silence."""
        self.frontier = max(self.frontier, time)
        self._forget(self.frontier - self.memory * self.sample_rate)

    def is_silent(self, unit: int, count: int, at: int) -> bool:
        """Return whether a unit hears exact zeros in a span: no noise, nobody sending, nothing of its own."""
        about = self.unit(unit)
        if about.noise_var or about.tone or about.receive.dc:
            return False
        begin, end = float(about.time(at)), float(about.time(at + count))
        return not any(burst.begin < end and burst.end > begin for burst in self._bursts)

    def receive(self, unit: int, count: int, at: int) -> tuple[np.ndarray, int]:
        """Return what a unit hears from index `at` of its counter on, and how many samples its converter limited.

        Raises:
            ValueError: before air time 0, or nothing asked for.
            OverrunError: longer ago than `memory`.
        """
        about = self.unit(unit)
        begin, end = float(about.time(at)), float(about.time(at + count))
        if count < 1 or begin < 0:
            raise ValueError(f"a span must have samples and begin at air time 0 or later, got {count} from {begin:.0f}")
        oldest = self.frontier - self.memory * self.sample_rate
        if begin < oldest:
            raise OverrunError(
                f"samples from {at} on are {(self.frontier - begin) / self.sample_rate:.2f} s old, the air keeps "
                f"{self.memory} s; receive sooner"
            )
        heard = self._superpose(unit, count, at)
        heard += self._noise(unit, count, at)
        if about.tone:
            heard += self._tone(about, count, at)
        self.frontier = max(self.frontier, end)
        self._forget(oldest)
        return about.receive.apply(heard)

    def cut(self, unit: int) -> None:
        """Take back what a unit has put on the air and nobody has heard yet."""
        now = self.unit(unit).index(self.frontier)
        self._bursts = [
            replace(burst, until=min(burst.until, now - burst.first)) if burst.unit == unit else burst
            for burst in self._bursts
            if burst.unit != unit or burst.first < now - ROUNDING
        ]

    def oracle_signal(self, unit: int, count: int, at: int, sender: int | None = None) -> np.ndarray:
        """Return what a unit would hear, from one sender or from all, without noise and receiver; fixes nothing."""
        return self._superpose(unit, count, at, sender)

    def oracle_phase(self, sender: int, receiver: int, times: np.ndarray) -> np.ndarray:
        """Return θ_u − θ_r in radians at air times, their tuning left out."""
        return self._links.phase(sender, receiver, times)

    def oracle_taps(self, sender: int, receiver: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return delays in samples, shape (L,), and gains at air times, shape (T, L)."""
        return self._links.taps(sender, receiver, times)

    def _superpose(self, unit: int, count: int, at: int, sender: int | None = None) -> np.ndarray:
        first, last = at // BLOCK, (at + count - 1) // BLOCK
        total = np.zeros(((last - first + 1), BLOCK), np.complex64)
        about = self.unit(unit)
        begin, end = float(about.time(first * BLOCK)), float(about.time((last + 1) * BLOCK))
        for burst in self._bursts:
            if sender not in (None, burst.unit) or burst.begin >= end or burst.end <= begin:
                continue
            if burst.unit == unit and about.leakage_db is None:
                continue
            if abs(burst.tuned_hz - about.receive_hz) >= self.sample_rate / 2:
                continue  # a receiver's filters take it out; nearer ones are heard whole, what aliases included
            low = max(int(about.index(burst.begin) // BLOCK), first)
            high = min(int(about.index(burst.end) // BLOCK), last)
            self._add(total[low - first : high - first + 1], burst, unit, np.arange(low, high + 1))
        return total.reshape(-1)[at - first * BLOCK :][:count]

    def _add(self, total: np.ndarray, burst: Burst, unit: int, blocks: np.ndarray) -> None:
        """Add to `total`, shape (blocks, BLOCK), the part of a burst in these blocks of a receiver."""
        passage = self._links.passage(burst, unit, blocks)
        delays = self.fading.delays if burst.unit != unit else np.zeros(1)
        for start in range(0, blocks.size, BATCH):
            batch = slice(start, start + BATCH)
            moved = move(burst.samples, delays, passage, batch)
            gate(moved, burst.until, passage, batch, not burst.continues)
            if passage.start is not None and passage.step is not None:
                moved *= turn(passage.start[batch], passage.step[batch])
            total[batch] += moved

    def _noise(self, unit: int, count: int, at: int) -> np.ndarray:
        """Return noise of a unit from an index on, by Box and Muller's method from 64 bits a sample (|n| < 4.9 σ).

        n = √(−σ²·ln u)·e^{2πjv},   u, v uniform in (0, 1], [0, 1]
        """
        variance = self.unit(unit).noise_var
        noise = np.zeros(count, np.complex64)
        if not variance:
            return noise
        for chunk in range(at // NOISE_CHUNK, (at + count - 1) // NOISE_CHUNK + 1):
            begin = chunk * NOISE_CHUNK - at
            part = normal_chunk(noise_key(self.seed, unit), chunk)[max(-begin, 0) : count - begin]
            np.multiply(part, np.float32(np.sqrt(variance)), out=noise[max(begin, 0) :][: part.size])
        return noise

    def _tone(self, about: Unit, count: int, at: int) -> np.ndarray:
        cycles = np.mod(about.tone_hz / self.sample_rate * (at + np.arange(count)), 1.0)
        return (about.tone * about.receive.gain * np.exp(2j * np.pi * cycles)).astype(np.complex64)

    def _rng(self, unit: int, purpose: int, index: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, purpose, unit, index])

    def _forget(self, oldest: float) -> None:
        self._bursts = [burst for burst in self._bursts if burst.end >= oldest]


def _turn_of(burst: Burst) -> tuple[int, float]:
    return burst.unit, burst.first
