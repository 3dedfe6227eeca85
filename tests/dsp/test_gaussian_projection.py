import numpy as np
import pytest
import torch

from dsp.gaussian_projection import GaussianProjection

OPERATORS = [
    GaussianProjection(200, 60, 1),
    GaussianProjection(197, 60, 2),
    GaussianProjection(200, 61, 3, block=60),  # four blocks, and a last row of two of them
    GaussianProjection(200, 150, 4, block=70),
]
NAMES = ["one_block", "padded", "blocks", "more_measurements_than_entries"]


def dense(sensing):
    """The operator as a real matrix, shape (2M, d')."""
    columns = sensing.forward(np.eye(sensing.padded_length))
    return np.concatenate([columns.real.T, columns.imag.T])


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_the_adjoint_is_the_adjoint(sensing):
    rng = np.random.default_rng(5)
    x, e = rng.standard_normal(sensing.padded_length), rng.standard_normal((2, sensing.n_symbols))
    e = e[0] + 1j * e[1]
    assert np.isclose(np.vdot(sensing.forward(x), e).real, x @ sensing.adjoint(e), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_gain_and_spread_are_those_of_the_law(sensing):
    """tr(AᵀA) sums at least 120·60 squares of one variance: five standard errors are 5·√(2/7200) = 8 %."""
    gram = dense(sensing).T @ dense(sensing)
    assert np.isclose(np.trace(gram) / sensing.padded_length, sensing.gain, rtol=0.08)
    assert np.isclose(np.trace(gram @ gram) / np.trace(gram), sensing.gain_spread, rtol=0.16)


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_entries_reach_all_measurements_with_gaussian_weights(sensing):
    """The kurtosis of a Gaussian is 3; 24,000 weights: five standard errors are 5·√(96/24000) = 0.32, and more where
    blocks share a matrix. Two entries, on which all sines are 0, miss the blocks of the imaginary parts."""
    weights = dense(sensing)
    assert (weights != 0).all(0).sum() >= sensing.padded_length - 2
    assert abs((weights**4).mean() / (weights**2).mean() ** 2 - 3) < 0.5


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_torch_and_numpy_agree_in_both_precisions(sensing):
    rng = np.random.default_rng(5)
    x, e = rng.standard_normal((2, 3, sensing.length)), rng.standard_normal((2, sensing.n_symbols)) + 0j
    for real, wide, limit in ((np.float32, np.complex64, 1e-5), (np.float64, np.complex128, 1e-12)):
        forward = sensing.forward(torch.from_numpy(x.astype(real))).numpy()
        adjoint = sensing.adjoint(torch.from_numpy(e.astype(wide))).numpy()
        assert (forward.dtype, adjoint.dtype) == (wide, real)
        assert np.allclose(forward, sensing.forward(x), atol=limit)
        assert np.allclose(adjoint, sensing.adjoint(e), atol=limit)


def test_both_ends_make_the_same_operator_from_a_seed_and_another_from_another():
    x = np.random.default_rng(5).standard_normal(200)
    same, other = GaussianProjection(200, 60, 1).forward(x), GaussianProjection(200, 60, 7).forward(x)
    assert np.array_equal(OPERATORS[0].forward(x), same)
    assert not np.allclose(same, other)


def test_a_model_of_112_005_entries_needs_no_matrix_of_40_gb():
    sensing = GaussianProjection(112_005, 44_802, 0)
    assert sensing._matrix.nbytes < 2**25
    assert sensing.forward(np.ones(112_005, np.float32)).shape == (44_802,)


@pytest.mark.parametrize("symbols", [0, 1])
def test_fewer_measurements_than_blocks_are_refused(symbols):
    with pytest.raises(ValueError, match="n_symbols must be at least 2"):
        GaussianProjection(200, symbols, 0, block=60)


def test_another_length_is_refused():
    with pytest.raises(ValueError, match="entries, got 150"):
        OPERATORS[0].forward(np.ones(150))
    with pytest.raises(ValueError, match="symbols, got 1"):
        OPERATORS[0].adjoint(np.ones(1, complex))
