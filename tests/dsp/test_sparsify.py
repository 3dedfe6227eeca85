import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.sparsify import count, top_k

VECTORS = arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 2.0]))


def reference(vector, k):
    """The first k of a stable sort by falling magnitude."""
    order = np.argsort(-np.abs(vector), kind="stable")[:k]
    kept = np.zeros_like(vector)
    kept[order] = vector[order]
    return kept


@settings(deadline=None)
@given(VECTORS, st.data())
def test_ties_go_to_the_first_entry_on_numpy_and_torch(vector, data):
    k = data.draw(st.integers(1, len(vector)))
    assert np.array_equal(top_k(vector, k), reference(vector, k))
    assert np.array_equal(top_k(torch.from_numpy(vector), k).numpy(), reference(vector, k))


def test_exactly_k_entries_are_kept_in_every_row():
    vectors = np.random.default_rng(0).standard_normal((5, 1000)).astype(np.float32)
    assert ((top_k(vectors, 37) != 0).sum(-1) == 37).all()


@settings(deadline=None)
@given(VECTORS, st.data())
def test_top_k_is_a_contraction(vector, data):
    k = data.draw(st.integers(1, len(vector)))
    rest = vector - top_k(vector, k)
    assert rest @ rest <= (1 - k / len(vector)) * (vector @ vector) + 1e-12


def test_what_is_kept_and_what_is_left_make_up_the_vector():
    vector = np.random.default_rng(1).standard_normal(500)
    kept = top_k(vector, 20)
    assert np.array_equal(kept + (vector - kept), vector)
    assert not ((vector - kept) * kept).any()


@pytest.mark.parametrize("k", [0, 6])
def test_a_k_that_does_not_fit_is_refused(k):
    with pytest.raises(ValueError, match="between 1 and d = 5"):
        top_k(np.ones(5), k)


def test_a_fraction_keeps_at_least_one_entry():
    assert [count(0.04, 28_357), count(1e-9, 10)] == [1134, 1]
