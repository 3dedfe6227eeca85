"""Tests in which the time of samples is the time of day: a machine that pauses for too long is no fault of a radio."""

import functools
import os
from collections import Counter

import pytest

from radio.base import RadioError

TRIES = 3
_tried: Counter[str] = Counter()


def real_time(test):
    """Try a test up to three times, each with fixtures of its own: what is broken is broken each time.

    After the last try it is skipped where more processes want to run than there are cores, but not where
    AIRMETA_DRIVERS says what must be there (`tests.drivers`): `.ci/run` tries again what fails, not what is skipped.
    """

    @functools.wraps(test)
    def tried(*arguments, **named):
        name = os.environ["PYTEST_CURRENT_TEST"]
        _tried[name] += 1
        try:
            return test(*arguments, **named)
        except (RadioError, AssertionError, pytest.fail.Exception):
            if _tried[name] < TRIES or not _is_busy() or os.environ.get("AIRMETA_DRIVERS"):
                raise
            pytest.skip(f"too busy for real time: load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")

    return pytest.mark.flaky(reruns=TRIES - 1)(tried)


def _is_busy():
    return os.getloadavg()[0] >= (os.cpu_count() or 1)
