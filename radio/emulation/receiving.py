"""The receiving side of a unit's kernel: blocks that the DMA fills whether or not anybody reads them.

A client gets the oldest block first; when all kernel buffers are full, samples are lost, not queued.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from radio.air import Air
from radio.emulation.protocol import BYTES
from radio.propagation import ROUNDING

FULL_SCALE = 2048  # counts of a 12-bit converter
PIECE = 1 << 16
_SILENCE = bytes(BYTES * PIECE)

Loopback = Callable[[int, int], np.ndarray | None]
Hear = Callable[[float], None]


@dataclass
class Reception:
    """A running receive buffer.

    Args:
        unit: who hears.
        size: samples of a block.
        depth: kernel buffers.
        start: count of the unit's clock at which the block being filled begins.
        loopback: returns what the transmitter sends in a span of counts if the digital loopback is on, else None.
        heard: called with the mean power of each block.
        lost: called when a block is lost.
        opened: count at which the first block began.
    """

    unit: int
    size: int
    depth: int
    start: int
    loopback: Loopback
    heard: Hear
    lost: Callable[[], None]
    opened: int = field(init=False)
    absent: bool = False
    waiting: asyncio.Future[None] | None = None
    ready: deque[bytes] = field(default_factory=deque)
    _parts: list[bytes] = field(default_factory=list)
    _filled: int = 0
    _power: float = 0.0

    def __post_init__(self) -> None:
        self.opened = self.start

    @property
    def end(self) -> int:
        """Count at which the block being filled ends."""
        return self.start + self.size

    @property
    def has_room(self) -> bool:
        """Whether samples are kept."""
        return len(self.ready) < self.depth

    @property
    def filled(self) -> int:
        """Count up to which samples have been taken from the air."""
        return self.start + self._filled

    def limit(self) -> int | None:
        """Return the count beyond which a client's absence would cost samples; None: its samples are lost anyway."""
        if self.absent:
            return None
        free = max(self.depth - 1, int(self.waiting is not None)) - len(self.ready)
        return self.start + max(free, 0) * self.size

    def move(self, start: int) -> None:
        """Begin a new block at another count: the clock has another rate."""
        self.start, self._filled, self._power = start, 0, 0.0
        self._parts.clear()

    def fill(self, air: Air, time: float) -> None:
        """Take what is on the air up to an air time; whoever waits for a block is woken."""
        until = int(np.floor(air.unit(self.unit).index(time) + ROUNDING))
        while self.filled < until:
            count = min(until, self.end) - self.filled
            if self.has_room:
                self._take(air, count)
            self._filled += count
            if self._filled == self.size:
                self._finish()
        if self.ready and self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    def _take(self, air: Air, count: int) -> None:
        for low in range(self.filled, self.filled + count, PIECE):
            part = min(PIECE, self.filled + count - low)
            looped = self.loopback(low, low + part)
            if looped is None and air.is_silent(self.unit, part, low):
                self._parts.append(_SILENCE if part == PIECE else _SILENCE[: BYTES * part])
                continue
            heard = air.receive(self.unit, part, low)[0] if looped is None else looped
            self._power += float(np.vdot(heard, heard).real)
            self._parts.append(_counts(heard).tobytes())

    def _finish(self) -> None:
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        power = self._power / self.size
        self.move(self.end)
        if len(data) == BYTES * self.size and self.has_room:
            self.ready.append(data)
            self.heard(power)
        else:
            self.lost()


def _counts(heard: np.ndarray) -> np.ndarray:
    """Return samples as pairs of 12-bit counts in int16, limited to what the converter has."""
    levels = np.rint(heard.view(np.float32) * np.float32(FULL_SCALE))
    return np.clip(levels, -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
