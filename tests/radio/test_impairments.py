import math

import numpy as np
import pytest
from scipy.integrate import quad

from radio import impairments
from radio.impairments import ReceiveChain, TransmitChain


def gaussian(count=100_000, power=1.0, seed=0):
    parts = np.random.default_rng(seed).standard_normal((count, 2)) * np.sqrt(power / 2)
    return (parts[:, 0] + 1j * parts[:, 1]).astype(np.complex64)


def uniform(count=100_000, seed=0):
    parts = np.random.default_rng(seed).uniform(-0.9, 0.9, (count, 2))
    return (parts[:, 0] + 1j * parts[:, 1]).astype(np.complex64)


SIGNED_ZEROS = np.array([complex(-0.0, 0.0), complex(0.0, -0.0), complex(-0.0, -0.0), 0.3 - 0.7j], np.complex64)


@pytest.mark.parametrize("smoothness", [0.5, 2.0, 50.0])
def test_a_small_signal_meets_gain_one_and_a_large_one_the_limit(smoothness):
    """At p = 0.5, y = x/(1 + |x|/A): the gain is one within |x|/A, the limit missed by A/|x|."""
    small, large = np.complex64(1e-6) * gaussian(100), np.complex64(1e6) * gaussian(100)
    assert np.allclose(impairments.rapp(small, 0.5, smoothness), small, rtol=1e-4, atol=0)
    assert np.allclose(np.abs(impairments.rapp(large, 0.5, smoothness)), 0.5, rtol=1e-4)


def test_an_amplifier_keeps_the_phase_and_the_order_of_amplitudes():
    x = gaussian(1000)
    y = impairments.rapp(x, 0.7)
    assert np.allclose(np.angle(y / x), 0, atol=1e-6)
    assert np.array_equal(impairments.rapp(-x, 0.7), -y)
    rise = np.diff(np.abs(y)[np.argsort(np.abs(x))])
    assert (rise > -1e-6).all()
    assert np.abs(y).max() < 0.7


def test_an_amplifier_obeys_rapp_s_formula():
    x = gaussian(1000).astype(np.complex128)
    for p in (1.0, 3.0):
        expected = x / (1 + (np.abs(x) / 0.7) ** (2 * p)) ** (1 / (2 * p))
        assert np.allclose(impairments.rapp(x.astype(np.complex64), 0.7, p), expected, rtol=1e-5)


def test_eight_db_of_back_off_leave_a_gaussian_signal_28_5_db_clean():
    """Bussgang: y = ax + e with a = E[r f(r)], EVM² = 1 − a²/E f², r Rayleigh; 28.5 dB by quadrature at p = 2.

    Ten batches give the standard error.
    """
    saturation = 10 ** (8 / 20)
    amplitude, law = (lambda r: r / (1 + (r / saturation) ** 4) ** 0.25), lambda r: 2 * r * np.exp(-(r**2))
    correlation = quad(lambda r: r * amplitude(r) * law(r), 0, 12)[0]
    expected = 1 - correlation**2 / quad(lambda r: amplitude(r) ** 2 * law(r), 0, 12)[0]
    assert np.isclose(10 * np.log10(expected), -28.5, atol=0.01)
    measured = []
    for seed in range(10):
        x = gaussian(seed=seed)
        y, x = impairments.rapp(x, saturation).astype(np.complex128), x.astype(np.complex128)
        error = y - np.vdot(x, y) / np.vdot(x, x) * x
        measured.append(np.vdot(error, error).real / np.vdot(y, y).real)
    assert abs(np.mean(measured) - expected) < 5 * np.std(measured, ddof=1) / np.sqrt(10)


@pytest.mark.parametrize(("gain_db", "phase_deg"), [(1.0, 0.0), (0.0, 5.0), (-0.5, 2.0)])
def test_the_image_of_a_tone_lies_below_it_by_the_rejection(gain_db, phase_deg):
    tone = np.exp(2j * np.pi * 5 * np.arange(64) / 64).astype(np.complex64)
    spectrum = np.abs(np.fft.fft(impairments.iq_imbalance(tone, gain_db, phase_deg)))
    assert np.isclose(
        20 * np.log10(spectrum[5] / spectrum[-5]), impairments.image_rejection_db(gain_db, phase_deg), atol=1e-3
    )
    rest = np.delete(spectrum, [5, 59])
    assert rest.max() < 1e-4


def test_imbalance_scales_and_turns_the_quadrature_branch_alone():
    """αx + βx* with x = 1 is 1 − jg·sin φ, with x = j it is jg·cos φ: the branches, g apart and 90° − φ."""
    g, phi = 10 ** (1 / 20), np.deg2rad(10)
    y = impairments.iq_imbalance(np.array([1, 1j], np.complex64), 1.0, 10.0)
    assert np.allclose(y, [1 - 1j * g * np.sin(phi), 1j * g * np.cos(phi)], atol=1e-6)


def test_one_degree_of_phase_error_rejects_images_by_41_db():
    """|β/α|² = tan²(φ/2) at g = 1."""
    assert np.isclose(impairments.image_rejection_db(0.0, 1.0), -20 * np.log10(np.tan(np.deg2rad(0.5))))
    assert impairments.image_rejection_db(0.0, 0.0) == math.inf


def test_dc_moves_the_mean():
    x = uniform()
    assert np.isclose((impairments.dc_offset(x, 0.1 - 0.2j) - x).mean(), 0.1 - 0.2j, atol=1e-6)


@pytest.mark.parametrize("bits", [4, 8, 12])
def test_quantisation_noise_is_a_sixth_of_a_squared_step(bits):
    """Each component errs uniformly, variance step²/12; Var|e|² = 2·step⁴·(1/80 − 1/144) = step⁴/90."""
    x, step = uniform(), 2.0 ** (1 - bits)
    y, clipped = impairments.quantise(x, bits)
    error = np.abs(y.astype(np.complex128) - x) ** 2
    assert clipped == 0
    # Whole cells only: errors are uniform within a cell, not within a part of one.
    inside = np.maximum(np.abs(x.real), np.abs(x.imag)) < (np.floor(0.9 / step) - 0.5) * step
    count = inside.sum()
    assert abs(error[inside].mean() - step**2 / 6) < 5 * step**2 / np.sqrt(90 * count)


@pytest.mark.parametrize("bits", [2, 7, 24])
def test_converters_give_the_levels_of_twos_complement(bits):
    y, _ = impairments.quantise(gaussian(5000), bits)
    for part in (y.real, y.imag):
        levels = part.astype(np.float64) * 2 ** (bits - 1)
        assert np.array_equal(levels, np.rint(levels))
        assert levels.min() == -(2 ** (bits - 1))
        assert levels.max() == 2 ** (bits - 1) - 1
    again, clipped = impairments.quantise(y, bits)
    assert np.array_equal(again, y)
    assert clipped == 0


def test_limited_samples_are_counted_once_and_only_they():
    x = np.array([0.5, 1.0, -1.0, 2 + 2j, -1.2j, 0.99j], np.complex64)
    y, clipped = impairments.quantise(x, 8)
    assert clipped == 3
    top = 1 - 2**-7
    assert np.array_equal(y, np.array([0.5, top, -1, top + 1j * top, -1j, 1j * top], np.complex64))
    assert ReceiveChain().apply(x)[1] == 0  # an ideal converter has no limit


@pytest.mark.parametrize("x", [SIGNED_ZEROS, 3 * gaussian(500), gaussian(500)[::2], gaussian(500).reshape(5, 100)])
def test_neutral_values_change_no_bit(x):
    assert x.dtype == np.complex64
    received, _ = ReceiveChain().apply(x)
    results = [
        impairments.rapp(x, math.inf),
        impairments.iq_imbalance(x, 0.0, 0.0),
        impairments.dc_offset(x, 0j),
        impairments.quantise(x, None)[0],
        TransmitChain().apply(x),
        received,
        ReceiveChain(gain_db=30.0).apply(x)[0],
    ]
    for y in results:
        assert y.tobytes() == x.tobytes()


def test_samples_stay_complex64_and_in_shape_and_are_not_written_to():
    x = gaussian(600).reshape(3, 200)[:, ::2]
    before = x.copy()
    transmitted = TransmitChain(0.5, 2.0, 0.01j, 0.8, 3.0, 8).apply(x)
    received, clipped = ReceiveChain(10.0, 0.5, 2.0, 0.01, 10).apply(x)
    alone = [impairments.rapp(x, 1.0), impairments.iq_imbalance(x, 1.0, 0.0), impairments.dc_offset(x, 0.1)]
    for y in (transmitted, received, impairments.quantise(x, 8)[0], *alone):
        assert y.dtype == np.complex64
        assert y.shape == x.shape
    assert isinstance(clipped, int)
    assert np.array_equal(x, before)


def test_a_transmitter_converts_mixes_leaks_and_amplifies_in_this_order():
    x = gaussian(1000)
    y = impairments.iq_imbalance(impairments.quantise(x, 6)[0], 1.0, 3.0)
    expected = impairments.rapp(impairments.dc_offset(y, 0.05), 0.6, 3.0)
    assert np.array_equal(TransmitChain(1.0, 3.0, 0.05, 0.6, 3.0, 6).apply(x), expected)


def test_the_receiver_s_gain_is_an_amplitude():
    assert np.isclose(ReceiveChain(gain_db=6.0).gain ** 2, 10**0.6)
    assert ReceiveChain().gain == 1


def test_a_receiver_mixes_leaks_and_converts_in_this_order():
    x = gaussian(1000)
    expected, clipped = impairments.quantise(impairments.dc_offset(impairments.iq_imbalance(x, 1.0, 3.0), 0.05), 6)
    y, count = ReceiveChain(0.0, 1.0, 3.0, 0.05, 6).apply(x)
    assert np.array_equal(y, expected)
    assert count == clipped > 0


X = np.zeros(2, np.complex64)


@pytest.mark.parametrize(
    ("call", "quantity"),
    [
        (lambda: impairments.rapp(X, 0.0), "saturation"),
        (lambda: impairments.rapp(X, math.nan), "saturation"),
        (lambda: impairments.rapp(X, 1.0, 0.0), "smoothness"),
        (lambda: impairments.iq_imbalance(X, math.inf, 0.0), "gain_db"),
        (lambda: impairments.image_rejection_db(0.0, math.nan), "phase_deg"),
        (lambda: impairments.dc_offset(X, 1 + 1j), "dc level"),
        (lambda: impairments.dc_offset(X, complex(math.nan, 0)), "dc level"),
        (lambda: impairments.quantise(X, 1), "bits"),
        (lambda: impairments.quantise(X, 25), "bits"),
        (lambda: impairments.quantise(X.astype(np.complex128), 8), "complex64"),
        (lambda: impairments.rapp(X.real, 1.0), "complex64"),
        (lambda: TransmitChain(pa_saturation=-1.0), "saturation"),
        (lambda: TransmitChain(pa_smoothness=-1.0), "smoothness"),
        (lambda: TransmitChain(bits=0), "bits"),
        (lambda: ReceiveChain(gain_db=math.nan), "gain_db"),
        (lambda: ReceiveChain(dc=2.0), "dc level"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call, quantity):
    with pytest.raises(ValueError, match=quantity):
        call()
