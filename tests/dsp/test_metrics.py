import numpy as np
import torch

from dsp.metrics import db, energy, from_db, nmse, nmse_db, union_support


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
