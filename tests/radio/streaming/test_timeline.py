"""Bursts that wait for their place: what is sent is their sum, whatever the blocks, and never beyond full scale."""

from itertools import pairwise

import numpy as np
import pytest

from radio.base import FullScaleError
from radio.streaming.timeline import Timeline

rng = np.random.default_rng(0)


def waves(count, size, scale):
    parts = rng.standard_normal((2, count, size))
    return (scale * np.exp(1j * np.pi * parts[0])).astype(np.complex64)


def test_a_stream_is_its_bursts_whatever_the_blocks():
    """Overlapping ones add up."""
    expected, timeline = np.zeros(4000, np.complex64), Timeline()
    for burst, first in zip(waves(5, 900, 0.45), (10, 700, 1601, 2503, 3100), strict=True):
        timeline.put(burst, first)
        expected[first : first + 900] += burst
    edges = [0, 1, 512, 1000, 1001, 3000, 4000]
    sent = np.concatenate([timeline.take(low, high) for low, high in pairwise(edges)])
    assert np.abs(sent - expected).max() < 1e-6
    assert not timeline.bursts


def test_bursts_that_add_up_beyond_full_scale_are_refused():
    timeline = Timeline()
    timeline.put(np.full(100, 0.7, np.complex64), 0)
    timeline.put(np.full(100, 0.7, np.complex64), 100)
    with pytest.raises(FullScaleError, match=r"got 1.400; lower them by 2.9 dB"):
        timeline.put(np.full(100, 0.7, np.complex64), 99)
    assert len(timeline.bursts) == 2
