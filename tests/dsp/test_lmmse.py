import numpy as np

from dsp import lmmse
from dsp.metrics import nmse
from dsp.sensing import PartialDFT


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
