"""Runs whose rounds take milliseconds."""

from functools import lru_cache

import pytest

from tools.bench.testbed.small import small_learning


@pytest.fixture(scope="session")
def learned(cache):
    """Return a function from a configuration to what it learns: little."""
    return lru_cache(8)(lambda config: small_learning(config, cache))
