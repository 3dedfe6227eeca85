import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import exp1

from dsp import power


def rayleigh(shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)


def test_an_inverted_channel_has_the_same_gain_everywhere_worth_using():
    h = rayleigh((5, 40))
    weighted = power.invert_channel(h, 2.0, 0.1) * h
    assert np.allclose(weighted[np.abs(h) ** 2 >= 0.1], np.sqrt(2))


def test_faded_subcarriers_stay_silent():
    h = rayleigh((5, 400))
    weights = power.invert_channel(h, 2.0, 0.1)
    assert (weights[np.abs(h) ** 2 < 0.1] == 0).all()
    assert (np.abs(h) ** 2 < 0.1).any()


def test_the_granted_scale_spends_exactly_the_power():
    h, symbol_power = rayleigh((4, 64)), np.array([0.5, 1.0, 2.0, 3.0])
    scale = power.agent_scale(symbol_power, power.inversion_cost(h, 0.05), 1.5)
    for row in range(4):
        weights = power.invert_channel(h[row], scale[row], 0.05)
        assert np.isclose((np.abs(weights) ** 2).mean() * symbol_power[row], 1.5)


def test_the_cost_of_inversion_is_the_exponential_integral():
    """E[1{|h|² >= g}/|h|²] = E1(g) for Rayleigh; 10⁶ draws, 5 standard errors: variance below E[1/|h|⁴] = 1/g."""
    h, g = rayleigh(1_000_000), 0.1
    assert abs(power.inversion_cost(h, g) - exp1(g)) < 5 * np.sqrt(1 / g / 1_000_000)


def test_phases_are_compensated_and_amplitudes_left():
    h = rayleigh(50)
    assert np.allclose(power.compensate_phase(h, 4.0) * h, 2 * np.abs(h))


@pytest.mark.parametrize("snr", [1.0, 10.0, 80.0])
@pytest.mark.parametrize("agents", [1, 20])
def test_the_default_threshold_minimises_the_loss(agents, snr):
    best = minimize_scalar(
        lambda log_g: power.truncation_loss(np.exp(log_g), agents, snr), bounds=(-15, 2), method="bounded"
    )
    assert np.isclose(power.optimal_min_gain(agents, snr), np.exp(best.x), rtol=1e-2)


def test_twenty_agents_at_19_db_lose_23_db():
    snr = 10**1.9
    assert np.isclose(10 * np.log10(power.truncation_loss(power.optimal_min_gain(20, snr), 20, snr)), -23, atol=0.5)


@pytest.mark.parametrize("seed", range(20))
def test_mmse_amplitude_equals_brute_force(seed):
    rng = np.random.default_rng(seed)
    gains, rms, noise_var = np.abs(rayleigh(6, seed)) ** 2, rng.uniform(0.5, 2, 6), rng.uniform(0.01, 1)

    def error(amplitude):
        reached = np.minimum(rms, np.sqrt(gains) / amplitude)
        return ((rms - reached) ** 2).sum() + noise_var / amplitude**2

    grid = np.exp(np.linspace(np.log(1e-3), np.log(1e3), 20_001))
    best = min(map(error, grid))
    assert error(power.mmse_amplitude(gains, rms, noise_var)) <= best * (1 + 1e-9)


def test_an_agent_that_is_silent_does_not_limit_the_others():
    assert power.agent_scale(np.array([0.0, 1.0]), np.array([np.inf, 2.0])).min() == 0.5
    assert power.headroom(np.array([[1e-9 + 0j]]), 0.1, 0.01)[0] == 0


def test_headroom_is_the_snr_of_the_channel_alone():
    assert np.isclose(power.headroom(np.array([[0.5 + 0j]]), 0.01, 1e-3)[0], 25)


def test_power_of_silent_agents_is_counted_where_they_are_silent():
    silent = np.array([[True, False], [True, True]])
    assert np.array_equal(power.truncated_power(np.array([1.0, 2.0]), silent), [3.0, 2.0])


def test_outliers_are_scaled_to_the_multiple_of_the_median():
    norms = np.array([1.0, 1.0, 1.0, 0.0, 50.0])
    assert np.allclose(power.norm_clip(norms, 5.0) * norms, [1, 1, 1, 0, 5])
    assert np.array_equal(power.norm_clip(np.zeros(3), 5.0), np.ones(3))


@pytest.mark.parametrize(
    ("call", "quantity"),
    [
        (lambda: power.invert_channel(np.ones(2), -1.0, 0.1), "receive_power"),
        (lambda: power.invert_channel(np.ones(2), 1.0, 0.0), "min_gain"),
        (lambda: power.norm_clip(np.ones(2), 0.5), "max_ratio"),
        (lambda: power.mmse_amplitude(np.zeros(2), np.ones(2), 1.0), "mmse"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, quantity):
    with pytest.raises(ValueError, match=quantity):
        call()


@pytest.mark.parametrize("noise_weight", [1e-4, 1e-2, 1.0])
def test_lamberts_threshold_minimises_the_loss_of_erasure(noise_weight):
    best = minimize_scalar(
        lambda log_g: power.erasure_loss(np.exp(log_g), 0.5, noise_weight), bounds=(-15, 2), method="bounded"
    )
    assert np.isclose(power.memory_min_gain(0.5, noise_weight), np.exp(best.x), rtol=1e-2)


def test_the_loss_of_erasure_stands_for_the_mean_square_of_the_rounds_that_an_entry_waits():
    """N is geometric: E N² = (1 − ξ)(2 − ξ)/ξ², which is e^{2g} − 1 up to a factor of (2 − ξ)/(1 + ξ). 10⁶ draws, E N⁴
    below 100: five standard errors are 0.05, of 2.3."""
    survival = np.exp(-0.5)
    waited = np.random.default_rng(0).geometric(survival, 1_000_000) - 1
    form = power.erasure_loss(0.5, 1.0, 1e-300) * (2 - survival) / (1 + survival)
    assert np.isclose((waited**2.0).mean(), form, rtol=0.03)
