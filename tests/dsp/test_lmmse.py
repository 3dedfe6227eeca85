import numpy as np
import pytest

from dsp import lmmse
from dsp.metrics import nmse
from dsp.sensing import Identity, PartialDFT, RandomRows


def test_it_is_the_closed_form_with_the_mean_power_it_sees():
    """x̂ = c/(c + σ²)·Aᵀy with c the mean |symbol|² less σ²."""
    sensing, rng = PartialDFT(500, 200, 0), np.random.default_rng(0)
    received = rng.standard_normal(200) + 1j * rng.standard_normal(200)
    power = (np.abs(received) ** 2).mean() - 0.3
    expected = power / (power + 0.3) * sensing.adjoint(received)[:500]
    assert np.allclose(lmmse.recover(received, sensing, 0.3).estimate, expected)


def test_the_error_it_predicts_is_the_error_it_makes():
    """Gaussian x, M/d = .4, 10 dB: predicted 1 − .8·10/11; 4096 entries: five standard errors of the ratio are 11 %."""
    sensing, rng = PartialDFT(4096, 1638, 0), np.random.default_rng(0)
    x = rng.standard_normal(4096)
    noise = rng.standard_normal((2, 1638)) * np.sqrt(0.1)
    found = lmmse.recover(sensing.forward(x) + noise[0] + 1j * noise[1], sensing, 0.2)
    assert np.isclose(found.predicted_nmse, 1 - 0.8 * 10 / 11, rtol=0.05)
    assert np.isclose(nmse(found.estimate, x), found.predicted_nmse, rtol=0.11)


def test_it_gives_up_on_pure_noise():
    sensing = PartialDFT(500, 200, 0)
    assert np.abs(lmmse.recover(np.full(200, 0.1 + 0j), sensing, 1.0).estimate).max() == 0


@pytest.mark.parametrize("sensing", [Identity(4096), RandomRows(4096, 4096, 0), PartialDFT(4096, 2048, 0)])
def test_it_is_the_wiener_filter_whatever_carries_the_entries(sensing):
    """Unit Gaussian entries, all of them seen, σ² = 2: each entry has noise of variance 1, so the error is 1/2.

    The power is a mean of at least 2048 exponentials of twice the signal's: s.e. 5 % of the signal, 2.5 % of the
    prediction; five of them cost the estimate 2·(5·.0125)² = .008 beyond the best factor on Aᵀy.
    """
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal(4096), rng.standard_normal((2, sensing.n_symbols))
    received = sensing.forward(x) + noise[0] + 1j * noise[1]
    matched, found = sensing.adjoint(received), lmmse.recover(received, sensing, 2.0)
    best = 1 - (matched @ x) ** 2 / (matched @ matched) / (x @ x)
    assert nmse(found.estimate, x) < best + 0.008
    assert np.isclose(found.predicted_nmse, 0.5, rtol=0.125)


def test_a_few_very_noisy_symbols_cost_little_more_than_themselves():
    """M/d = .4, 20 dB, eight symbols 60 dB noisier: 1 − .8·.99·.995 = .21; s.e. √(2·.2·.8/4096) = .009, five: .044."""
    sensing, rng = PartialDFT(4096, 1638, 0), np.random.default_rng(0)
    x, noise_var = rng.standard_normal(4096), np.full(1638, 0.02)
    noise_var[:8] *= 1e6
    noise = rng.standard_normal((2, 1638)) * np.sqrt(noise_var / 2)
    received = sensing.forward(x) + noise[0] + 1j * noise[1]
    assert nmse(lmmse.recover(received, sensing, noise_var).estimate, x) < 0.255
