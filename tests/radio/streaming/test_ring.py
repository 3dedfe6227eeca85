"""What was heard lately, by index."""

import numpy as np
import pytest

from radio.base import OverrunError, RadioError
from radio.streaming.ring import Ring

rng = np.random.default_rng(0)


def waves(count, size, scale):
    phases = rng.random((count, size))
    return (scale * np.exp(2j * np.pi * phases)).astype(np.complex64)


def test_a_ring_returns_any_span_that_it_keeps_by_its_index():
    heard, ring = waves(1, 4000, 0.9)[0], Ring(1000, "r")
    ring.restart(7000)
    for low in range(0, 4000, 400):
        ring.append(heard[low : low + 400], 7000 + low)
    assert 1000 <= ring.end - ring.start < 1400
    assert np.array_equal(ring.read(900, 10_050).data, heard[3050:3950])
    with pytest.raises(OverrunError, match=r"radio r: .*the oldest kept is"):
        ring.read(10, ring.start - 1)


def test_a_gap_is_an_error_for_those_who_want_what_was_in_it_and_for_nobody_else():
    heard, ring = waves(1, 1000, 0.9)[0], Ring(5000, "r")
    ring.append(heard[:400])
    ring.append(heard[650:], 650)
    for count, at in ((400, 0), (350, 650), (1, 399), (10, 700)):
        assert np.array_equal(ring.read(count, at).data, heard[at : at + count])
    for count, at, lost in ((402, 0, 2), (1000, 0, 250), (5, 500, 5), (3, 648, 2)):
        with pytest.raises(OverrunError, match=rf"radio r: {lost} of {count} samples from index {at} on were lost"):
            ring.read(count, at)


def test_samples_from_before_the_stream_began_are_refused_with_what_broke_it():
    ring = Ring(1000, "r")
    ring.restart(500)
    with pytest.raises(OverrunError, match=r"must be at index 500 or later, got index 499; its stream began there$"):
        ring.read(10, 499)
    ring.restart(900, "no samples came")
    with pytest.raises(OverrunError, match=r"index 900 or later, .* began there again, after: no samples came$"):
        ring.read(10, 600)


def test_time_that_goes_back_is_an_error():
    ring = Ring(1000, "r")
    ring.append(waves(1, 50, 0.5)[0], 100)
    with pytest.raises(RadioError, match="must begin at index 150 or later, got 149"):
        ring.append(waves(1, 50, 0.5)[0], 149)


def test_blocks_without_an_index_follow_each_other_and_are_decoded_when_they_are_read():
    counts, ring = rng.integers(0, 9, (1000, 2)).astype(np.int16), Ring(400, "r", lambda part: (part[:, 0] * 2j, 7))
    ring.restart(50)
    for low in range(0, 1000, 100):
        ring.append(counts[low : low + 100])
    found = ring.read(250, 760)
    assert np.array_equal(found.data, 2j * counts[710:960, 0])
    assert (found.start, found.clipped, ring.end) == (760, 7, 1050)
