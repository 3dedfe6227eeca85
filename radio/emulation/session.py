"""One connection of a client to a unit: requests in, replies out, until either side leaves."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from radio.emulation import layout, protocol, replies
from radio.emulation.layout import ADC, DDS
from radio.emulation.protocol import LARGEST_VALUE, Address, RefusedError, Request
from radio.emulation.transfer import HangUp, Transfer
from radio.emulation.unit import VirtualPluto

VERSION = b"0.24.airmeta\n"
"""What clients take as the version of the server; the tag must have 7 characters."""

HELP = b"PRINT TIMEOUT VERSION READ WRITE OPEN READBUF WRITEBUF CLOSE SET GETTRIG SETTRIG HELP EXIT\n"


@dataclass
class Session:
    """One connection.

    Args:
        unit: whom the client talks to.
        reader: from the client.
        writer: to the client.
        transfer: of samples, through the buffers that this connection has opened.
    """

    unit: VirtualPluto
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    transfer: Transfer = field(init=False)
    _verbs: dict[str, Callable[[Request], Awaitable[bytes]]] = field(init=False)

    def __post_init__(self) -> None:
        self.transfer = Transfer(self.unit, self.reader, self.writer)
        self._verbs = {
            "PRINT": self._print,
            "VERSION": self._version,
            "HELP": self._help,
            "TIMEOUT": self._timeout,
            "READ": self._read,
            "WRITE": self._write,
            "OPEN": self.transfer.open,
            "READBUF": self.transfer.receive,
            "WRITEBUF": self.transfer.send,
            "CLOSE": self.transfer.close,
            "SET": self.transfer.set_depth,
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
            self.transfer.release(DDS)
            self.transfer.release(ADC)

    async def _answer(self, line: bytes) -> bytes:
        try:
            request = protocol.parse(line)
            if request is None:
                return b""
            if request.verb == "EXIT":
                raise HangUp
            return await self._verbs[request.verb](request)
        except RefusedError as refused:
            return replies.integer(-refused.errno)

    async def _print(self, _: Request) -> bytes:
        return replies.document(self.unit.context)

    async def _version(self, _: Request) -> bytes:
        return VERSION

    async def _help(self, _: Request) -> bytes:
        return HELP

    async def _timeout(self, _: Request) -> bytes:
        return replies.integer(0)

    async def _trigger(self, request: Request) -> bytes:
        layout.device_of(request.address)
        raise RefusedError(errno.ENOENT)

    async def _read(self, request: Request) -> bytes:
        address = _locate(request.address)
        if address.name:
            return replies.value(self.unit.read(address))
        names = layout.names_in(self.unit.attributes, address)
        return replies.values([self._result(name) for name in names])

    def _result(self, address: Address) -> str | int:
        try:
            return self.unit.read(address)
        except RefusedError as refused:
            return -refused.errno

    async def _write(self, request: Request) -> bytes:
        if request.size > LARGEST_VALUE:
            raise HangUp
        data = await self.reader.readexactly(request.size)
        address = _locate(request.address)
        self.unit.check_writable(address)
        try:
            text = data.split(b"\0")[0].decode("ascii")
        except UnicodeDecodeError as error:
            raise RefusedError(errno.EINVAL) from error
        self.unit.write(address, text)
        return replies.integer(request.size)


def _locate(address: Address) -> Address:
    """Return the address of an attribute as the unit keeps it.

    Raises:
        RefusedError: ENODEV, ENXIO for a channel that is not there.
    """
    if layout.CALLED.get(address.device, address.device) not in layout.CHANNELS:
        raise RefusedError(errno.ENODEV)
    found = layout.locate(address)
    if found is None:
        raise RefusedError(errno.ENXIO)
    return found
