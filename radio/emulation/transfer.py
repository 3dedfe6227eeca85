"""Samples between a client and a unit: the verbs of a connection that has opened a buffer, and may then use it."""

import asyncio
import errno
from dataclasses import dataclass

from radio.emulation import layout, replies
from radio.emulation.delivery import Delivery
from radio.emulation.layout import ADC, BUFFERED, DDS
from radio.emulation.protocol import BYTES, LARGEST_BLOCK, MASK, RefusedError, Request
from radio.emulation.receiving import Reception
from radio.emulation.unit import VirtualPluto

MOST_BUFFERS = 64


class HangUp(Exception):  # noqa: N818 - not an error: the client is gone, or what it sends next cannot be told
    """This connection ends; the unit goes on."""


@dataclass
class Transfer:
    """The buffers of one connection.

    Args:
        unit: whose they are.
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

    def hang_up(self) -> None:
        """Stop waiting for samples: the client is gone."""
        for stream in (self.reception, self.delivery):
            if stream is not None and stream.waiting is not None and not stream.waiting.done():
                stream.waiting.set_exception(HangUp())

    async def open(self, request: Request) -> bytes:
        """Open a buffer of a device for this connection alone.

        Raises:
            RefusedError: EINVAL for what no buffer can be, ENOMEM beyond the largest block, EBUSY if somebody has it.
        """
        device = layout.device_of(request.address)
        if device not in BUFFERED or request.mask != MASK or not request.size:
            raise RefusedError(errno.EINVAL)
        if request.size > LARGEST_BLOCK:
            raise RefusedError(errno.ENOMEM)
        if request.cyclic and device == ADC:
            raise RefusedError(errno.EINVAL)
        if self.unit.buffers.is_open(device):
            raise RefusedError(errno.EBUSY)
        if device == ADC:
            self.reception = self.unit.buffers.open_reception(request.size)
        else:
            self.delivery = self.unit.buffers.open_delivery(request.size, request.cyclic)
        return replies.integer(0)

    async def receive(self, request: Request) -> bytes:
        """Return as many blocks as it takes to have what was asked for, each a chunk; what is left of the last is lost.

        Blocks that make up one request have the size they were opened with, as with the real server.
        """
        reception = self._opened(layout.device_of(request.address), ADC)
        if request.size > BYTES * LARGEST_BLOCK:
            raise RefusedError(errno.EINVAL)
        left = request.size // BYTES * BYTES
        if not left:
            return replies.integer(0)
        chunks: list[bytes] = []
        while left:
            data = await self._next_block(reception)
            data = data if left >= len(data) else data[:left]
            chunks.append(replies.integer(len(data)) + data if chunks else replies.block(data))
            left -= len(data)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def _next_block(self, reception: Reception) -> bytes:
        """Wait for a block.

        Raises:
            RefusedError: EBADF, the buffer was closed meanwhile.
        """
        reception.absent = False
        front = self.unit.front
        reception.waiting = asyncio.get_running_loop().create_future()
        try:
            front.settle()
            while not reception.ready:
                await reception.waiting
                if front.reception is not reception:
                    raise RefusedError(errno.EBADF)
            data = reception.ready.popleft()
        finally:
            reception.waiting = None
        front.settle()  # a kernel buffer is free again
        return data

    async def send(self, request: Request) -> bytes:
        """Take a block that is to be sent, once there is room for it.

        Raises:
            RefusedError: EBADF without a buffer, EINVAL for a size beyond the block's, EBUSY for a second cyclic one.
        """
        device = layout.device_of(request.address)
        delivery = self._opened_delivery(device)
        if request.size > BYTES * delivery.size or request.size % BYTES or not request.size:
            raise RefusedError(errno.EINVAL)
        if delivery.cyclic and (delivery.blocks or self.unit.buffers.queued(delivery)):
            raise RefusedError(errno.EBUSY)
        self.writer.write(replies.integer(0))
        data = await self.reader.readexactly(request.size)
        await self._room(delivery)
        self.unit.buffers.deliver(delivery, data)
        return replies.integer(request.size)

    async def _room(self, delivery: Delivery) -> None:
        """Wait for a free kernel buffer."""
        while self.unit.buffers.queued(delivery) >= delivery.depth:
            delivery.waiting = asyncio.get_running_loop().create_future()
            try:
                self.unit.front.settle()
                await delivery.waiting
            finally:
                delivery.waiting = None

    async def close(self, request: Request) -> bytes:
        """Give back a buffer that this connection has opened.

        Raises:
            RefusedError: EBADF, it has none.
        """
        device = layout.device_of(request.address)
        if not self.release(device):
            raise RefusedError(errno.EBADF)
        return replies.integer(0)

    async def set_depth(self, request: Request) -> bytes:
        """Set how many kernel buffers the next buffer of a device has.

        Raises:
            RefusedError: EINVAL for a number that cannot be, EBUSY while the buffer is open.
        """
        device = layout.device_of(request.address)
        if device not in BUFFERED or not 1 <= request.size <= MOST_BUFFERS:
            raise RefusedError(errno.EINVAL)
        if self.unit.buffers.is_open(device):
            raise RefusedError(errno.EBUSY)
        self.unit.buffers.depths[device] = request.size
        return replies.integer(0)

    def _opened(self, device: str, wanted: str) -> Reception:
        if self.reception is None or device != wanted:
            raise RefusedError(errno.EBADF)
        return self.reception

    def _opened_delivery(self, device: str) -> Delivery:
        if self.delivery is None or device != DDS:
            raise RefusedError(errno.EBADF)
        return self.delivery

    def release(self, device: str) -> bool:
        """Give back a buffer that this connection has opened, and return whether there was one."""
        if device == ADC and self.reception is not None:
            self.reception = None
            self.unit.buffers.close_reception()
            return True
        if device == DDS and self.delivery is not None:
            self.delivery = None
            self.unit.buffers.close_delivery()
            return True
        return False
