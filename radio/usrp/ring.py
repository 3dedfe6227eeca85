"""What a receiver has heard lately, by the index that its metadata gave to it; what was lost stays missing."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from radio.base import OverrunError, RadioError, Samples

FULL_SCALE = 1 - 2.0**-15
"""Largest part of a sample that a converter of 16 bits hands over without having limited it."""


@dataclass
class Ring:
    """The last samples of a stream, in blocks of complex64.

    Args:
        keep: samples that are kept at least.
        label: what errors call the radio.
        end: index of the sample that comes next.
        start: index of the first one that is kept.
        begun: index at which the stream began.
    """

    keep: int
    label: str
    end: int = 0
    start: int = 0
    begun: int = 0
    _after: str = ""
    _blocks: deque[tuple[int, np.ndarray]] = field(default_factory=deque)

    def append(self, first: int, block: np.ndarray) -> None:
        """Keep a block whose first sample has an index.

        Raises:
            RadioError: time has gone back.
        """
        if first < self.end:
            raise RadioError(
                f"radio {self.label}: samples must begin at index {self.end} or later, got {first}; its time was set "
                "while it ran, start it again"
            )
        self._blocks.append((first, block))
        self.end = first + block.size
        while self._blocks and self.end - self._blocks[0][0] - self._blocks[0][1].size >= self.keep:
            begin, oldest = self._blocks.popleft()
            self.start = begin + oldest.size

    def restart(self, index: int, after: str = "") -> None:
        """Forget what was heard; the next sample has an index, not below the one before.

        Args:
            index: of that.
            after: what had broken the stream; "" for nothing.
        """
        self._blocks.clear()
        self.start = self.end = self.begun = index
        self._after = f" again, after: {after}" if after else ""

    def read(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on, which is not beyond the end.

        Raises:
            OverrunError: they are no longer kept, were never heard, or some were lost.
        """
        if at < self.begun:
            raise OverrunError(
                f"radio {self.label}: samples must be at index {self.begun} or later, got index {at}; its stream began "
                f"there{self._after}"
            )
        if at < self.start:
            raise OverrunError(
                f"radio {self.label}: samples must be at most {self.end - self.start} old, got index {at}, the oldest "
                f"kept is {self.start}; receive sooner"
            )
        parts = [
            block[max(at - first, 0) : at + count - first]
            for first, block in self._blocks
            if first < at + count and first + block.size > at
        ]
        lost = count - sum(part.size for part in parts)
        if lost:
            raise OverrunError(
                f"radio {self.label}: {lost} of {count} samples from index {at} on were lost (overflow); lower "
                "waveform.sample_rate, take load off the machine, or give the link a larger recv_buff_size in "
                "radio.usrp.devices; indices go on as before"
            )
        data = np.concatenate(parts)
        limited = np.maximum(np.abs(data.real), np.abs(data.imag)) >= FULL_SCALE
        return Samples(data, at, clipped=int(limited.sum()))
