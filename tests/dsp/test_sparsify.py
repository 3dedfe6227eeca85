import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dsp.sparsify import count, prepare, top_k

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


def test_kept_and_residual_make_up_the_update():
    rng = np.random.default_rng(1)
    update, residual = rng.standard_normal((2, 500))
    pending = prepare(update, residual, 20)
    assert np.array_equal(pending.residual_if_not, update + residual)
    assert np.array_equal(pending.kept + pending.residual_if_heard, pending.residual_if_not)


def test_over_many_rounds_nothing_is_lost():
    rng = np.random.default_rng(2)
    residual, sent, computed = None, 0.0, 0.0
    for heard in rng.random(50) < 0.7:
        update = rng.standard_normal(200)
        pending = prepare(update, residual, 10)
        sent, computed = sent + heard * pending.kept, computed + update
        residual = pending.residual_if_heard if heard else pending.residual_if_not
    assert np.allclose(sent + residual, computed, atol=1e-12)


@pytest.mark.parametrize("k", [0, 6])
def test_a_k_that_does_not_fit_is_refused(k):
    with pytest.raises(ValueError, match="between 1 and d = 5"):
        top_k(np.ones(5), k)


def test_a_fraction_keeps_at_least_one_entry():
    assert [count(0.04, 28_357), count(1e-9, 10)] == [1134, 1]
