import numpy as np
import pytest
import torch

from dsp.noise import checked_noise, signal_energy, square
from dsp.sensing import Identity, PartialDFT, RandomRows

LENGTH = 8192
OPERATORS = [PartialDFT(LENGTH, 3277, 0), RandomRows(LENGTH, 6554, 0), Identity(LENGTH)]


def symbols(sensing, variance, noise_var, seed=0):
    rng = np.random.default_rng(seed)
    clean = sensing.forward(np.sqrt(variance) * rng.standard_normal(LENGTH))
    noise = rng.standard_normal((2, clean.size)) * np.sqrt(np.asarray(noise_var) / 2)
    return clean + noise[0] + 1j * noise[1]


def one_in_a_hundred(n_symbols, excess_db):
    noise_var = np.full(n_symbols, 0.5)
    noise_var[::100] *= 10 ** (excess_db / 10)
    return noise_var


@pytest.mark.parametrize("sensing", OPERATORS, ids=["partial", "random_rows", "identity"])
@pytest.mark.parametrize("excess_db", [0, 40, 80])
def test_the_energy_of_an_entry_is_found_however_noisy_some_symbols_are(sensing, excess_db):
    """v = 3. |e|² is spread by less than √2 of its mean, at most (2·3 + .5)/(2·3) of the signal's: s.e. of v̂/v at most
    √2·1.09/√3277 = 2.7 %, five of them 13.5 %."""
    noise_var = one_in_a_hundred(sensing.n_symbols, excess_db)
    found, _ = signal_energy(square(symbols(sensing, 3.0, noise_var)), sensing, noise_var)
    assert np.isclose(found[0], 3.0, rtol=0.135)


def test_its_standard_error_is_the_spread_over_many_draws():
    """Without signal; the standard deviation of 400 draws has s.e. 1/√800 = 3.5 %, five of them 18 %."""
    sensing, noise_var = PartialDFT(2000, 500, 0), one_in_a_hundred(500, 20)
    rng = np.random.default_rng(1)
    noise = (rng.standard_normal((400, 500)) + 1j * rng.standard_normal((400, 500))) * np.sqrt(noise_var / 2)
    found, deviation = signal_energy(square(noise), sensing, noise_var, np.full((400, 1), 1.0))
    assert np.isclose(found.std(), deviation[0, 0], rtol=0.18)
    assert abs(found.mean()) < 5 * deviation[0, 0] / 20


def test_equal_noise_needs_no_weights():
    sensing = OPERATORS[0]
    received = symbols(sensing, 3.0, 0.5)
    one, _ = signal_energy(square(received), sensing, np.array([0.5]))
    each, _ = signal_energy(square(received), sensing, np.full(sensing.n_symbols, 0.5))
    assert np.isclose(one[0], each[0])
    assert np.isclose(one[0], ((np.abs(received) ** 2).sum() - 0.5 * sensing.n_symbols) / (2 * sensing.n_symbols))


def test_nothing_received_and_nothing_feared_is_zero():
    noise_var = np.zeros(500)
    noise_var[0] = 1.0
    found, deviation = signal_energy(np.zeros(500), PartialDFT(2000, 500, 0), noise_var)
    assert np.isfinite(found).all()
    assert np.isfinite(deviation).all()


def test_noise_comes_in_the_precision_of_what_was_received():
    received = torch.ones((3, 500), dtype=torch.complex64)
    noise = checked_noise(received, PartialDFT(2000, 500, 0), np.full((3, 1), 0.1))
    assert (noise.dtype, tuple(noise.shape)) == (torch.float32, (3, 1))


@pytest.mark.parametrize("shape", [(3,), (3, 499), (2, 3, 500)])
def test_noise_of_another_shape_is_refused_by_name(shape):
    with pytest.raises(ValueError, match="noise_var must broadcast"):
        checked_noise(np.ones((3, 500), complex), PartialDFT(2000, 500, 0), np.ones(shape))
