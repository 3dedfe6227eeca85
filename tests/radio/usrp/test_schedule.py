"""Bursts that wait, and samples that were heard."""

from itertools import pairwise

import numpy as np
import pytest

from radio.base import FullScaleError, OverrunError, RadioError
from radio.usrp.ring import Ring
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
    assert not schedule.bursts
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


def test_bursts_that_add_up_beyond_full_scale_are_refused():
    schedule = Schedule()
    schedule.put(np.full(100, 0.7, np.complex64), 0)
    schedule.put(np.full(100, 0.7, np.complex64), 100)
    with pytest.raises(FullScaleError, match=r"got 1.400; lower them by 2.9 dB"):
        schedule.put(np.full(100, 0.7, np.complex64), 99)
    assert len(schedule.bursts) == 2


def test_a_ring_returns_any_span_that_it_keeps_by_its_index():
    heard, ring = waves(1, 4000, 0.9)[0], Ring(1000, "r")
    ring.restart(7000)
    for low in range(0, 4000, 400):
        ring.append(7000 + low, heard[low : low + 400])
    assert 1000 <= ring.end - ring.start < 1400
    assert np.array_equal(ring.read(900, 10_050).data, heard[3050:3950])
    with pytest.raises(OverrunError, match=r"radio r: .*the oldest kept is"):
        ring.read(10, ring.start - 1)


def test_a_gap_is_an_error_for_those_who_want_what_was_in_it_and_for_nobody_else():
    heard, ring = waves(1, 1000, 0.9)[0], Ring(5000, "r")
    ring.append(0, heard[:400])
    ring.append(650, heard[650:])
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
    ring.append(100, waves(1, 50, 0.5)[0])
    with pytest.raises(RadioError, match="must begin at index 150 or later, got 149"):
        ring.append(149, waves(1, 50, 0.5)[0])


def test_samples_at_the_limit_of_the_converter_are_counted():
    block = waves(1, 100, 0.9)[0]
    block[[3, 50, 51]] = [1 - 2.0**-15 + 0j, -1j, 0.5 - 1j]
    ring = Ring(1000, "r")
    ring.append(0, block)
    assert ring.read(100, 0).clipped == 3
