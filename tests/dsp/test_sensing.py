import numpy as np
import pytest
import torch

from dsp.sensing import Identity, PartialDFT, RandomRows, max_symbols, padded_length

OPERATORS = [
    PartialDFT(200, 60, 1),
    PartialDFT(200, 100, 1),
    PartialDFT(197, 60, 2),
    RandomRows(200, 120, 3),
    RandomRows(200, 200, 3),
    Identity(200),
]
NAMES = ["partial", "orthogonal", "padded", "random_rows", "all_rows", "identity"]


def noise(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def dense(sensing):
    """The operator as a real matrix, shape (2M, d')."""
    columns = sensing.forward(np.eye(sensing.padded_length))
    return np.concatenate([columns.real.T, columns.imag.T])


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_the_adjoint_is_the_adjoint(sensing):
    x, e = np.random.default_rng(5).standard_normal(sensing.padded_length), noise(sensing.n_symbols)
    assert np.isclose(np.vdot(sensing.forward(x), e).real, x @ sensing.adjoint(e), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sensing", OPERATORS[:3], ids=NAMES[:3])
def test_rows_are_orthonormal(sensing):
    e = noise((3, sensing.n_symbols))
    assert np.allclose(sensing.forward(sensing.adjoint(e)), e, atol=1e-12)


def test_half_the_spectrum_loses_nothing():
    sensing = PartialDFT(200, 100, 1)
    x = np.random.default_rng(5).standard_normal((4, 200))
    assert np.allclose(sensing.adjoint(sensing.forward(x)), x, atol=1e-12)
    assert np.allclose((np.abs(sensing.forward(x)) ** 2).sum(-1), (x**2).sum(-1))


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_gain_and_spread_are_the_traces_of_the_dense_matrix(sensing):
    gram = dense(sensing).T @ dense(sensing)
    assert np.isclose(np.trace(gram) / sensing.padded_length, sensing.gain)
    assert np.isclose(np.trace(gram @ gram) / np.trace(gram), sensing.gain_spread)


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_torch_and_numpy_agree_in_both_precisions(sensing):
    x, e = np.random.default_rng(5).standard_normal((2, sensing.length)), noise((2, sensing.n_symbols))
    for real, wide, limit in ((np.float32, np.complex64, 1e-5), (np.float64, np.complex128, 1e-12)):
        forward = sensing.forward(torch.from_numpy(x.astype(real))).numpy()
        adjoint = sensing.adjoint(torch.from_numpy(e.astype(wide))).numpy()
        assert (forward.dtype, adjoint.dtype) == (wide, real)
        assert np.allclose(forward, sensing.forward(x), atol=limit)
        assert np.allclose(adjoint, sensing.adjoint(e), atol=limit)
        assert sensing.forward(x.astype(real)).dtype == wide


def test_a_vector_is_padded_with_zeros():
    sensing = PartialDFT(197, 60, 2)
    x = np.random.default_rng(5).standard_normal(197)
    padded = np.concatenate([x, np.zeros(sensing.padded_length - 197)])
    assert sensing.padded_length > 197
    assert np.array_equal(sensing.forward(x), sensing.forward(padded))


def test_both_ends_make_the_same_operator_from_a_seed_and_another_from_another():
    x = np.random.default_rng(5).standard_normal(200)
    same, other = PartialDFT(200, 60, 1).forward(x), PartialDFT(200, 60, 2).forward(x)
    assert np.array_equal(OPERATORS[0].forward(x), same)
    assert not np.allclose(same, other)


def test_energy_spreads_evenly_over_the_symbols():
    """E|s_j|² of a unit-variance vector is 2 for every symbol: mean over 100 symbols and 400 vectors, five standard
    errors of the relative mean are 5/√40000 = 0.025."""
    sensing = PartialDFT(200, 100, 1)
    symbols = sensing.forward(np.random.default_rng(5).standard_normal((400, 200)))
    assert abs((np.abs(symbols) ** 2).mean() / 2 - 1) < 0.025


@pytest.mark.parametrize("length", [1, 2, 3, 97, 28_357, 112_005])
def test_padded_lengths_are_even_and_hardly_longer(length):
    padded = padded_length(length)
    assert padded % 2 == 0
    assert length <= padded <= 1.05 * length + 1
    assert max_symbols(length) == padded // 2


@pytest.mark.parametrize(("kind", "symbols"), [(PartialDFT, 0), (PartialDFT, 101), (RandomRows, 201)])
def test_more_symbols_than_the_operator_has_are_refused(kind, symbols):
    with pytest.raises(ValueError, match="n_symbols must be between 1"):
        kind(200, symbols, 0)


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_another_length_is_refused_and_not_padded(sensing):
    with pytest.raises(ValueError, match="entries, got 150"):
        sensing.forward(np.ones(150))
    with pytest.raises(ValueError, match="symbols, got 1"):
        sensing.adjoint(np.ones(1, complex))
