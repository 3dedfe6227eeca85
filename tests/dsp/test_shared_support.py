import numpy as np
import pytest
import torch

from dsp.matched_filter import recover
from dsp.shared_support import SharedSupport

OPERATORS = [SharedSupport(200, 60, 1), SharedSupport(200, 100, 1), SharedSupport(201, 101, 2), SharedSupport(1, 1, 0)]
NAMES = ["part", "all", "odd", "one"]


def noise(sensing, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(sensing.n_symbols) + 1j * rng.standard_normal(sensing.n_symbols)


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_the_adjoint_is_the_adjoint(sensing):
    x, e = np.random.default_rng(5).standard_normal(sensing.length), noise(sensing)
    assert np.isclose(np.vdot(sensing.forward(x), e).real, x @ sensing.adjoint(e))


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_what_is_carried_comes_back_as_it_was_and_the_rest_is_zero(sensing):
    x = np.random.default_rng(5).standard_normal((3, sensing.length)).astype(np.float32)
    back = sensing.adjoint(sensing.forward(x))
    carried = back != 0
    assert (carried.sum(-1) == min(2 * sensing.n_symbols, sensing.length)).all()
    assert np.array_equal(back[carried], x[carried])
    assert np.isclose(carried.mean(), sensing.gain)


@pytest.mark.parametrize("sensing", OPERATORS, ids=NAMES)
def test_torch_and_numpy_agree(sensing):
    x = np.random.default_rng(5).standard_normal((2, sensing.length))
    symbols = sensing.forward(torch.from_numpy(x))
    assert np.array_equal(symbols.numpy(), sensing.forward(x))
    assert np.array_equal(sensing.adjoint(symbols).numpy(), sensing.adjoint(symbols.numpy()))


def test_every_entry_has_its_turn():
    """60 % of the entries a round: none of 200 is left out of 30 rounds, but for a probability of 200·0.4³⁰ = 2e-10."""
    turns = sum(SharedSupport(200, 60, seed).adjoint(np.full(60, 1 + 1j)) for seed in range(30))
    assert (turns > 0).all()


@pytest.mark.parametrize("symbols", [0, 101])
def test_more_symbols_than_pairs_of_entries_are_refused(symbols):
    with pytest.raises(ValueError, match="n_symbols must be between 1 and 100"):
        SharedSupport(200, symbols, 0)


def test_the_matched_filter_is_unbiased_and_knows_its_error():
    """Mean of 400 estimates within five standard errors, and NMSE as predicted: five of 48,000 errors are 3 %."""
    sensing, noise_var = OPERATORS[0], 0.5
    x = np.random.default_rng(5).standard_normal(200) * (sensing.adjoint(np.full(60, 1 + 1j)) != 0)
    received = np.stack([sensing.forward(x) + np.sqrt(noise_var / 2) * noise(sensing, seed) for seed in range(400)])
    found = recover(received, sensing, noise_var)
    bias = found.estimate.mean(0) - x
    assert np.abs(bias).max() < 5 * np.sqrt(noise_var / 2 / 400)
    measured = ((found.estimate - x) ** 2).sum(-1).mean() / (x**2).sum()
    assert np.isclose(np.median(found.predicted_nmse), measured, rtol=0.03)


def test_silence_is_nothing_to_the_matched_filter():
    found = recover(np.zeros(60, np.complex64), OPERATORS[0], 0.1)
    assert np.abs(found.estimate).max() == 0
    assert np.isfinite(found.predicted_nmse)
