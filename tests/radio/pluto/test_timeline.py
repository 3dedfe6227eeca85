from itertools import pairwise

import numpy as np
import pytest

from radio.base import FullScaleError, OverrunError
from radio.pluto.offset import find, marker
from radio.pluto.ring import Ring
from radio.pluto.timeline import Timeline

rng = np.random.default_rng(0)


def waves(count, size, scale):
    parts = rng.standard_normal((2, count, size))
    return (scale * np.exp(1j * np.pi * parts[0])).astype(np.complex64)


def test_a_stream_is_its_bursts_whatever_the_blocks():
    """Overlapping ones add up; a code is 1/2047, rounding is off by half of one at most."""
    expected, timeline = np.zeros(4000, np.complex64), Timeline()
    for burst, first in zip(waves(5, 900, 0.45), (10, 700, 1601, 2503, 3100), strict=True):
        timeline.put(burst, first)
        expected[first : first + 900] += burst
    edges = [0, 1, 512, 1000, 1001, 3000, 4000]
    data = b"".join(timeline.take(low, high) for low, high in pairwise(edges))
    counts = np.frombuffer(data, "<i2")
    assert not (counts % 16).any()
    sent = (counts.astype(np.float32) / (2047 * 16)).view(np.complex64)
    assert np.abs((sent - expected).view(np.float32)).max() < 0.51 / 2047
    assert not timeline.bursts


def test_bursts_that_add_up_beyond_full_scale_are_refused():
    timeline = Timeline()
    timeline.put(np.full(100, 0.7, np.complex64), 0)
    timeline.put(np.full(100, 0.7, np.complex64), 100)
    with pytest.raises(FullScaleError, match=r"got 1.400; lower them by 2.9 dB"):
        timeline.put(np.full(100, 0.7, np.complex64), 99)
    assert len(timeline.bursts) == 2


def test_full_scale_fits_into_the_converter():
    timeline = Timeline()
    timeline.put(np.array([1, -1, 1j, -1j], np.complex64), 0)
    assert np.abs(np.frombuffer(timeline.take(0, 4), "<i2").astype(int)).max() == 2047 * 16


def test_a_ring_returns_any_span_that_it_keeps_and_counts_what_the_converter_limited():
    ring, heard = Ring(1000), rng.integers(-2048, 2048, (4000, 2)).astype(np.int16)
    for low in range(0, 4000, 400):
        ring.append(heard[low : low + 400])
    assert ring.end - ring.start >= 1000
    found = ring.read(900, 3050, "r")
    part = heard[3050:3950]
    assert np.array_equal(found.data, (part[:, 0] + 1j * part[:, 1]).astype(np.complex64) / 2048)
    assert found.clipped == ((part == 2047) | (part == -2048)).any(1).sum()
    with pytest.raises(OverrunError, match=r"radio r: .*the oldest kept is"):
        ring.read(10, ring.start - 1, "r")


@pytest.mark.parametrize("place", [0, 1, 777, 4000])
def test_a_marker_is_found_to_the_sample_in_silence_and_in_noise(place):
    heard = np.zeros(6000, np.complex64)
    heard[place : place + marker().size] += marker()
    assert find(heard, "r") == place
    noise = 0.3 * (rng.standard_normal(6000) + 1j * rng.standard_normal(6000))
    assert find((heard + noise).astype(np.complex64), "r") == place
