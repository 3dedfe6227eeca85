import numpy as np
import pytest
import torch

from dsp.metrics import Alignment, alignment, db, energy, evm_db, from_db, nmse, nmse_db, papr_db, union_support

N_FFT = 256


def test_an_amplitude_error_counts():
    x = np.random.default_rng(0).standard_normal(100)
    assert np.isclose(nmse(0.9 * x, x), 0.01)
    assert np.isclose(nmse_db(0.9 * x, x), -20)


def test_nothing_against_nothing_is_no_error_and_something_is_infinitely_wrong():
    assert nmse(np.zeros(3), np.zeros(3)) == 0
    assert nmse(np.ones(3), np.zeros(3)) == np.inf


def test_decibels_there_and_back():
    assert np.isclose(db(from_db(-7.3)), -7.3)
    assert db(0.0) == -np.inf


def test_energy_of_complex_numbers_counts_both_parts():
    assert energy(torch.tensor([3 + 4j, 0j])) == 25


def test_union_support_counts_entries_once():
    assert union_support(np.array([[1.0, 0, 0, 0], [2.0, 3.0, 0, 0]])) == 0.5


def pilots(count=64, seed=0):
    """Values of unequal amplitude on scattered subcarriers."""
    rng = np.random.default_rng(seed)
    places = rng.choice(np.delete(np.arange(-100, 101), 100), count, replace=False)
    return rng.uniform(0.2, 2, count) * np.exp(2j * np.pi * rng.random(count)), places


def arrived(values, places, gain, delay):
    return gain * np.exp(-2j * np.pi * places * delay / N_FFT) * values


@pytest.mark.parametrize("gain", [1.0, 0.5, -0.3j, 2 * np.exp(3j)])
def test_pilots_tell_their_gain(gain):
    values, places = pilots()
    seen = alignment(arrived(values, places, gain, 0.0), values, places, N_FFT)
    assert np.isclose(seen.gain, gain)
    assert np.isclose(seen.delay_samples, 0, atol=1e-9)
    assert np.isclose(seen.gain_db, 20 * np.log10(abs(gain)))
    assert np.isclose(seen.phase_deg, np.degrees(np.angle(gain)))


@pytest.mark.parametrize("delay", [-1.0, -0.05, 0.3, 1.0])
def test_pilots_tell_their_delay_whatever_the_gain(delay):
    values, places = pilots()
    seen = alignment(arrived(values, places, 0.8 * np.exp(2j), delay), values, places, N_FFT)
    assert np.isclose(seen.delay_samples, delay, atol=1e-9)


def test_a_delay_costs_a_pilot_s_gain_as_it_costs_the_sum():
    """The gain is what adds up, mean e^{-j2πkτ/N} over the pilots' energy: nothing is normalised away."""
    values, places = pilots()
    seen = alignment(arrived(values, places, 1.0, 0.8), values, places, N_FFT)
    ramp = np.exp(-2j * np.pi * places * 0.8 / N_FFT)
    assert np.isclose(seen.gain, np.average(ramp, weights=np.abs(values) ** 2))
    assert seen.gain_db < -1


def test_pilots_that_were_not_sent_do_not_count():
    values, places = pilots()
    values[::3] = 0
    heard = arrived(values, places, 0.9j, 0.2)
    heard[::3] = 1e3
    seen = alignment(heard, values, places, N_FFT)
    quiet = alignment(arrived(values, places, 0.9j, 0.2), values, places, N_FFT)
    assert seen == quiet
    assert alignment(heard, np.zeros(64), places, N_FFT) == Alignment(0j, 0.0)


def test_noise_blurs_gain_and_delay_as_least_squares_does():
    """Var g = σ²/Σ|e|², Var τ = (N/2π)²·σ²/(2Σ|e|²(k − k̄)²); 1,000 draws, five standard errors 5·√(2/1000) = 0.22."""
    values, places = pilots()
    rng, variance, gains, delays = np.random.default_rng(1), 1e-3, [], []
    for _ in range(1000):
        noise = rng.standard_normal((2, 64)) * np.sqrt(variance / 2)
        seen = alignment(values + noise[0] + 1j * noise[1], values, places, N_FFT)
        gains.append(abs(seen.gain - 1) ** 2)
        delays.append(seen.delay_samples**2)
    weight = np.abs(values) ** 2
    centred = places - np.average(places, weights=weight)
    delay_var = (N_FFT / (2 * np.pi)) ** 2 * variance / (2 * np.sum(weight * centred**2))
    assert abs(np.mean(gains) / (variance / weight.sum()) - 1) < 0.22
    assert abs(np.mean(delays) / delay_var - 1) < 0.22


def test_one_pilot_has_no_slope():
    assert alignment(np.array([0.5j]), np.array([1.0]), np.array([7]), N_FFT) == Alignment(0.5j, 0.0)


def test_a_constant_modulus_has_no_peaks_and_an_impulse_has_all_of_one():
    phases = np.random.default_rng(0).random((3, 400))
    levels = np.array([[0.3], [1.0], [20.0]])
    assert np.allclose(papr_db(levels * np.exp(2j * np.pi * phases)), 0, atol=1e-12)
    assert np.allclose(papr_db(np.eye(5, 100)), 20)


def test_evm_is_the_error_beside_the_reference():
    """A tenth of the amplitude, a tenth of the phase, noise of a thousandth of the power."""
    x = np.exp(2j * np.pi * np.random.default_rng(0).random(10_000))
    assert np.isclose(evm_db(1.1 * x, x), -20)
    assert np.isclose(evm_db(x * np.exp(0.1j), x), 20 * np.log10(2 * np.sin(0.05)))
    assert evm_db(x, x) == -np.inf
    parts = np.random.default_rng(1).standard_normal((2, x.size)) * np.sqrt(0.0005)
    assert abs(evm_db(x + parts[0] + 1j * parts[1], x) + 30) < 5 * 4.34 / np.sqrt(x.size)
