"""Laws of codes of limited length: they fit, their error is bounded, and they are contractions."""

from math import comb, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.sparse_coding import EXACT, encode, fewest_bits, quantise
from dsp.sparsify import top_k

ENTRIES = st.floats(-100, 100, width=32)
VECTORS = arrays(np.float32, st.integers(1, 60), elements=ENTRIES)


def long_vector(seed=0, length=5000):
    return np.random.default_rng(seed).standard_t(3, length).astype(np.float32)


@settings(deadline=None)
@given(VECTORS, st.integers(0, 3000))
def test_a_code_never_takes_more_bits_than_there_are_and_as_many_as_it_says(vector, capacity):
    code = encode(vector, capacity)
    assert code.bits <= capacity
    assert np.count_nonzero(code.values) <= code.entries <= np.count_nonzero(vector)
    if code.entries:
        places = log2(comb(len(vector), code.entries))
        described = log2(len(vector) + 1) + 5 + 64 + places + code.entries * code.value_bits
        assert described - 1e-6 <= code.bits < described + 2 + 1e-6  # both logarithms are rounded up


@settings(deadline=None)
@given(VECTORS, st.integers(0, 3000))
def test_as_long_as_one_entry_fits_coding_is_a_contraction(vector, capacity):
    """At least that of one bit an entry: ‖v‖² − ‖S_k(v)‖₁²/k, of which k = 1 is the least."""
    values = vector.astype(np.float64)
    rest = values - encode(vector, capacity).values
    assert rest @ rest <= values @ values * (1 + 1e-6)
    if capacity >= fewest_bits(len(vector)) and values.any():
        assert rest @ rest < values @ values


@settings(deadline=None)
@given(VECTORS, st.integers(2, EXACT))
def test_the_error_of_an_entry_is_at_most_half_a_cell_and_no_sign_changes(values, width):
    values = values[values != 0]
    if not values.size:
        return
    coded, magnitude = quantise(values, width), np.abs(values).astype(np.float64)
    half = (magnitude.max() - magnitude.min()) / 2**width
    assert (np.abs(coded - values) <= half * (1 + 1e-5) + 1e-6 * magnitude.max()).all()
    np.testing.assert_array_equal(np.sign(coded), np.sign(values))


@settings(deadline=None)
@given(VECTORS)
def test_one_bit_an_entry_is_the_sign_and_the_mean_magnitude(values):
    values = values[values != 0]
    if values.size:
        coded = quantise(values, 1)
        assert np.allclose(np.abs(coded), np.abs(values).mean(dtype=np.float64), rtol=1e-6)
        np.testing.assert_array_equal(np.sign(coded), np.sign(values))


@pytest.mark.parametrize("capacity", [200, 2000, 20_000])
def test_what_is_sent_are_the_largest_entries(capacity):
    vector = long_vector()
    code = encode(vector, capacity)
    assert 0 < code.entries < len(vector)
    assert np.array_equal(np.flatnonzero(code.values), np.flatnonzero(top_k(vector, code.entries)))
    assert capacity - code.bits < fewest_bits(len(vector))  # no room is wasted


def test_more_bits_leave_less_behind_and_enough_of_them_nothing():
    vector = long_vector()
    errors = [np.square(vector - encode(vector, 2**power).values).sum() for power in range(7, 19)]
    assert (np.diff(errors) < 0).all()
    assert np.array_equal(encode(vector, 10**6).values, vector)


@pytest.mark.parametrize("capacity", [200, 2000, 20_000])
def test_no_other_width_of_the_values_leaves_less_behind(capacity):
    vector = long_vector().astype(np.float64)
    code, order = encode(vector, capacity), np.argsort(-np.abs(vector))
    least = np.square(vector - code.values).sum()
    for width in range(1, 13):
        rest, k = vector.copy(), entries_of(len(vector), width, capacity)
        rest[order[:k]] -= quantise(vector[order[:k]], width)
        assert least <= np.square(rest).sum() * (1 + 1e-9)


def entries_of(length, width, capacity):
    """Return how many entries fit, by halving."""
    low, high = 0, length // 2
    while low < high:
        middle = (low + high + 1) // 2
        bits = length.bit_length() + 69 + log2(comb(length, middle)) + middle * width
        low, high = (middle, high) if bits <= capacity - 1 else (low, middle - 1)
    return low


@pytest.mark.parametrize("width", [0, 33])
def test_a_width_that_there_is_not_is_refused(width):
    with pytest.raises(ValueError, match="between 1 and 32"):
        quantise(np.ones(3), width)


@pytest.mark.parametrize("length", [64, 100, 4096, 65536])
def test_a_place_takes_no_more_bits_than_it_needs(length):
    """One entry of 2^j has j bits of place."""
    assert fewest_bits(length) == length.bit_length() + 5 + 64 + (length - 1).bit_length() + 1


def test_a_vector_of_zeros_says_so_in_a_header():
    code = encode(np.zeros(100, np.float32), 1000)
    assert (code.entries, code.values.any()) == (0, False)
    assert 0 < code.bits < fewest_bits(100)
