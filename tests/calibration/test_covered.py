import numpy as np
import pytest

from tests.calibration.conftest import covered, never_short


@pytest.mark.parametrize("tries", [100, 400])
@pytest.mark.parametrize("size, honest", [(1 / 2, False), (1, True), (3, False)])
def test_intervals_twice_too_short_or_three_times_too_wide_fail(size, honest, tries):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        stds = rng.uniform(0.1, 10, tries)
        assert covered(rng.standard_normal(tries) * stds, 1.96 * stds * size, tries) == honest


def test_intervals_may_be_any_width_where_that_is_asked_for():
    errors = np.random.default_rng(1).standard_normal(100)
    assert never_short(errors, np.full(100, 20.0), 100)
    assert not never_short(errors, np.full(100, 1.0), 100)
