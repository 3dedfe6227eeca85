"""Laws of a transmit queue: every sample leaves once, at its count, and nothing else does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radio.emulation.delivery import LONGEST_PIECE, Block, Delivery


def counts_of(values):
    """Return pairs of int16 as a client sends them: 12 bits, in the upper ones."""
    return (np.asarray(values, np.int16) << 4).astype("<i2").tobytes()


def sent(delivery, low, high):
    """Return what leaves from one count to another, zero where there is nothing, never two things at one count."""
    air, taken = np.zeros(high - low, complex), np.zeros(high - low, bool)
    for first, samples in delivery.pieces(low, high):
        place = slice(first - low, first - low + samples.size)
        assert not taken[place].any()
        air[place], taken[place] = samples, True
    return air


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 40), st.integers(0, 40))
def test_blocks_leave_one_after_the_other_in_whatever_pieces_they_are_asked_for(sizes, cut, start):
    delivery = Delivery(size=9, depth=5, cyclic=False, start=start)
    values = np.arange(1, 2 * sum(sizes) + 1).reshape(-1, 2)
    blocks = np.split(values, np.cumsum(sizes)[:-1])
    begins = [delivery.put(counts_of(block), start) for block in blocks]
    assert begins == [True] + [False] * (len(sizes) - 1)
    total = sum(sizes)
    cut = min(cut, total)
    whole = np.concatenate([sent(delivery, start, start + cut), sent(delivery, start + cut, start + total + 5)])
    expected = (values[:, 0] + 1j * values[:, 1]) / 2048
    np.testing.assert_array_equal(whole, np.concatenate([expected, np.zeros(5)]))
    assert delivery.limit() == start + total


def test_a_cyclic_block_repeats_without_end_and_without_a_gap():
    delivery = Delivery(size=3, depth=1, cyclic=True, start=0)
    delivery.put(counts_of([1, 0, 2, 0, 3, 0]), 10)
    length = LONGEST_PIECE + 7
    np.testing.assert_array_equal(sent(delivery, 11, 11 + length) * 2048, 1 + (1 + np.arange(length)) % 3)
    assert delivery.limit() is None


def test_a_stream_that_ran_dry_begins_anew_with_its_next_block():
    delivery = Delivery(size=2, depth=2, cyclic=False, start=0)
    delivery.put(counts_of([1, 1, 1, 1]), 5)
    assert not delivery.retire(7, 0.0)  # the last sample leaves at 6
    assert delivery.retire(8, 0.0)
    delivery.dry = True
    assert delivery.limit() is None
    assert delivery.put(counts_of([2, 2, 2, 2]), 100)
    assert delivery.blocks[-1].position == 100
    assert delivery.queued(100) == 1


@pytest.mark.parametrize(("low_bits", "value"), [(0, 0.0), (15, 0.0), (16, 1 / 2048), (-1, -1 / 2048)])
def test_the_converter_ignores_the_lower_four_bits(low_bits, value):
    block = Block(0, np.array([low_bits, low_bits], "<i2").tobytes())
    assert block.samples(0, 1)[0] == complex(value, value)
