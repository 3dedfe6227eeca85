import numpy as np
import pytest
import torch

from dsp.ofdm import Numerology, delay_ramp, demodulate, from_bins, modulate, to_bins

RECOMMENDED = Numerology()
SMALL = Numerology(n_fft=64, cyclic_prefix=20, half_width=24, window_lead=5)
BARE = Numerology(n_fft=128, cyclic_prefix=0, half_width=62, window_lead=0)
GRIDS = [RECOMMENDED, SMALL, BARE]
NAMES = ["recommended", "small", "no_prefix"]


def gaussian(shape, seed=0, power=1.0):
    parts = np.random.default_rng(seed).standard_normal((2, *shape)) * np.sqrt(power / 2)
    return parts[0] + 1j * parts[1]


def grid_of(numerology, *batch, seed=0):
    return gaussian((*batch, numerology.n_subcarriers), seed)


def late(samples, delay):
    """The stream `delay` samples later, cyclic: the first and last symbol are neighbours."""
    return np.roll(samples, delay, axis=-1)


@pytest.mark.parametrize("numerology", GRIDS, ids=NAMES)
def test_demodulation_inverts_modulation(numerology):
    grid = grid_of(numerology, 3, 2, 5)
    samples = modulate(grid, numerology)
    assert samples.shape == (3, 2, 5 * numerology.symbol_length)
    assert np.allclose(demodulate(samples, numerology), grid, atol=1e-12)


@pytest.mark.parametrize("numerology", GRIDS, ids=NAMES)
def test_energy_is_kept_and_the_prefix_repeats_the_end(numerology):
    grid = grid_of(numerology, 7)
    symbols = modulate(grid, numerology).reshape(7, numerology.symbol_length)
    prefix, body = symbols[:, : numerology.cyclic_prefix], symbols[:, numerology.cyclic_prefix :]
    assert np.allclose((np.abs(body) ** 2).sum(-1), (np.abs(grid) ** 2).sum(-1))
    assert np.array_equal(prefix, body[:, numerology.n_fft - numerology.cyclic_prefix :])


def test_inner_products_survive_modulation():
    """Unitary, not merely energy conserving: agents that are orthogonal on the grid are so on the air."""
    x, y = grid_of(RECOMMENDED, 1, seed=0), grid_of(RECOMMENDED, 1, seed=1)
    c = RECOMMENDED.cyclic_prefix
    assert np.isclose(np.vdot(modulate(x, RECOMMENDED)[c:], modulate(y, RECOMMENDED)[c:]), np.vdot(x, y))


@pytest.mark.parametrize("numerology", GRIDS, ids=NAMES)
def test_crest_power_is_the_mean_power_of_unit_elements(numerology):
    grid = np.exp(1j * np.angle(grid_of(numerology, 1)))
    body = modulate(grid, numerology)[numerology.cyclic_prefix :]
    assert np.isclose((np.abs(body) ** 2).mean(), numerology.crest_power)


@pytest.mark.parametrize("numerology", GRIDS, ids=NAMES)
def test_only_the_occupied_subcarriers_are_used(numerology):
    """Tone k of the grid is e^{j2πkm/N}/√N, and the carrier stays empty."""
    time = np.arange(numerology.n_fft)
    tones = np.exp(2j * np.pi * np.outer(numerology.subcarriers, time) / numerology.n_fft) / np.sqrt(numerology.n_fft)
    single = modulate(np.eye(numerology.n_subcarriers, dtype=complex)[:, None, :], numerology)
    assert np.allclose(single[:, numerology.cyclic_prefix :], tones)
    assert 0 not in numerology.subcarriers
    assert numerology.bandwidth < numerology.sample_rate


@pytest.mark.parametrize("numerology", GRIDS, ids=NAMES)
def test_bins_hold_the_subcarriers_and_nothing_else(numerology):
    grid = grid_of(numerology, 4)
    bins = to_bins(grid, numerology)
    assert bins.shape == (4, numerology.n_fft)
    assert np.array_equal(from_bins(bins, numerology), grid)
    assert np.array_equal(bins[:, numerology.subcarriers % numerology.n_fft], grid)
    assert np.count_nonzero(bins) == grid.size


@pytest.mark.parametrize("delay", [-22, -7, 0, 1, 26])
def test_a_delay_inside_the_window_is_a_phase_ramp(delay):
    """From w = 22 samples early to c − w = 26 late."""
    grid = grid_of(RECOMMENDED, 6)
    received = demodulate(late(modulate(grid, RECOMMENDED), delay), RECOMMENDED)
    assert np.allclose(received, grid * delay_ramp(RECOMMENDED, delay), atol=1e-12)


@pytest.mark.parametrize("delay", [-23, 27])
def test_one_sample_more_lets_the_neighbouring_symbol_in(delay):
    """One of N samples comes from another symbol: error 2/N of the energy, 2K/N of it on occupied subcarriers.

    The error of a symbol is that of one Gaussian sample: five standard errors of the mean of 400 are 25 %.
    """
    grid = grid_of(RECOMMENDED, 400)
    received = demodulate(late(modulate(grid, RECOMMENDED), delay), RECOMMENDED)
    error = (np.abs(received - grid * delay_ramp(RECOMMENDED, delay)) ** 2).mean()
    assert abs(error / (2 / RECOMMENDED.n_fft * RECOMMENDED.crest_power) - 1) < 0.25


def test_paths_within_the_window_multiply_each_subcarrier():
    grid, taps = grid_of(RECOMMENDED, 5), {-3: 0.5j, 0: 1.0, 4: -0.3, 20: 0.2 + 0.1j}
    sent = modulate(grid, RECOMMENDED)
    received = demodulate(sum(gain * late(sent, delay) for delay, gain in taps.items()), RECOMMENDED)
    channel = sum(gain * delay_ramp(RECOMMENDED, delay) for delay, gain in taps.items())
    assert np.allclose(received, grid * channel, atol=1e-12)


def test_ramps_of_delays_multiply():
    delays = np.array([-3.3, 0.0, 0.7, 11.2])
    ramps = delay_ramp(RECOMMENDED, delays)
    assert ramps.shape == (4, RECOMMENDED.n_subcarriers)
    assert np.allclose(ramps * delay_ramp(RECOMMENDED, 1.9), delay_ramp(RECOMMENDED, delays + 1.9))
    assert np.allclose(ramps[1], 1)


def test_noise_keeps_its_variance_and_stays_white():
    """80,000 elements of variance 0.3: mean power and neighbours' product have a standard error of 0.3/√80000."""
    noise = gaussian((400 * RECOMMENDED.symbol_length,), power=0.3)
    received = demodulate(noise, RECOMMENDED)
    limit = 5 * 0.3 / np.sqrt(received.size)
    assert abs((np.abs(received) ** 2).mean() - 0.3) < limit
    assert abs((received[:, 1:] * received[:, :-1].conj()).mean()) < limit


def test_the_air_adds_what_agents_send():
    grids = grid_of(RECOMMENDED, 10, 4)
    received = demodulate(modulate(grids, RECOMMENDED).sum(0), RECOMMENDED)
    assert np.allclose(received, grids.sum(0), atol=1e-12)


@pytest.mark.parametrize(("dtype", "limit"), [(np.complex64, 1e-5), (np.complex128, 1e-12)])
def test_torch_and_numpy_agree_in_both_precisions(dtype, limit):
    grid = grid_of(RECOMMENDED, 3, 5).astype(dtype)
    samples, theirs = modulate(grid, RECOMMENDED), modulate(torch.from_numpy(grid), RECOMMENDED)
    received, there = demodulate(samples, RECOMMENDED), demodulate(theirs, RECOMMENDED)
    for mine, other in ((samples, theirs.numpy()), (received, there.numpy())):
        assert mine.dtype == other.dtype == dtype
        assert np.allclose(mine, other, atol=limit)
    assert np.allclose(received, grid, atol=limit)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"n_fft": 250}, "n_fft must be a multiple of 16, got 250"),
        ({"n_fft": 0}, "n_fft must be a multiple of 16, got 0"),
        ({"half_width": 15}, "half_width must be at least 16 .* got 15"),
        ({"half_width": 127}, "below n_fft/2 - 1 = 127, got 127"),
        ({"window_lead": 49}, r"window_lead must lie within the cyclic prefix \(48 samples\), got 49"),
        ({"window_lead": -1}, "window_lead must lie within .* got -1"),
        ({"cyclic_prefix": 257}, r"cyclic_prefix must be between 0 and n_fft \(256\), got 257"),
        ({"sample_rate": 0.0}, "sample_rate must be positive, got 0.0"),
        ({"sample_rate": float("nan")}, "sample_rate must be positive, got nan"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_by_name(numbers, message):
    with pytest.raises(ValueError, match=message):
        Numerology(**numbers)


def test_parts_of_symbols_are_refused():
    with pytest.raises(ValueError, match="whole symbols of 304 samples, got 305"):
        demodulate(np.zeros(305, complex), RECOMMENDED)
