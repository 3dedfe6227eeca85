import numpy as np
import pytest
from scipy.special import j0
from scipy.stats import kstest

from radio import fading as module
from radio.fading import PROFILES, Fading, Profile, profile, rms_delay_spread

DRAWS = 8_000
FIVE_SIGMA = 5.7e-7
"""Two-sided probability of five standard errors, for tests that give a p-value."""


def link(name="tdl_a", **options):
    return Fading(profile(name), delay_spread=100e-9, sample_rate=10e6, **options)


def draws(fading):
    """DRAWS independent draws of all taps: one time in each of as many blocks of one second."""
    return fading.gains((1, 2), np.arange(DRAWS) + 0.5)


@pytest.mark.parametrize(
    # Powers and K of TDL-D are given to 0.1 dB, and its line of sight holds 95 % of the power: 0.1 dB off is 1 %.
    ("name", "tolerance"),
    [("tdl_a", 1e-4), ("tdl_c", 1e-4), ("tdl_d", 1e-2), ("exponential", 1e-9)],
)
def test_profiles_have_unit_delay_spread(name, tolerance):
    assert abs(rms_delay_spread(profile(name).delays, profile(name).powers) - 1) < tolerance


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_have_unit_power_and_begin_at_zero(name):
    assert np.isclose(profile(name).powers.sum(), 1)
    assert profile(name).delays[0] == profile(name).delays.min() == 0
    assert profile(name).name == name


def test_the_standard_s_line_of_sight_is_13_3_db():
    assert np.isclose(10 * np.log10(profile("tdl_d").k_factor), 13.3)
    assert [profile(name).delays.size for name in ("tdl_a", "tdl_c", "tdl_d")] == [23, 24, 13]


def test_delays_are_in_samples():
    assert np.allclose(link("tdl_c").delays, profile("tdl_c").delays)
    assert np.isclose(link("tdl_a").span, 9.6586)
    assert link("flat").span == 0


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("k_factor", [None, 0.0, 4.0])
@pytest.mark.parametrize("doppler", [0.0, 3.0])
def test_mean_power_is_one(name, k_factor, doppler):
    """Five standard errors of the mean, by the spread of the draws themselves."""
    fading = link(name, doppler=doppler, k_factor=k_factor, redraw=1.0)
    power = (np.abs(fading.gains((3,), np.arange(2000) + 0.5)) ** 2).sum(-1)
    assert abs(power.mean() - 1) < 5 * power.std() / np.sqrt(power.size)


def test_every_tap_has_the_power_of_its_profile():
    """Five standard errors: |g|² of a Gaussian tap has standard deviation p."""
    powers = (np.abs(draws(link("tdl_c", redraw=1.0))) ** 2).mean(0)
    assert (np.abs(powers / profile("tdl_c").powers - 1) < 5 / np.sqrt(DRAWS)).all()


@pytest.mark.parametrize("doppler", [0.0, 3.0])
def test_rayleigh_power_is_exponential_and_phase_uniform(doppler):
    gains = draws(link("flat", doppler=doppler, redraw=1.0))[:, 0]
    assert kstest(np.abs(gains) ** 2, "expon").pvalue > FIVE_SIGMA
    assert kstest(np.angle(gains) / (2 * np.pi) + 0.5, "uniform").pvalue > FIVE_SIGMA


def test_taps_and_blocks_are_independent():
    """Var of the mean of g1·g2* is p1·p2/DRAWS."""
    gains = draws(link("tdl_c", redraw=1.0))[:, :2] / np.sqrt(profile("tdl_c").powers[:2])
    assert abs((gains[:, 0] * np.conj(gains[:, 1])).mean()) < 5 / np.sqrt(DRAWS)
    assert abs((gains[1:, 0] * np.conj(gains[:-1, 0])).mean()) < 5 / np.sqrt(DRAWS)


@pytest.mark.parametrize("k", [0.5, 10.0])
@pytest.mark.parametrize("doppler", [0.0, 3.0])
def test_k_factor_is_the_fourth_moment_of_the_link(k, doppler):
    """Rice: E|g|⁴ = 1 + (1 + 2K)/(1 + K)², within five standard errors by the spread of the draws."""
    fourth = np.abs(draws(link("flat", doppler=doppler, k_factor=k, redraw=1.0))[:, 0]) ** 4
    assert abs(fourth.mean() - 1 - (1 + 2 * k) / (1 + k) ** 2) < 5 * fourth.std() / np.sqrt(DRAWS)


@pytest.mark.parametrize(("k_factor", "share"), [(None, 1 / (10**1.33 + 1)), (0.0, 1.0)])
def test_the_first_tap_of_tdl_d_is_rician_until_overridden(k_factor, share):
    """Of unit power with scattered share c, Var|g|² = c(2 − c); five standard errors by the spread of the draws."""
    power = np.abs(draws(link("tdl_d", k_factor=k_factor, redraw=1.0))[:, 0]) ** 2
    deviation = (power / power.mean() - 1) ** 2
    assert abs(deviation.mean() - share * (2 - share)) < 5 * deviation.std() / np.sqrt(DRAWS)


def test_an_overriding_k_factor_is_that_of_all_power():
    """E|g_0|² = K/(K+1) + p_0/(K+1), the other taps p_l/(K+1); five standard errors by the spread of the draws."""
    power = np.abs(draws(link("tdl_a", k_factor=3.0, redraw=1.0))) ** 2
    expected = profile("tdl_a").powers / 4 + np.eye(23)[0] * 3 / 4
    assert (np.abs(power.mean(0) - expected) < 5 * power.std(0) / np.sqrt(DRAWS)).all()


def test_autocorrelation_is_the_bessel_function():
    """Var of Re g*(t)g(t+τ) <= E|g|⁴ = 2: five standard errors are below 5·√(2/DRAWS) = 0.08."""
    fading = link("flat", doppler=2.0, redraw=1.0)
    lags = np.array([0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8])
    times = np.arange(DRAWS)[:, None] + 0.1 + lags
    gains = fading.gains((1, 2), times.ravel()).reshape(times.shape)
    correlation = (np.conj(gains[:, :1]) * gains).mean(0)
    assert (np.abs(correlation - j0(2 * np.pi * 2.0 * lags)) < 5 * np.sqrt(2 / DRAWS)).all()


def test_a_line_of_sight_turns_at_most_by_the_doppler_frequency():
    fading = link("flat", doppler=10.0, k_factor=1e9)
    turns = [
        np.angle(pair[1] / pair[0]) for pair in (fading.gains((n,), np.array([0.0, 0.01]))[:, 0] for n in range(200))
    ]
    assert 0.6 < np.abs(turns).max() <= 2 * np.pi * 10 * 0.01 + 1e-3
    assert np.min(turns) < 0 < np.max(turns)


@pytest.mark.parametrize("doppler", [0.0, 40.0])
@pytest.mark.parametrize("redraw", [0.0, 0.02])
def test_a_gain_depends_on_its_own_time_alone(doppler, redraw):
    fading = link("tdl_d", doppler=doppler, redraw=redraw)
    times = np.sort(np.random.default_rng(0).uniform(-0.05, 0.2, 301))
    whole = fading.gains((5, 6), times)
    assert whole.shape == (301, 13)
    assert whole.dtype == np.complex128
    for size in (1, 7, 100):
        parts = [fading.gains((5, 6), times[start : start + size]) for start in range(0, 301, size)]
        assert np.array_equal(np.concatenate(parts), whole)
    order = np.random.default_rng(1).permutation(301)
    assert np.array_equal(fading.gains((5, 6), times[order]), whole[order])
    assert fading.gains((5, 6), times[:0]).shape == (0, 13)


def test_taps_change_at_the_boundary_of_a_block_and_nowhere_else():
    times = np.arange(-16, 16) / 8
    gains = link(redraw=0.5).gains((7,), times)
    changed = (np.diff(gains, axis=0) != 0).all(-1)
    assert np.array_equal(changed, times[1:] % 0.5 == 0)
    assert np.array_equal((np.diff(gains, axis=0) != 0).any(-1), changed)
    assert np.unique(gains[:, 0]).size == 8


def test_without_redraw_and_doppler_the_channel_stands_still():
    gains = link().gains((7,), np.linspace(-1e3, 1e6, 50))
    assert (gains == gains[0]).all()


def test_doppler_changes_the_motion_and_not_the_draw():
    start = np.zeros(1)
    assert np.allclose(link(doppler=9.0).gains((7,), start), link().gains((7,), start))


def test_seeds_give_different_links():
    fading = link(redraw=1.0)
    seeds = [(0,), (1,), (0, 0), (0, 1), (1, 0), (0, 2), (0, 0, 2)]
    gains = np.stack([fading.gains(seed, np.arange(3) + 0.5)[:, 0] for seed in seeds])
    assert np.unique(gains).size == gains.size


def test_a_block_is_drawn_once_however_many_times_lie_in_it():
    before = module._draw.cache_info().misses
    link("tdl_c", redraw=1e-3).gains((77, 1), np.random.default_rng(0).uniform(0, 5e-3, 20_000))
    assert module._draw.cache_info().misses - before == 5


@pytest.mark.parametrize(
    ("call", "quantity"),
    [
        (lambda: profile("tdl_b"), "tdl_a, tdl_c"),
        (lambda: Profile("x", np.zeros(2), np.ones(1)), "one entry per tap"),
        (lambda: Profile("x", -np.ones(1), np.ones(1)), "delays"),
        (lambda: Profile("x", np.zeros(2), np.ones(2)), "powers"),
        (lambda: Profile("x", np.zeros(1), np.ones(1), -1.0), "k_factor"),
        (lambda: link(k_factor=np.inf), "k_factor"),
        (lambda: link(doppler=-1.0), "doppler"),
        (lambda: link(redraw=np.nan), "redraw"),
        (lambda: Fading(profile("flat"), -1e-9, 1e6), "delay_spread"),
        (lambda: Fading(profile("flat"), 1e-9, 0.0), "sample_rate"),
        (lambda: link().gains((), np.zeros(1)), "seed"),
        (lambda: link().gains((1, -1), np.zeros(1)), "seed"),
        (lambda: link().gains((1,), np.zeros((1, 1))), "times"),
        (lambda: link().gains((1,), np.array([np.nan])), "times"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, quantity):
    with pytest.raises(ValueError, match=quantity):
        call()
