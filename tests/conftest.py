"""What all tests share: data that are made once."""

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder for data that are made on first use, which takes longer than most tests."""
    return tmp_path_factory.mktemp("cache")
