"""What a receiver has heard lately, by index; what was lost stays missing."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from radio.base import OverrunError, RadioError, Samples

Decode = Callable[[np.ndarray], tuple[np.ndarray, int]]


def as_they_are(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Return complex64 samples of which nobody knows whether a converter limited them."""
    return samples, 0


@dataclass
class Ring:
    """The last samples of a stream, in blocks as they came.

    Args:
        keep: samples that are kept at least.
        label: what errors call the radio.
        decode: returns samples, and how many of them are clipped, from part of a block.
        remedy: what helps where samples were lost.
        end: index of the sample that comes next.
        start: index of the first one that is kept.
        begun: index at which the stream began.
    """

    keep: int
    label: str
    decode: Decode = as_they_are
    remedy: str = "lower waveform.sample_rate, or take load off the machine"
    end: int = 0
    start: int = 0
    begun: int = 0
    _after: str = ""
    _blocks: deque[tuple[int, np.ndarray]] = field(default_factory=deque)

    def append(self, block: np.ndarray, first: int | None = None) -> None:
        """Keep a block.

        Args:
            block: its first axis counts samples.
            first: index of its first sample; None: of the one that comes next.

        Raises:
            RadioError: time has gone back.
        """
        begin = self.end if first is None else first
        if begin < self.end:
            raise RadioError(
                f"radio {self.label}: samples must begin at index {self.end} or later, got {begin}; its time was set "
                "while it ran, start it again"
            )
        self._blocks.append((begin, block))
        self.end = begin + len(block)
        while self._blocks and self.end - self._blocks[0][0] - len(self._blocks[0][1]) >= self.keep:
            begin, oldest = self._blocks.popleft()
            self.start = begin + len(oldest)

    def restart(self, index: int, after: str = "") -> None:
        """Forget what was heard; the next sample has another index.

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
            if first < at + count and first + len(block) > at
        ]
        lost = count - sum(len(part) for part in parts)
        if lost:
            raise OverrunError(
                f"radio {self.label}: {lost} of {count} samples from index {at} on were lost (overflow); "
                f"{self.remedy}; indices go on as before"
            )
        data, clipped = self.decode(np.concatenate(parts))
        return Samples(data, at, clipped=clipped)
