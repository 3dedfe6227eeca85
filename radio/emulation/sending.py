"""The transmitting side of a unit: the converter's source, and its way onto the air.

A running stream reaches the antenna `PIPELINE` samples after it leaves the queue, the delay of the real filters. So a
receiver that has heard a span needs nothing that the client has not yet delivered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from radio.air import Air
from radio.emulation.delivery import LONGEST_PIECE, Delivery
from radio.emulation.tones import Tones
from radio.propagation import KERNEL

PIPELINE = 96
AHEAD = KERNEL + 8  # samples that the interpolator and rounding look ahead


class Source(Enum):
    """What the converter takes its samples from."""

    BUFFER = "buffer"
    TONES = "tones"
    ZERO = "zero"


@dataclass
class Sending:
    """The converter of a unit, and what it has put on the air.

    Args:
        unit: who sends.
        tones: its tone generators.
        offset: of a stream on the air, in samples: pipeline, cable, start.
        is_on: whether its mixer works.
        source: what the converter takes.
        delivery: the open buffer, None without one.
    """

    unit: int
    tones: Tones
    offset: float = PIPELINE
    is_on: bool = True
    source: Source = Source.TONES
    delivery: Delivery | None = None
    _next: int = 0
    _continues: bool = False

    def rewind(self, air: Air) -> None:
        """Forget what was put on the air and not heard yet: `Air.cut` has taken it back."""
        self._next = int(np.ceil(float(air.unit(self.unit).index(air.frontier)) - self.offset))
        self._continues = False

    def emit(self, air: Air, time: float) -> None:
        """Put on the air what is heard until an air time."""
        until = int(np.ceil(float(air.unit(self.unit).index(time)) - self.offset)) + AHEAD
        if self._next >= until:
            return
        end = self._next
        for first, samples in joined(self.pieces(self._next, until)) if self.is_on else ():
            air.stream(self.unit, samples, first + self.offset, self._continues and first == end)
            self._continues, end = True, first + samples.size
        self._continues = self._continues and end == until
        self._next = until

    def pieces(self, low: int, high: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield what the converter sends from one count to another, whether or not the mixer works."""
        if self.source is Source.BUFFER and self.delivery is not None:
            yield from self.delivery.pieces(low, high)
        elif self.source is Source.TONES and not self.tones.are_silent:
            for first in range(low, high, LONGEST_PIECE):
                yield first, self.tones.samples(first, min(high, first + LONGEST_PIECE))

    def wave(self, low: int, high: int) -> np.ndarray:
        """Return what the converter sends from one count to another, zeros included: the digital loopback hears it."""
        whole = np.zeros(high - low, np.complex64)
        for first, samples in self.pieces(low, high):
            whole[first - low : first - low + samples.size] = samples
        return whole


def joined(pieces: Iterator[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield pieces with those joined that follow upon each other, silent ones with silent ones.

    Every piece on the air costs some blocks of work, but for a silent one, which costs none.
    """
    first, parts, end, loud = 0, list[np.ndarray](), 0, False
    for start, samples in pieces:
        sounds = bool(samples.any())
        if parts and (start != end or sounds != loud or end - first >= LONGEST_PIECE):
            yield first, _whole(parts)
            parts = []
        if not parts:
            first, loud = start, sounds
        parts.append(samples)
        end = start + samples.size
    if parts:
        yield first, _whole(parts)


def _whole(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
