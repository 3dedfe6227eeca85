"""The running receive and transmit buffers of one radio: blocks in, blocks out, both counted."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from radio.base import LateError, OverrunError
from radio.pluto.attributes import ADC, DDS, Attributes

STATUS = 0x80000088
UNDERFLOW, OVERFLOW = 1, 4
BYTES = 4  # of a sample
QUEUE, HEAR_DEPTH = 4, 16
"""Kernel buffers. What is queued to be sent is latency, what is heard and not fetched is none."""


@dataclass
class Stream:
    """Both directions of one radio.

    Args:
        attributes: of the radio.
        block: samples of a buffer.
        queue: kernel buffers of the transmitter.
        heard: samples fetched since the start, as whoever fetches them counts.
        sent: samples handed over since the start.
    """

    attributes: Attributes
    block: int
    queue: int = QUEUE
    heard: int = 0
    sent: int = 0
    _hearing: Any = None
    _sending: Any = None

    def open(self) -> None:
        """Start to receive, and take the converter for a transmission that begins with the first `push`.

        Raises:
            RadioError: somebody else has the buffers.
            ContactError: the radio does not answer.
        """
        import iio

        context = self.attributes.context
        with self.attributes.asking("a buffer"):
            for device, depth in ((ADC, HEAR_DEPTH), (DDS, self.queue)):
                found = context.find_device(device)
                found.set_kernel_buffers_count(depth)
                for channel in found.channels:
                    channel.enabled = channel.scan_element
            self._hearing = iio.Buffer(context.find_device(ADC), self.block, False)
            self._sending = iio.Buffer(context.find_device(DDS), self.block, False)

    def pull(self) -> np.ndarray:
        """Return the next block heard, int16 of shape (block, 2); waits for it."""
        with self.attributes.asking("samples"):
            self._hearing.refill()
            data = self._hearing.read()
        return np.frombuffer(data, "<i2").reshape(-1, 2)

    def push(self, data: bytes) -> None:
        """Hand over the next block; waits for room."""
        with self.attributes.asking("room for samples"):
            self._sending.write(bytearray(data))
            self._sending.push()
        self.sent += self.block

    def check(self) -> None:
        """Return if no sample was lost since the flags were cleared.

        Raises:
            OverrunError: the receiver lost some.
            LateError: the transmitter ran dry.
        """
        label = self.attributes.label
        for setting, bit, error, text in (
            ("rx_status", OVERFLOW, OverrunError, "the receiver lost samples (overflow, bit 2 of 0x80000088)"),
            ("tx_status", UNDERFLOW, LateError, "the transmitter ran dry (underflow, bit 0 of 0x80000088)"),
        ):
            self.attributes.write(setting, f"{STATUS:#x}")
            if int(self.attributes.read(setting), 0) & bit:
                raise error(
                    f"radio {label}: {text}, its counts are void; lower waveform.sample_rate, raise radio.pluto.block, "
                    "or take load off the machine; the next call starts the stream again and learns its offset"
                )

    def clear(self) -> None:
        """Clear the flags."""
        for setting, bit in (("rx_status", OVERFLOW), ("tx_status", UNDERFLOW)):
            self.attributes.write(setting, f"{STATUS:#x} {bit:#x}")

    def cancel(self) -> None:
        """Wake whoever waits for samples or room; nothing but `close` may follow."""
        for buffer in (self._hearing, self._sending):
            if buffer is not None:
                buffer.cancel()

    def close(self) -> None:
        """Destroy the buffers, now: who is left to the garbage collector may go after the context, and crash in C.

        A traceback that somebody keeps holds the buffer, too, so that dropping it here would not do.
        """
        for buffer in (self._hearing, self._sending):
            if buffer is not None:
                buffer.__del__()
                buffer._buffer = None
        self._hearing = self._sending = None
