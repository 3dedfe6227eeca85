"""Samples as the converters of a Pluto have them."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np

from radio.pluto.stream import Stream, from_counts

rng = np.random.default_rng(0)


def waves(count, size, scale):
    parts = rng.standard_normal((2, count, size))
    return (scale * np.exp(1j * np.pi * parts[0])).astype(np.complex64)


def codes_of(wave):
    """Return what a stream hands over to the converter."""
    handed = []
    stream = Stream(SimpleNamespace(asking=lambda _: nullcontext()), wave.size)
    stream._sending = SimpleNamespace(write=handed.append, push=lambda: None)
    stream.push(wave)
    return np.frombuffer(handed[0], "<i2")


def test_a_code_of_the_converter_is_rounded_and_lies_in_the_upper_12_bits():
    """A code is 1/2047, rounding is off by half of one at most."""
    wave = waves(1, 900, 1.0)[0]
    counts = codes_of(wave)
    assert not (counts % 16).any()
    sent = (counts.astype(np.float32) / (2047 * 16)).view(np.complex64)
    assert np.abs((sent - wave).view(np.float32)).max() < 0.51 / 2047


def test_full_scale_fits_into_the_converter():
    assert np.abs(codes_of(np.array([1, -1, 1j, -1j], np.complex64)).astype(int)).max() == 2047 * 16


def test_counts_are_parts_of_full_scale_and_those_at_the_limit_are_counted():
    counts = rng.integers(-2048, 2048, (4000, 2)).astype(np.int16)
    data, clipped = from_counts(counts)
    assert np.array_equal(data, (counts[:, 0] + 1j * counts[:, 1]).astype(np.complex64) / 2048)
    assert clipped == ((counts == 2047) | (counts == -2048)).any(1).sum() > 0
