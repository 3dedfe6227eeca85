"""The receive stream of one channel: continuous, begun at a device time, every block checked by its metadata."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radio.base import RadioError
from radio.usrp.count import Count
from radio.usrp.device import Channel

FULL_SCALE = 1 - 2.0**-15
"""Largest part of a sample that a converter of 16 bits hands over without having limited it."""
REMEDY = (
    "lower waveform.sample_rate, take load off the machine, or give the link a larger recv_buff_size in "
    "radio.usrp.devices"
)
TIMEOUT = 1.0  # seconds that a block may be late
DRAINED = 1000  # blocks at most that are thrown away when a stream is stopped
FAULTS = {
    "timeout": "no samples came within {timeout:g} s; check its cable",
    "late": "the stream's command came after its time; take load off the machine",
    "broken_chain": "a stream command came in the middle of another (broken chain); is another program using it?",
    "alignment": "packets of its channels do not fit together (alignment); start again",
    "bad_packet": "a packet could not be read; check its cable, and that FPGA image and UHD are of one version",
}


def limited(data: np.ndarray) -> tuple[np.ndarray, int]:
    """Return complex64 samples, and how many of them are at the converter's limit."""
    return data, int((np.maximum(np.abs(data.real), np.abs(data.imag)) >= FULL_SCALE).sum())


@dataclass
class Hearing:
    """A receive stream.

    Args:
        channel: which.
        count: of its samples.
        block: samples that are fetched at once.
        overflows: how often the receiver ran over.
        dropped: how often packets were lost on the way.
    """

    channel: Channel
    count: Count
    block: int
    overflows: int = 0
    dropped: int = 0
    _streamer: Any = None
    _metadata: Any = None
    _faults: dict[Any, str] = field(default_factory=dict)

    def open(self) -> None:
        """Make the streamer; nothing streams yet.

        Raises:
            RadioError: UHD failed.
        """
        device = self.channel.device
        with device.asking("a receive stream", self.channel.label):
            self._streamer = device.usrp.get_rx_stream(self.channel.stream_args())
            self._metadata = device.uhd.types.RXMetadata()
            codes = device.uhd.types.RXMetadataErrorCode
            self._faults = {
                codes.timeout: "timeout",
                codes.late: "late",
                codes.broken_chain: "broken_chain",
                codes.alignment: "alignment",
                codes.bad_packet: "bad_packet",
            }

    def start(self, index: int) -> None:
        """Have the stream begin with the sample of an index.

        Raises:
            RadioError: UHD failed.
        """
        uhd = self.channel.device.uhd
        with self.channel.device.asking("a stream command", self.channel.label):
            command = uhd.types.StreamCMD(uhd.types.StreamMode.start_cont)
            command.stream_now = False
            command.time_spec = self.count.time_spec(uhd, index)
            self._streamer.issue_stream_cmd(command)

    def pull(self, patience: float = 0.0) -> tuple[int, np.ndarray]:
        """Return the index of the next samples, and these, complex64; none of them after an overflow.

        Args:
            patience: seconds until the stream begins.

        Raises:
            RadioError: the stream has broken off.
        """
        device, timeout = self.channel.device, TIMEOUT + patience
        buffer = np.empty((1, self.block), np.complex64)  # UHD looks neither at the type nor at the strides
        with device.asking("samples", self.channel.label):
            size = self._streamer.recv(buffer, self._metadata, timeout)
            code = self._metadata.error_code
            if code == device.uhd.types.RXMetadataErrorCode.overflow:
                self._note_loss(self._metadata.out_of_sequence)
            elif code in self._faults:
                raise RadioError(
                    f"radio {self.channel.label}: {FAULTS[self._faults[code]].format(timeout=timeout)} "
                    f"({self._metadata.strerror()}); the next call starts the stream again"
                )
            if size == 0:
                return 0, buffer[0, :0]
            if not self._metadata.has_time_spec:
                raise RadioError(
                    f"radio {self.channel.label}: samples must come with their time, got none; their indices are not "
                    "known; update FPGA image and UHD"
                )
            return self.count.index(self._metadata.time_spec), buffer[0, :size]

    def stop(self) -> None:
        """Stop the stream, and throw away what it still had; a second call does nothing.

        Raises:
            RadioError: UHD failed.
        """
        streamer, self._streamer = self._streamer, None
        if streamer is None:
            return
        uhd = self.channel.device.uhd
        with self.channel.device.asking("the stream's end", self.channel.label):
            streamer.issue_stream_cmd(uhd.types.StreamCMD(uhd.types.StreamMode.stop_cont))
            buffer = np.empty((1, self.block), np.complex64)
            for _ in range(DRAINED):
                if not streamer.recv(buffer, self._metadata, 0.0):
                    return

    def _note_loss(self, is_sequence: bool) -> None:
        if is_sequence:
            self.dropped += 1
        else:
            self.overflows += 1
