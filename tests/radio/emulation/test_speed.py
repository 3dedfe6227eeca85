"""How fast the protocol is: a unit on a silent air, in a process of its own, and one client."""

import subprocess
import sys
import time

import pytest

from tests.radio.emulation.wire import RX, TX, Client

SERVER = """
import asyncio, sys
from radio.emulation.bench import Bench
from radio.emulation.server import Server

async def main():
    server = Server(Bench(1), [("127.0.0.1", 0)])
    await server.start()
    sys.stdout.write(server.uris[0] + "\\n")
    sys.stdout.flush()
    await asyncio.sleep(600)

asyncio.run(main())
"""
COUNT, BLOCKS, TRIES = 65_536, 100, 5


@pytest.fixture
def client():
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as process:
        client = Client(process.stdout.readline().strip())
        yield client
        client.close()
        process.kill()


def best(action, count):
    """Return how often a second an action can be done, in the best of some tries: the machine has other work."""
    rates = []
    for _ in range(TRIES):
        start = time.perf_counter()
        for _ in range(count):
            action()
        rates.append(count / (time.perf_counter() - start))
    return max(rates)


@pytest.mark.slow
def test_samples_and_attributes_are_served_as_fast_as_a_usb_pluto_would_and_more(client):
    block, place = bytes(4 * COUNT), bytearray(4 * COUNT)

    def transmit():
        client.ask(f"WRITEBUF {TX} {4 * COUNT}")
        client.send(block)
        assert int(client.line()) == 4 * COUNT

    def receive():
        assert client.ask(f"READBUF {RX} {4 * COUNT}") == 4 * COUNT
        client.line()
        assert client.stream.readinto(place) == 4 * COUNT

    assert best(lambda: client.read("iio:device0 OUTPUT altvoltage0 frequency"), 1000) > 1000
    assert client.open(TX, COUNT) == 0
    assert COUNT * best(transmit, BLOCKS) > 40e6
    assert client.ask(f"CLOSE {TX}") == 0
    assert client.open(RX, COUNT) == 0
    assert COUNT * best(receive, BLOCKS) > 30e6
