"""A server of virtual Plutos in a thread of its own, for whoever is not in its loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from radio.emulation.bench import Bench
from radio.emulation.server import STOP_TIMEOUT, Server, in_loop
from radio.emulation.unit import VirtualPluto

Result = TypeVar("Result")


@dataclass
class Host:
    """A server that runs in a thread of its own.

    Args:
        server: what runs there.
        loop: of that thread.
    """

    server: Server
    loop: asyncio.AbstractEventLoop

    @property
    def uris(self) -> list[str]:
        """For libiio, one for each unit."""
        return self.server.uris

    @property
    def units(self) -> list[VirtualPluto]:
        """The units; what is not a fault is to be changed by `call` alone."""
        return self.server.bench.units

    def call(self, action: Callable[[], Result]) -> Result:
        """Return what an action returns, run between two requests of clients."""
        return in_loop(self.loop, action)

    def wait(self, action: Coroutine[Any, Any, Result]) -> Result:
        """Return what a coroutine returns that runs between requests of clients; it takes as long as it takes."""
        return asyncio.run_coroutine_threadsafe(action, self.loop).result()


@contextmanager
def serving(bench: Bench, endpoints: Sequence[tuple[str, int]] | None = None) -> Iterator[Host]:
    """Serve a bench in a thread while the context lasts, by default on any free ports of 127.0.0.1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="virtual-plutos", daemon=True)
    thread.start()
    server = Server(bench, endpoints or [("127.0.0.1", 0)] * len(bench.units))
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(STOP_TIMEOUT)
        yield Host(server, loop)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(STOP_TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_TIMEOUT)
        loop.close()
