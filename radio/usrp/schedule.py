"""Bursts that wait until it is time to hand them over.

A streamer takes bursts in the order of their times only. So nothing is handed over earlier than the lead time with
which a burst may still be queued: whatever comes later is then later in time, too.
"""

from dataclasses import dataclass, field

import numpy as np

from radio.streaming.timeline import Timeline


@dataclass(frozen=True)
class Piece:
    """Samples to be handed over.

    Args:
        first: index of the first one.
        samples: complex64, at least one.
        starts: whether a burst begins with it.
        ends: whether one ends with it.
    """

    first: int
    samples: np.ndarray
    starts: bool
    ends: bool


@dataclass
class Schedule:
    """Bursts by index.

    Args:
        timeline: the bursts.
        taken: index up to which everything was handed over.
        busy: index after the last sample that was handed over.
    """

    timeline: Timeline = field(default_factory=Timeline)
    taken: int = 0
    busy: int = 0
    _is_open: bool = False

    def put(self, samples: np.ndarray, first: int) -> None:
        """Queue a burst from an index on, not below `taken`; where bursts overlap they add up.

        Raises:
            FullScaleError: the sum has |x| > 1.
        """
        self.timeline.put(samples, first)

    def take(self, high: int) -> list[Piece]:
        """Return what is to be handed over up to an index, in order, and forget it."""
        low, self.taken = self.taken, max(high, self.taken)
        pieces = []
        for begin, end, is_continued in self._runs(low, self.taken):
            continues = self._is_open and begin == low
            if self._is_open and not continues:
                pieces.append(self._closing(low))
            pieces.append(Piece(begin, self.timeline.sum(begin, end), not continues, not is_continued))
            self._is_open, self.busy = is_continued, end
        if self._is_open and not pieces and low < self.taken:
            pieces.append(self._closing(low))
        self.timeline.forget(self.taken)
        return pieces

    def clear(self) -> None:
        """Withdraw what was not handed over; a burst of which a part was ends there."""
        self.timeline.clear()

    def restart(self) -> None:
        """Forget everything: a new streamer has got nothing."""
        self.timeline.clear()
        self._is_open = False

    def _closing(self, index: int) -> Piece:
        self._is_open, self.busy = False, index + 1
        return Piece(index, np.zeros(1, np.complex64), False, True)

    def _runs(self, low: int, high: int) -> list[tuple[int, int, bool]]:
        """Return begin and end of all spans with samples between two indices, and whether they go on at `high`."""
        spans: list[list[int]] = []
        for first, samples in sorted(self.timeline.bursts, key=lambda burst: burst[0]):
            begin, end = max(first, low), first + samples.size
            if begin >= high or end <= low:
                continue
            if spans and begin <= spans[-1][1]:
                spans[-1][1] = max(spans[-1][1], end)
            else:
                spans.append([begin, end])
        return [(begin, min(end, high), end > high) for begin, end in spans]
