"""Bounds as they are written: three digits, and still bounds."""

import pytest

from calibration.measurement import no_less, no_more


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(0.499992, 0.499, 0.5), (-0.445528, -0.446, -0.445), (9.12243e-8, 9.12e-8, 9.13e-8), (0.3, 0.3, 0.3), (0.0, 0, 0)],
)
def test_bounds_are_rounded_to_the_side_on_which_they_hold(value, low, high):
    assert no_less(value, "s").value == low
    assert no_more(value, "s").value == high
