"""What a receiver has heard lately."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from radio.base import OverrunError, Samples

FULL_SCALE = 2048
"""Counts of the converter that are an amplitude of 1."""


@dataclass
class Ring:
    """The last samples of a stream, in blocks of pairs of int16.

    Args:
        keep: samples that are kept at least.
        end: index of the sample that comes next.
        start: index of the first one that is kept.
    """

    keep: int
    end: int = 0
    start: int = 0
    _blocks: deque[np.ndarray] = field(default_factory=deque)

    def append(self, block: np.ndarray) -> None:
        """Keep a block, int16 of shape (n, 2)."""
        self._blocks.append(block)
        self.end += len(block)
        while self.end - self.start - len(self._blocks[0]) >= self.keep:
            self.start += len(self._blocks.popleft())

    def restart(self, index: int) -> None:
        """Forget what was heard; the next sample has another index."""
        self._blocks.clear()
        self.start = self.end = index

    def read(self, count: int, at: int, label: str) -> Samples:
        """Return `count` samples from index `at` on, all of which have been heard.

        Raises:
            OverrunError: they are no longer kept, or were never heard.
        """
        if at < self.start:
            raise OverrunError(
                f"radio {label}: samples must be at most {self.end - self.start} old, got index {at}, the oldest kept "
                f"is {self.start}; receive sooner"
            )
        parts, first = [], self.start
        for block in self._blocks:
            last = first + len(block)
            if last > at and first < at + count:
                parts.append(block[max(at - first, 0) : at + count - first])
            first = last
        counts = np.concatenate(parts)
        data = counts.astype(np.float32).view(np.complex64).reshape(-1) / np.float32(FULL_SCALE)
        return Samples(data, at, clipped=int(((counts == FULL_SCALE - 1) | (counts == -FULL_SCALE)).any(1).sum()))
