"""The marker by which a radio learns how far what it hears is behind what it sends."""

import numpy as np
import pytest

from radio.streaming.offset import find, marker

rng = np.random.default_rng(0)


@pytest.mark.parametrize("place", [0, 1, 777, 4000])
def test_a_marker_is_found_to_the_sample_in_silence_and_in_noise(place):
    heard = np.zeros(6000, np.complex64)
    heard[place : place + marker().size] += marker()
    assert find(heard, "r") == place
    noise = 0.3 * (rng.standard_normal(6000) + 1j * rng.standard_normal(6000))
    assert find((heard + noise).astype(np.complex64), "r") == place
