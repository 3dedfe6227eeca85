"""What stands between agents and server: a network that does what networks do, and worse.

`Messages` knows messages, so that it can lose, double, delay and cut them one by one; for plaintext only, since with
keys nobody between the two can. `Bytes` knows nothing: it stalls, cuts, changes and records what CURVE makes of them.
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import zmq
import zmq.asyncio

Copies = list[tuple[float, list[bytes]]]
"""What becomes of a message: copies, each with the seconds after which it goes on."""


def kind(frames):
    """Return what kind of message this is."""
    return msgspec.msgpack.decode(frames[1])["kind"]


def whole(_direction, frames) -> Copies:
    """Hand everything on as it is."""
    return [(0.0, frames)]


class Messages:
    """A ROUTER to the agents, and a DEALER to the server for each of them.

    Args:
        server: address.
        fate: what becomes of a message, ("up" | "down", frames) -> copies.
    """

    def __init__(self, server: str, fate: Callable[[str, list[bytes]], Copies] = whole) -> None:
        self._server, self.fate = server, fate
        self._context = zmq.asyncio.Context()
        self._front = self._context.socket(zmq.ROUTER)
        port = self._front.bind_to_random_port("tcp://127.0.0.1")
        self.address = f"tcp://127.0.0.1:{port}"
        self._backs: dict[bytes, zmq.asyncio.Socket] = {}
        self._tasks: set[asyncio.Task] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> "Messages":
        self._begin(self._up())
        return self

    async def __aexit__(self, *_exc) -> None:
        for one in (*self._timers, *self._tasks):
            one.cancel()
        self._context.destroy(linger=0)

    def stall(self) -> None:
        """Let nothing through until `flow`; what comes waits, as in the buffers of a network."""
        self._open.clear()

    def flow(self) -> None:
        """Let everything through."""
        self._open.set()

    def replay(self, frames: list[bytes]) -> None:
        """Send something to the server from a connection of its own."""
        self._begin(self._back(b"replay").send_multipart(frames))

    async def _up(self) -> None:
        while True:
            route, *frames = await self._front.recv_multipart()
            await self._open.wait()
            self._pass("up", frames, lambda copy, route=route: self._back(route).send_multipart(copy))

    async def _down(self, route: bytes, back: zmq.asyncio.Socket) -> None:
        while True:
            frames = await back.recv_multipart()
            await self._open.wait()
            self._pass("down", frames, lambda copy: self._front.send_multipart([route, *copy]))

    def _back(self, route: bytes) -> zmq.asyncio.Socket:
        if route not in self._backs:
            back = self._backs[route] = self._context.socket(zmq.DEALER)
            back.connect(self._server)
            self._begin(self._down(route, back))
        return self._backs[route]

    def _pass(self, direction: str, frames: list[bytes], send: Callable) -> None:
        for delay, copy in self.fate(direction, frames):
            if delay:
                loop = asyncio.get_running_loop()
                self._timers.append(loop.call_later(delay, lambda copy=copy: self._begin(send(copy))))
            else:
                self._begin(send(copy))

    def _begin(self, awaitable) -> None:
        task = asyncio.ensure_future(awaitable)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Bytes:
    """A TCP proxy.

    Args:
        server: address.
        change: what becomes of bytes, ("up" | "down", bytes so far, bytes) -> bytes.
    """

    def __init__(self, server: str, change: Callable[[str, int, bytes], bytes] | None = None) -> None:
        self._host, self._port = server.removeprefix("tcp://").rsplit(":", 1)
        self._change = change or (lambda _direction, _before, chunk: chunk)
        self._writers: set[asyncio.StreamWriter] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.recorded: list[bytearray] = []

    async def __aenter__(self) -> "Bytes":
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = f"tcp://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_exc) -> None:
        self._listener.close()
        self._open.set()
        self.cut()
        await asyncio.sleep(0.05)

    def stall(self) -> None:
        """Let nothing through until `flow`; connections stay, and what comes waits."""
        self._open.clear()

    def flow(self) -> None:
        """Let everything through."""
        self._open.set()

    def cut(self) -> None:
        """Break every connection; new ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError):
            to_server = await asyncio.open_connection(self._host, self._port)
            self._writers.add(to_server[1])
            record = bytearray()
            self.recorded.append(record)
            ways = (self._pump("up", reader, to_server[1], record), self._pump("down", to_server[0], writer, None))
            await asyncio.gather(*ways)
            self._writers.discard(to_server[1])
        self._writers.discard(writer)

    async def _pump(self, direction, reader, writer, record) -> None:
        before = 0
        with contextlib.suppress(OSError):
            while chunk := await reader.read(1 << 16):
                await self._open.wait()
                if record is not None:
                    record += chunk
                writer.write(self._change(direction, before, chunk))
                await writer.drain()
                before += len(chunk)
        writer.close()
