"""What a client has delivered to be sent: blocks in kernel buffers, and when they leave the queue."""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from radio.emulation.protocol import BYTES

LONGEST_PIECE = 1 << 17


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
