"""The transmitting side of a unit: kernel buffers, the converter's source, and its way onto the air.

A running stream reaches the antenna `PIPELINE` samples after it leaves the queue, the delay of the real filters. So a
receiver that has heard a span needs nothing that the client has not yet delivered.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

import numpy as np

from radio.air import Air
from radio.emulation.protocol import BYTES
from radio.emulation.tones import Tones
from radio.propagation import KERNEL

PIPELINE = 96
AHEAD = KERNEL + 8  # samples that the interpolator and rounding look ahead
LONGEST_PIECE = 1 << 17


class Source(Enum):
    """What the converter takes its samples from."""

    BUFFER = "buffer"
    TONES = "tones"
    ZERO = "zero"


@dataclass(frozen=True)
class Block:
    """Samples that a client has delivered.

    Args:
        position: count at which the first one leaves the queue.
        data: pairs of int16.
    """

    position: int
    data: bytes

    @property
    def end(self) -> int:
        """Count at which the last one has left."""
        return self.position + len(self.data) // BYTES

    @cached_property
    def is_silent(self) -> bool:
        """Whether all samples are zero: a running stream has nothing else to send most of the time."""
        return not np.frombuffer(self.data, np.uint32).any()

    def samples(self, low: int, high: int) -> np.ndarray:
        """Return what the converter makes of them from one count to another: its 12 bits are the upper ones."""
        if self.is_silent:
            return np.zeros(high - low, np.complex64)
        part = memoryview(self.data)[BYTES * (low - self.position) : BYTES * (high - self.position)]
        counts = np.frombuffer(part, "<i2") & np.int16(-16)
        return (counts.astype(np.float32) * np.float32(2**-15)).view(np.complex64)


@dataclass
class Delivery:
    """A running transmit buffer.

    Args:
        size: samples of a block.
        depth: kernel buffers.
        cyclic: whether its one block is repeated for ever.
        start: count at which it was opened.
        blocks: queued, the one being sent first.
        dry: whether it ran out of blocks, or was given up on, and nobody waits for it.
        waiting: who waits for a free buffer.
    """

    size: int
    depth: int
    cyclic: bool
    start: int
    blocks: deque[Block] = field(default_factory=deque)
    dry: bool = False
    waiting: asyncio.Future[None] | None = None

    def limit(self) -> int | None:
        """Return the count beyond which it would run dry, or begin too late; None: it never ends, or is dry."""
        if self.dry or (self.cyclic and self.blocks):
            return None
        return self.blocks[-1].end if self.blocks else self.start

    def put(self, data: bytes, now: int) -> bool:
        """Queue a block, and return whether a stream begins with it, at count `now` or later."""
        begins = self.dry or not self.blocks
        self.blocks.append(Block(now if begins else self.blocks[-1].end, data))
        self.dry = False
        return begins

    def retire(self, now: int, offset: float) -> bool:
        """Drop blocks that have left the antenna, `offset` after the queue; return whether the stream has run dry."""
        if self.cyclic or not self.blocks:
            return False
        while len(self.blocks) > 1 and self.blocks[0].end + offset <= now:
            self.blocks.popleft()
        return not self.dry and self.blocks[-1].end < now

    def queued(self, now: int) -> int:
        """Return how many blocks are not sent yet."""
        return sum(block.end > now for block in self.blocks)

    def pieces(self, low: int, high: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield what is sent from one count to another, as counts and samples; nothing where there is nothing."""
        for block in self.blocks:
            if self.cyclic:
                yield from self._repeated(block, low, high)
            elif block.position < high and block.end > low:
                first = max(low, block.position)
                yield first, block.samples(first, min(high, block.end))

    def _repeated(self, block: Block, low: int, high: int) -> Iterator[tuple[int, np.ndarray]]:
        first = max(low, block.position)
        wave, size = block.samples(block.position, block.end), block.end - block.position
        while first < high:
            count = min(high - first, LONGEST_PIECE)
            yield first, np.take(wave, np.arange(first - block.position, first - block.position + count) % size)
            first += count


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
