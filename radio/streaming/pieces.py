"""Long spans are received in pieces: a ring holds a second."""

from collections.abc import Callable

import numpy as np

from radio.base import Samples

LONGEST = 0.5  # seconds


def in_pieces(heard: Callable[[int, int], Samples], count: int, at: int, rate: float) -> Samples:
    """Return `count` samples from index `at` on, received piece by piece.

    Args:
        heard: returns so many samples from an index on; waits for them.
        count: of samples.
        at: index of the first one.
        rate: in Hz.

    Raises:
        ValueError: none are asked for.
    """
    if count < 1:
        raise ValueError(f"a span must have samples, got {count}")
    piece = max(round(LONGEST * rate), 1)
    parts = [heard(min(piece, count - done), at + done) for done in range(0, count, piece)]
    if len(parts) == 1:
        return parts[0]
    return Samples(np.concatenate([part.data for part in parts]), at, clipped=sum(part.clipped for part in parts))
