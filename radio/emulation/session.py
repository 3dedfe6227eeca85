"""One connection of a client to a unit: requests in, replies out, until either side leaves."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from radio.emulation import layout, protocol
from radio.emulation.layout import ADC, BUFFERED, DDS
from radio.emulation.protocol import BYTES, LARGEST_BLOCK, LARGEST_VALUE, MASK, Address, RefusedError, Request
from radio.emulation.receiving import Reception
from radio.emulation.sending import Delivery
from radio.emulation.unit import VirtualPluto

VERSION = b"0.24.airmeta\n"
"""What clients take as the version of the server; the tag must have 7 characters."""

HELP = b"PRINT TIMEOUT VERSION READ WRITE OPEN READBUF WRITEBUF CLOSE SET GETTRIG SETTRIG HELP EXIT\n"
MOST_BUFFERS = 64


class HangUp(Exception):  # noqa: N818 - not an error: the client is gone, or what it sends next cannot be told
    """This connection ends; the unit goes on."""


@dataclass
class Session:
    """One connection.

    Args:
        unit: whom the client talks to.
        reader: from the client.
        writer: to the client.
        reception: receive buffer that this connection has opened.
        delivery: transmit buffer that this connection has opened.
    """

    unit: VirtualPluto
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reception: Reception | None = None
    delivery: Delivery | None = None
    _verbs: dict[str, Callable[[Request], Awaitable[bytes]]] = field(init=False)

    def __post_init__(self) -> None:
        self._verbs = {
            "PRINT": self._print,
            "VERSION": self._version,
            "HELP": self._help,
            "TIMEOUT": self._timeout,
            "READ": self._read,
            "WRITE": self._write,
            "OPEN": self._open,
            "READBUF": self._receive,
            "WRITEBUF": self._send,
            "CLOSE": self._close,
            "SET": self._set,
            "GETTRIG": self._trigger,
            "SETTRIG": self._trigger,
        }

    async def serve(self) -> None:
        """Answer requests until the connection ends; then give back the buffers that it has opened."""
        try:
            while True:
                reply = await self._answer(await self.reader.readuntil(b"\n"))
                if self.unit.faults.late:
                    await asyncio.sleep(self.unit.faults.late)
                if reply:
                    self.writer.write(reply)
                    await self.writer.drain()
        except (HangUp, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return
        finally:
            self._release(DDS)
            self._release(ADC)

    def hang_up(self) -> None:
        """Stop waiting for samples: the client is gone."""
        for stream in (self.reception, self.delivery):
            if stream is not None and stream.waiting is not None and not stream.waiting.done():
                stream.waiting.set_exception(HangUp())

    async def _answer(self, line: bytes) -> bytes:
        try:
            request = protocol.parse(line)
            if request is None:
                return b""
            if request.verb == "EXIT":
                raise HangUp
            return await self._verbs[request.verb](request)
        except RefusedError as refused:
            return protocol.integer(-refused.errno)

    async def _print(self, _: Request) -> bytes:
        return protocol.document(self.unit.context)

    async def _version(self, _: Request) -> bytes:
        return VERSION

    async def _help(self, _: Request) -> bytes:
        return HELP

    async def _timeout(self, _: Request) -> bytes:
        return protocol.integer(0)

    async def _trigger(self, request: Request) -> bytes:
        _device(request)
        raise RefusedError(errno.ENOENT)

    async def _read(self, request: Request) -> bytes:
        address = _locate(request.address)
        if address.name:
            return protocol.value(self.unit.read(address))
        names = layout.names_in(self.unit.attributes, address)
        return protocol.values([self._result(name) for name in names])

    def _result(self, address: Address) -> str | int:
        try:
            return self.unit.read(address)
        except RefusedError as refused:
            return -refused.errno

    async def _write(self, request: Request) -> bytes:
        if request.size > LARGEST_VALUE:
            raise HangUp
        data = await self.reader.readexactly(request.size)
        try:
            text = data.split(b"\0")[0].decode("ascii")
        except UnicodeDecodeError as error:
            raise RefusedError(errno.EINVAL) from error
        self.unit.write(_locate(request.address), text)
        return protocol.integer(request.size)

    async def _open(self, request: Request) -> bytes:
        device = _device(request)
        if device not in BUFFERED or request.mask != MASK or not request.size:
            raise RefusedError(errno.EINVAL)
        if request.size > LARGEST_BLOCK:
            raise RefusedError(errno.ENOMEM)
        if request.cyclic and device == ADC:
            raise RefusedError(errno.EINVAL)
        if (self.unit.reception if device == ADC else self.unit.sending.delivery) is not None:
            raise RefusedError(errno.EBUSY)
        if device == ADC:
            self.reception = self.unit.open_reception(request.size)
        else:
            self.delivery = self.unit.open_delivery(request.size, request.cyclic)
        return protocol.integer(0)

    async def _receive(self, request: Request) -> bytes:
        """Return as many blocks as it takes to have what was asked for, each a chunk; what is left of the last is lost.

        Blocks that make up one request have the size they were opened with, as with the real server.
        """
        reception = self._opened(_device(request), ADC)
        if request.size > BYTES * LARGEST_BLOCK:
            raise RefusedError(errno.EINVAL)
        left = request.size // BYTES * BYTES
        if not left:
            return protocol.integer(0)
        chunks: list[bytes] = []
        while left:
            data = await self._next_block(reception)
            data = data if left >= len(data) else data[:left]
            chunks.append(protocol.integer(len(data)) + data if chunks else protocol.block(data))
            left -= len(data)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _next_block(self, reception: Reception) -> bytes:
        """Wait for a block.

        Raises:
            RefusedError: EBADF, the buffer was closed meanwhile.
        """
        reception.absent = False
        medium = self.unit.medium
        reception.waiting = asyncio.get_running_loop().create_future()
        try:
            medium.clock.settle(medium)
            while not reception.ready:
                await reception.waiting
                if self.unit.reception is not reception:
                    raise RefusedError(errno.EBADF)
            data = reception.ready.popleft()
        finally:
            reception.waiting = None
        self.unit.medium.clock.settle(self.unit.medium)  # a kernel buffer is free again
        return data

    async def _send(self, request: Request) -> bytes:
        device = _device(request)
        delivery = self._opened_delivery(device)
        if request.size > BYTES * delivery.size or request.size % BYTES or not request.size:
            raise RefusedError(errno.EINVAL)
        if delivery.cyclic and delivery.blocks:
            raise RefusedError(errno.EBUSY)
        self.writer.write(protocol.integer(0))
        data = await self.reader.readexactly(request.size)
        await self._room(delivery)
        self.unit.deliver(delivery, data)
        return protocol.integer(request.size)

    async def _room(self, delivery: Delivery) -> None:
        """Wait for a free kernel buffer."""
        while delivery.queued(self.unit.medium.count(self.unit.number)) >= delivery.depth:
            delivery.waiting = asyncio.get_running_loop().create_future()
            try:
                self.unit.medium.clock.settle(self.unit.medium)
                await delivery.waiting
            finally:
                delivery.waiting = None

    async def _close(self, request: Request) -> bytes:
        device = _device(request)
        if not self._release(device):
            raise RefusedError(errno.EBADF)
        return protocol.integer(0)

    async def _set(self, request: Request) -> bytes:
        device = _device(request)
        if device not in BUFFERED or not 1 <= request.size <= MOST_BUFFERS:
            raise RefusedError(errno.EINVAL)
        if (self.unit.reception if device == ADC else self.unit.sending.delivery) is not None:
            raise RefusedError(errno.EBUSY)
        self.unit.depths[device] = request.size
        return protocol.integer(0)

    def _opened(self, device: str, wanted: str) -> Reception:
        if self.reception is None or device != wanted:
            raise RefusedError(errno.EBADF)
        return self.reception

    def _opened_delivery(self, device: str) -> Delivery:
        if self.delivery is None or device != DDS:
            raise RefusedError(errno.EBADF)
        return self.delivery

    def _release(self, device: str) -> bool:
        """Give back a buffer that this connection has opened, and return whether there was one."""
        if device == ADC and self.reception is not None:
            self.reception = None
            self.unit.close_reception()
            return True
        if device == DDS and self.delivery is not None:
            self.delivery = None
            self.unit.close_delivery()
            return True
        return False


def _device(request: Request) -> str:
    """Return the name of a request's device.

    Raises:
        RefusedError: ENODEV.
    """
    address = layout.locate(request.address)
    if address is None or address.device not in layout.CHANNELS:
        raise RefusedError(errno.ENODEV)
    return address.device


def _locate(address: Address) -> Address:
    """Return the address of an attribute as the unit keeps it.

    Raises:
        RefusedError: ENODEV, ENXIO for a channel that is not there.
    """
    if layout.IDS.get(address.device, address.device) not in layout.CHANNELS:
        raise RefusedError(errno.ENODEV)
    found = layout.locate(address)
    if found is None:
        raise RefusedError(errno.ENXIO)
    return found
