"""The running receive and transmit buffers of one radio: blocks in, blocks out, both counted."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from radio.base import LateError, OverrunError
from radio.pluto.attributes import ADC, DDS, Attributes
from radio.streaming.pace import HEAR_DEPTH, QUEUE

STATUS = 0x80000088
UNDERFLOW, OVERFLOW = 1, 4
BYTES = 4  # of a sample
CODES = 2047
"""Full scale of the converter; it takes the upper 12 of 16 bits, and drops the others without rounding."""
SHIFT = 16
FULL_SCALE = 2048
"""Counts of the converter that are an amplitude of 1."""


def from_counts(counts: np.ndarray) -> tuple[np.ndarray, int]:
    """Return int16 of shape (n, 2) as complex64 relative to full scale, and how many are at the converter's limit."""
    data = counts.astype(np.float32).view(np.complex64).reshape(-1) / np.float32(FULL_SCALE)
    return data, int(((counts == FULL_SCALE - 1) | (counts == -FULL_SCALE)).any(1).sum())


@dataclass
class Stream:
    """Both directions of one radio.

    Args:
        attributes: of the radio.
        block: samples of a buffer.
        queue: kernel buffers of the transmitter.
        patience: seconds that everything but samples may take; None: samples, too. Else they take as long as they take.
        heard: samples fetched since the start, as whoever fetches them counts.
        sent: samples handed over since the start.
    """

    attributes: Attributes
    block: int
    queue: int = QUEUE
    patience: float | None = None
    heard: int = 0
    sent: int = 0
    _hearing: Any = None
    _sending: Any = None

    @property
    def label(self) -> str:
        """What errors call the radio."""
        return self.attributes.label

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
            if self.patience is not None:
                context.set_timeout(0)  # of buffers that are opened from here on
            self._hearing = iio.Buffer(context.find_device(ADC), self.block, False)
            self._sending = iio.Buffer(context.find_device(DDS), self.block, False)
            if self.patience is not None:
                context.set_timeout(round(1000 * self.patience))

    def pull(self) -> np.ndarray:
        """Return the next block heard, int16 of shape (block, 2); waits for it."""
        with self.attributes.asking("samples"):
            self._hearing.refill()
            data = self._hearing.read()
        return np.frombuffer(data, "<i2").reshape(-1, 2)

    def push(self, wave: np.ndarray) -> None:
        """Hand over the next block, complex64; waits for room."""
        data = (np.rint(wave.view(np.float32) * np.float32(CODES)) * SHIFT).astype("<i2").tobytes()
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
