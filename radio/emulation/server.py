"""The server: every unit of a bench on a port of its own, for any client of libiio."""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from radio.base import RadioError
from radio.emulation.bench import Bench
from radio.emulation.session import Session
from radio.emulation.unit import VirtualPluto

PORT = 30431
BUFFER = 1 << 20  # bytes read ahead of a client's request; a longer line ends the connection
STOP_TIMEOUT = 10.0

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class Line(asyncio.StreamReader):
    """What a client sends; says at once when the client is gone, also to whoever is not reading just now."""

    gone: Callable[[], None] | None = None

    def feed_eof(self) -> None:
        """Note the end."""
        super().feed_eof()
        self._say()

    def set_exception(self, exc: Exception) -> None:
        """Note a failure."""
        super().set_exception(exc)
        self._say()

    def _say(self) -> None:
        if self.gone is not None:
            self.gone()


@dataclass
class Server:
    """A bench that can be reached over the network.

    Args:
        bench: its units.
        endpoints: host and port of every unit; port 0: any that is free.
        uris: for libiio, once started.
    """

    bench: Bench
    endpoints: Sequence[tuple[str, int]]
    uris: list[str] = field(default_factory=list)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _writers: dict[int, set[asyncio.StreamWriter]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Listen.

        Raises:
            ValueError: not one endpoint for each unit.
            RadioError: an address or a port cannot be had.
        """
        if len(self.endpoints) != len(self.bench.units):
            raise ValueError(f"{len(self.bench.units)} units need as many endpoints, got {len(self.endpoints)}")
        loop = asyncio.get_running_loop()
        for unit, (host, port) in zip(self.bench.units, self.endpoints, strict=True):
            if not is_loopback(host):
                _log.warning("virtual Pluto %d can be reached from other machines, on %s", unit.number, host)
            try:
                server = await loop.create_server(self._greeter(unit), host, port)
            except OSError as error:
                await self.stop()
                raise RadioError(
                    f"virtual Pluto {unit.number}: cannot listen on {host}:{port} ({error.strerror}); choose another "
                    "port or address"
                ) from error
            self._servers.append(server)
            name = f"[{host}]" if ":" in host else host
            self.uris.append(f"ip:{name}:{server.sockets[0].getsockname()[1]}")
            writers = self._writers.setdefault(unit.number, set())
            unit.faults.drop = _dropper(loop, writers)

    async def stop(self) -> None:
        """End all connections and listen no more."""
        for server in self._servers:
            server.close()
        for writers in self._writers.values():
            _drop(writers)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.bench.clock.stop()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def _greeter(self, unit: VirtualPluto) -> Callable[[], asyncio.StreamReaderProtocol]:
        """Return what meets the clients of a unit."""

        def greet(reader: Line, writer: asyncio.StreamWriter) -> None:
            if not unit.faults.plugged:
                writer.transport.abort()
                return
            task = asyncio.get_running_loop().create_task(self._serve(unit, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        def protocol() -> asyncio.StreamReaderProtocol:
            reader = Line(limit=BUFFER)
            return asyncio.StreamReaderProtocol(reader, lambda _, writer: greet(reader, writer))

        return protocol

    async def _serve(self, unit: VirtualPluto, reader: Line, writer: asyncio.StreamWriter) -> None:
        writers = self._writers[unit.number]
        writers.add(writer)
        try:
            session = Session(unit, reader, writer)
            reader.gone = session.transfer.hang_up
            await session.serve()
        except Exception:  # noqa: BLE001 - a fault of ours costs one connection, never the bench
            _log.exception("virtual Pluto %d: a connection failed", unit.number)
        finally:
            writers.discard(writer)
            writer.close()


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _dropper(loop: asyncio.AbstractEventLoop, writers: set[asyncio.StreamWriter]) -> Callable[[], None]:
    return lambda: in_loop(loop, lambda: _drop(writers))


def _drop(writers: set[asyncio.StreamWriter]) -> None:
    for writer in list(writers):
        writer.transport.abort()


def in_loop(loop: asyncio.AbstractEventLoop, action: Callable[[], Result]) -> Result:
    """Return what an action returns that must run in the thread of the loop, whichever this one is."""
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is loop:
        return action()

    async def run() -> Result:
        return action()

    return asyncio.run_coroutine_threadsafe(run(), loop).result(STOP_TIMEOUT)
