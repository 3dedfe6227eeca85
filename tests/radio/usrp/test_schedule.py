"""Bursts that wait until they are handed over, and samples at the limit of the converter."""

from itertools import pairwise

import numpy as np
import pytest

from radio.usrp.hearing import limited
from radio.usrp.schedule import Schedule

rng = np.random.default_rng(0)


def waves(count, size, scale):
    phases = rng.random((count, size))
    return (scale * np.exp(2j * np.pi * phases)).astype(np.complex64)


def played(pieces, size):
    """Return what a device sends, which takes pieces of an open burst only where the one before ended."""
    out, is_open, end = np.zeros(size, np.complex64), False, 0
    for piece in pieces:
        assert piece.starts != is_open, "a burst starts if none is open"
        assert piece.starts or piece.first == end
        assert piece.first >= end
        end, is_open = piece.first + piece.samples.size, not piece.ends
        out[piece.first : end] = piece.samples
    assert not is_open, "no burst is left open, or the device would run dry"
    return out


@pytest.mark.parametrize("edges", [
    [0, 4000], [0, 1, 512, 1000, 1001, 3000, 4000], [0, 900, 1600, 1610, 2500, 3100, 4000], list(range(0, 4001, 100)),
])  # fmt: skip
def test_a_device_sends_the_sum_of_all_bursts_however_they_are_handed_over(edges):
    expected, schedule = np.zeros(4000, np.complex64), Schedule()
    for burst, first in zip(waves(5, 900, 0.45), (1601, 10, 700, 2501, 3100), strict=True):
        schedule.put(burst, first)
        expected[first : first + 900] += burst
    pieces = [piece for _, high in pairwise(edges) for piece in schedule.take(high)]
    assert np.array_equal(played(pieces, 4000), expected)
    assert not schedule.timeline.bursts
    assert (schedule.taken, schedule.busy) == (4000, 4000)


def test_bursts_that_touch_are_one_and_others_are_not():
    schedule = Schedule()
    for first in (0, 100, 201):
        schedule.put(waves(1, 100, 0.5)[0], first)
    assert [(piece.first, piece.samples.size) for piece in schedule.take(1000)] == [(0, 200), (201, 100)]


def test_what_is_withdrawn_ends_the_burst_of_which_a_part_is_with_the_device():
    schedule = Schedule()
    schedule.put(waves(1, 1000, 0.5)[0], 0)
    pieces = schedule.take(300)
    assert [piece.ends for piece in pieces] == [False]
    schedule.clear()
    schedule.put(waves(1, 50, 0.5)[0], 500)
    pieces += schedule.take(600)
    sent = played(pieces, 1000)
    assert sent[:300].all()
    assert not sent[300:500].any()
    assert sent[500:550].all()


def test_samples_at_the_limit_of_the_converter_are_counted():
    block = waves(1, 100, 0.9)[0]
    block[[3, 50, 51]] = [1 - 2.0**-15 + 0j, -1j, 0.5 - 1j]
    assert limited(block)[1] == 3
