"""Benches of virtual Plutos, and connections to them."""

import pytest

from radio.emulation.bench import Bench
from radio.emulation.host import serving
from tests.radio.emulation.wire import Client


@pytest.fixture
def connect():
    """Return a function that opens connections, which are closed in the end."""
    clients = []

    def make(uri, **options):
        clients.append(Client(uri, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def host():
    with serving(Bench(2, start_spread=0.0)) as running:
        yield running
