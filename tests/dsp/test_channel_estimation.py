import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from dsp.channel_estimation import _subspace, average, estimate, smooth, strongest_delay
from dsp.frame import SOUNDING_REPEATS, slot_prefix, sounding, training_symbol
from dsp.ofdm import Numerology, delay_ramp, to_bins

NUMEROLOGY = Numerology()
N, ELEMENTS, RATE = NUMEROLOGY.n_fft, NUMEROLOGY.n_subcarriers, NUMEROLOGY.sample_rate


def noise(shape, variance, rng):
    parts = rng.standard_normal((2, *shape)) * np.sqrt(variance / 2)
    return parts[0] + 1j * parts[1]


def drawn_channel(rng, paths, spread):
    """Rayleigh paths with delays uniform over `spread`, all of them late or early by up to 16 samples."""
    delays = rng.uniform(-16, 16) + rng.uniform(0, spread, paths)
    return noise((paths,), 1 / paths, rng) @ delay_ramp(NUMEROLOGY, delays)


def slot(channel, frequency, noise_var, rng):
    """A sounding slot through a channel whose paths the prefix covers; carrier phase 0 in the middle of the repeats."""
    period = np.fft.ifft(to_bins(channel * training_symbol(NUMEROLOGY), NUMEROLOGY), norm="ortho")
    prefix = slot_prefix(NUMEROLOGY)
    index = np.arange(-prefix, SOUNDING_REPEATS * N)
    middle = prefix - NUMEROLOGY.window_lead + (SOUNDING_REPEATS * N - 1) / 2
    turn = np.exp(2j * np.pi * frequency / RATE * (np.arange(index.size) - middle))
    return period[index % N] * turn + noise((index.size,), noise_var, rng)


def repeats(channel, noise_var, rng):
    return channel + noise((SOUNDING_REPEATS, ELEMENTS), noise_var, rng)


def squared_error(channel, truth):
    return np.mean(np.abs(channel - truth) ** 2)


def test_the_noise_variance_is_unbiased():
    """7·200 degrees of freedom and 400 slots: five standard errors of the relative mean are 5/√560,000 = 0.0067.

    Fitting a frequency takes half of one of the 1,400.
    """
    rng = np.random.default_rng(0)
    plain = [average(repeats(1.0, 0.3, rng))[1] for _ in range(400)]
    assert abs(np.mean(plain) / 0.3 - 1) < 0.0067
    slots = (slot(drawn_channel(rng, 3, 4.0), rng.uniform(-2, 2), 0.3, rng) for _ in range(400))
    assert abs(np.mean([estimate(heard, NUMEROLOGY, 8.0).noise_var for heard in slots]) / 0.3 - 1) < 0.0067 + 0.0004


def test_without_noise_the_channel_of_a_sounding_is_exact():
    """As sent by the frame: the waveform that this estimator's half of the contract is about."""
    found = estimate(0.3j * sounding(NUMEROLOGY), NUMEROLOGY, 8.0, amplitude=0.5)
    assert np.allclose(found.channel, 0.6j, atol=1e-8)
    assert found.noise_var < 1e-20
    assert abs(found.frequency) < 1e-6


@pytest.mark.parametrize("delay", [-21.5, -16.0, -0.3, 0.0, 7.25, 25.0])
def test_a_path_that_comes_early_or_late_is_seen_where_it_is(delay):
    """The delay found is where 8 samples begin that hold the path."""
    truth = (0.6 - 0.5j) * delay_ramp(NUMEROLOGY, delay)
    found = estimate(slot(truth, 0.0, 1e-3, np.random.default_rng(1)), NUMEROLOGY, 8.0)
    assert found.delay - 1 <= delay <= found.delay + 8 + 1
    assert squared_error(found.channel, truth) < 5 * found.error_var


@pytest.mark.parametrize("snr_db", [-5, 0, 10, 20, 30])
@pytest.mark.parametrize(("paths", "spread"), [(1, 8.0), (3, 8.0), (12, 8.0), (1, 20.0), (12, 20.0)])
def test_the_error_of_the_estimate_is_the_one_stated(snr_db, paths, spread):
    """Channels that fill half the stated spread: 250 slots of about 0.8·spread + 2 error terms, unequally weighted.

    One standard error of the mean is below 2.1 %, five are 10 %; of these, a power that is not known either takes 6 %
    at −5 dB, and delays that are not uniform over the whole spread give back 4 % above.
    """
    rng, variance = np.random.default_rng(2), 10 ** (-snr_db / 10) / SOUNDING_REPEATS
    error, stated = [], []
    for _ in range(250):
        truth = drawn_channel(rng, paths, spread / 2)
        channel, claimed, _ = smooth(truth + noise((ELEMENTS,), variance, rng), variance, NUMEROLOGY, spread)
        error.append(squared_error(channel, truth))
        stated.append(claimed)
    assert abs(np.mean(error) / np.mean(stated) - 1) < 0.1


def test_a_slot_s_estimate_errs_as_it_states():
    """From the samples, noise and frequency unknown: 400 slots, ten error terms each, five standard errors 8 %."""
    rng, error, stated = np.random.default_rng(10), [], []
    for _ in range(400):
        truth = np.exp(2j * np.pi * rng.random()) * delay_ramp(NUMEROLOGY, rng.uniform(-16, 16))
        found = estimate(slot(truth, rng.uniform(-5, 5), 0.1, rng), NUMEROLOGY, 8.0)
        error.append(squared_error(found.channel, truth))
        stated.append(found.error_var)
    assert abs(np.mean(error) / np.mean(stated) - 1) < 0.08


@pytest.mark.parametrize("spread", [2.0, 8.0, 20.0])
def test_smoothing_leaves_the_noise_of_the_channel_s_dimensions(spread):
    """Delays over spread and margin, S = spread + 2 samples, span S·2K/N + 2 dimensions of 2K: about N/S times less
    noise than least squares. At 20 dB, 200 slots; the count of dimensions is good to a quarter."""
    rng, variance = np.random.default_rng(3), 0.01
    error = []
    for _ in range(200):
        truth = drawn_channel(rng, 3, spread / 2)
        channel, _, _ = smooth(truth + noise((ELEMENTS,), variance, rng), variance, NUMEROLOGY, spread)
        error.append(squared_error(channel, truth))
    dimensions = (spread + 2) * ELEMENTS / N + 2
    assert 0.75 < variance / np.mean(error) / (ELEMENTS / dimensions) < 1.33


def test_noise_alone_is_no_channel_and_silence_is_none_at_all():
    """Ten dimensions of 200 hold a twentieth of the noise; shrinking takes more than half of that, over 100 draws."""
    rng, error = np.random.default_rng(4), []
    for _ in range(100):
        channel, claimed, _ = smooth(noise((ELEMENTS,), 1.0, rng), 1.0, NUMEROLOGY, 8.0)
        error.append(squared_error(channel, 0))
        assert claimed < 0.05
    assert np.mean(error) < 0.025
    silent = estimate(np.zeros(2700, complex), NUMEROLOGY, 8.0)
    assert not silent.channel.any()
    assert np.isfinite([silent.frequency, silent.frequency_var, silent.error_var, silent.strength]).all()


def test_strength_tells_an_agent_from_noise():
    """Noise alone: the largest of Γ(200)/200 at some 8 frequencies, between 1 and 1 + 5/√200 in the mean of 400.

    An agent at −3 dB: 1 + R·S/σ², 200 elements, five standard errors of the mean far below a hundredth, which is what
    the fitted frequency may take.
    """
    rng = np.random.default_rng(9)

    def strength(amplitude, noise_var):
        heard = (slot(amplitude * delay_ramp(NUMEROLOGY, 2.0), 0.0, noise_var, rng) for _ in range(400))
        return np.mean([estimate(samples, NUMEROLOGY, 8.0).strength for samples in heard])

    assert 1 < strength(0.0, 2.0) < 1 + 5 / np.sqrt(200)
    assert abs(strength(1.0, 2.0) / (1 + SOUNDING_REPEATS / 2) - 1) < 0.01


@pytest.mark.parametrize("snr_db", [0, 10, 20])
def test_the_residual_frequency_is_found_within_its_stated_variance(snr_db):
    """Uniform over ±15 Hz, a path of power 1. Mean of (error²/variance) over 400 slots is 1, five standard errors are
    5·√(2/400) = 0.35."""
    rng, ratio = np.random.default_rng(5), []
    for _ in range(400):
        frequency, phase = rng.uniform(-15, 15), rng.uniform(-np.pi, np.pi)
        truth = np.exp(1j * phase) * delay_ramp(NUMEROLOGY, rng.uniform(-16, 16))
        found = estimate(slot(truth, frequency, 10 ** (-snr_db / 10), rng), NUMEROLOGY, 8.0)
        ratio.append((found.frequency - frequency) ** 2 / found.frequency_var)
    assert abs(np.mean(ratio) - 1) < 0.35


def test_frequencies_up_to_half_of_the_repetition_rate_are_told_apart():
    """fs/2N = 7.8 kHz: at 40 dB all of them come back, to a thousandth of a turn between repeats."""
    rng = np.random.default_rng(6)
    for frequency in (-7000.0, -1000.0, 300.0, 7000.0):
        found = estimate(slot(1.0, frequency, 1e-4, rng), NUMEROLOGY, 8.0)
        assert abs(found.frequency - frequency) < 1e-3 * RATE / N


def test_the_phase_is_that_in_the_middle_of_the_repeats():
    """Whatever turns the carrier, up to its own phase error of √(σ²/8/2/200), six of them."""
    rng = np.random.default_rng(7)
    for frequency in (-15.0, 0.0, 40.0):
        truth = np.exp(0.7j) * delay_ramp(NUMEROLOGY, 3.0)
        found = estimate(slot(truth, frequency, 1e-3, rng), NUMEROLOGY, 8.0)
        assert abs(np.angle(np.vdot(truth, found.channel))) < 6 * np.sqrt(1e-3 / 8 / 400)


def test_amplitude_scales_the_channel_and_its_error_but_not_the_noise():
    heard = slot(drawn_channel(np.random.default_rng(8), 3, 4.0), 1.0, 0.01, np.random.default_rng(8))
    one, quarter = (estimate(heard, NUMEROLOGY, 8.0, amplitude) for amplitude in (1.0, 0.25))
    assert np.allclose(quarter.channel, 4 * one.channel)
    assert np.isclose(quarter.error_var, 16 * one.error_var)
    assert np.isclose(quarter.noise_var, one.noise_var)
    assert np.isclose(quarter.frequency_var, one.frequency_var)


@pytest.mark.parametrize("spread", [-0.1, 128.5])
def test_a_spread_that_does_not_fit_the_symbol_is_refused(spread):
    with pytest.raises(ValueError, match=rf"spread must be between 0 and n_fft/2 = 128 samples, got {spread}"):
        smooth(np.ones(ELEMENTS, complex), 0.1, NUMEROLOGY, spread)


def test_slots_that_are_too_short_are_refused():
    with pytest.raises(ValueError, match="a slot must hold at least 2602 samples, got 2601"):
        estimate(np.ones(2601, complex), NUMEROLOGY, 8.0)


def test_a_longer_prefix_is_waited_for():
    """With symbols of prefix 80 a slot has one too: the window begins 70 samples ahead of its end and fits."""
    longer = Numerology(cyclic_prefix=80, window_lead=70)
    late = np.concatenate([np.zeros(10), sounding(longer)])
    found = estimate(late, longer, 8.0)
    assert np.allclose(found.channel, delay_ramp(longer, 10.0), atol=1e-4)


@pytest.mark.parametrize("snr_db", [10, 20, 40])
@pytest.mark.parametrize(("paths", "spread"), [(3, 8.0), (12, 20.0)])
def test_weak_paths_at_the_ends_of_a_full_spread_are_kept(snr_db, paths, spread):
    """A window of the spread's length with most energy leaves them out: an error of -40 dB whatever the noise."""
    rng, variance = np.random.default_rng(2), 10 ** (-snr_db / 10) / 8
    errors, stated = [], []
    for _ in range(250):
        truth = drawn_channel(rng, paths, spread)
        channel, claimed, _ = smooth(truth + noise((200,), variance, rng), variance, NUMEROLOGY, spread)
        errors.append(squared_error(channel, truth))
        stated.append(claimed)
    # 250 errors of some ten dimensions each: a standard error of 3 %
    assert abs(np.mean(errors) / np.mean(stated) - 1) < 0.12


def test_a_residual_frequency_does_not_leak_into_other_subcarriers():
    rng = np.random.default_rng(2)
    errors, stated = [], []
    for _ in range(200):
        truth = drawn_channel(rng, 3, 4.0)
        found = estimate(slot(truth, rng.choice([-15.0, 15.0]), 1e-5, rng), NUMEROLOGY, 8.0)
        errors.append(squared_error(found.channel, truth))
        stated.append(found.error_var)
    assert abs(np.mean(errors) / np.mean(stated) - 1) < 0.15


@pytest.mark.parametrize("delay", [-20.25, 0.0, 11.5])
def test_the_strongest_path_is_found_in_quarters_of_a_sample(delay):
    channel = delay_ramp(NUMEROLOGY, delay) + 0.5 * delay_ramp(NUMEROLOGY, delay + 6.0)
    assert strongest_delay(channel, NUMEROLOGY) == pytest.approx(delay, abs=0.25)


def test_the_prior_is_the_same_to_the_bit_whatever_the_number_of_threads():
    """It is computed once and kept: a run whose process computed it before the run set its threads would differ."""
    computed = []
    for threads in (1, 2):
        with threadpool_limits(limits=threads, user_api="blas"):
            computed.append(_subspace.__wrapped__(NUMEROLOGY, 4.0))
    np.testing.assert_array_equal(computed[0][0], computed[1][0])
    np.testing.assert_array_equal(computed[0][1], computed[1][1])
