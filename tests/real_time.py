"""Tests in which the time of samples is the time of day: a machine that is too busy for that gets three tries."""

import functools
import os

import pytest

from radio.base import RadioError

TRIES = 3


def real_time(test):
    """Try a test again if it fails while more processes want to run than there are cores, then skip it."""

    @functools.wraps(test)
    def tried(*arguments, **named):
        for _ in range(TRIES):
            try:
                return test(*arguments, **named)
            except (RadioError, AssertionError, pytest.fail.Exception):
                if os.getloadavg()[0] < (os.cpu_count() or 1):
                    raise
        pytest.skip(f"too busy for real time: load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")

    return tried
