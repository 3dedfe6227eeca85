"""Long spans in pieces: the pieces are the whole, each within what a ring keeps."""

import numpy as np
import pytest

from radio.base import Samples
from radio.streaming.pieces import in_pieces


@pytest.mark.parametrize("count", [1, 49, 50, 51, 225])
def test_pieces_are_the_whole_in_order_and_no_longer_than_half_a_second(count):
    sizes = []

    def heard(size, at):
        sizes.append(size)
        return Samples(np.arange(at, at + size).astype(np.complex64), at, clipped=size // 10)

    found = in_pieces(heard, count, 1000, 100.0)
    assert np.array_equal(found.data.real, np.arange(1000, 1000 + count))
    assert found.start == 1000
    assert sum(sizes) == count
    assert max(sizes) <= 50
    assert found.clipped == sum(size // 10 for size in sizes)


def test_a_span_without_samples_is_refused():
    with pytest.raises(ValueError, match="must have samples, got 0"):
        in_pieces(lambda size, at: None, 0, 0, 100.0)
