"""The transmit stream of one channel: bursts with a time, and what the device says of them afterwards.

A USRP sends what is queued for its time, and nothing else: without samples it is silent.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radio.base import LateError, RadioError
from radio.usrp.count import Count
from radio.usrp.device import Channel
from radio.usrp.schedule import Piece

TIMEOUT = 1.0  # seconds that the device may refuse samples beyond the time that lies ahead
REMEMBERED = 64  # bursts
REMEDY = "raise radio.usrp.lead_s, lower waveform.sample_rate, or take load off the machine"


@dataclass
class Sending:
    """A transmit stream.

    Args:
        channel: which.
        count: of its samples.
        lead: samples that are handed over ahead of time.
        bursts: first index and end of the last ones handed over.
    """

    channel: Channel
    count: Count
    lead: int
    bursts: deque[list[int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _streamer: Any = None
    _event: Any = None
    _codes: dict[Any, str] = field(default_factory=dict)

    def open(self) -> None:
        """Make the streamer; nothing is sent yet.

        Raises:
            RadioError: UHD failed.
        """
        device = self.channel.device
        with device.asking("a transmit stream", self.channel.label):
            self._streamer = device.usrp.get_tx_stream(self.channel.stream_args())
            self._event = device.uhd.types.TXAsyncMetadata()
            codes = device.uhd.types.TXMetadataEventCode
            late, dry, lost = "came too late and was not sent", "broke off, no samples came (underflow)", "was torn"
            lost = f"{lost}, packets were lost on the way (sequence error)"
            self._codes = {
                codes.time_error: late,
                codes.underflow: dry,
                codes.underflow_in_packet: dry,
                codes.seq_error: lost,
                codes.seq_error_in_packet: lost,
            }

    def send(self, piece: Piece) -> None:
        """Hand over a piece; waits for room.

        Raises:
            RadioError: the device does not take it.
        """
        if piece.starts:
            self.bursts.append([piece.first, piece.first])
        if self.bursts:
            self.bursts[-1][1] = piece.first + piece.samples.size
        wave = np.ascontiguousarray(piece.samples.reshape(1, -1), np.complex64)
        timeout, done = TIMEOUT + (self.lead + piece.samples.size) / self.count.rate, 0
        while done < piece.samples.size:
            about = self._about(piece, done)
            with self.channel.device.asking("room for samples", self.channel.label):
                taken = self._streamer.send(np.ascontiguousarray(wave[:, done:]), about, timeout)
            if not taken:
                raise RadioError(
                    f"radio {self.channel.label}: {piece.samples.size - done} samples of the burst at index "
                    f"{self.bursts[-1][0] if self.bursts else piece.first} must be taken within {timeout:.1f} s, got "
                    "none; check its cable; the next call starts its streams again"
                )
            done += taken

    def failures(self) -> list[LateError]:
        """Return what became of bursts that did not leave as they should have, since the last call.

        Raises:
            RadioError: UHD failed.
        """
        found = []
        with self.channel.device.asking("what became of bursts", self.channel.label):
            while self._streamer is not None and self._streamer.recv_async_msg(self._event, 0.0):
                text = self._codes.get(self._event.event_code)
                if text is not None:
                    found.append(self._failure(text))
        return found

    def close(self) -> None:
        """Drop the streamer; what it has got is sent, nothing else will be."""
        self._streamer = None

    def _about(self, piece: Piece, done: int) -> Any:
        """Return the metadata of what is left of a piece of which some was taken.

        Every piece has its time: what follows an underflow then comes at its place, or is late, but not just sent.
        """
        uhd = self.channel.device.uhd
        about = uhd.types.TXMetadata()
        about.start_of_burst = piece.starts and done == 0
        about.has_time_spec = True
        about.time_spec = self.count.time_spec(uhd, piece.first + done)
        about.end_of_burst = piece.ends
        return about

    def _failure(self, text: str) -> LateError:
        """Return the error of the burst that was being sent at the time of an event."""
        when = self.count.index(self._event.time_spec) if self._event.has_time_spec else None
        begun = [burst for burst in self.bursts if when is None or burst[0] <= when] or list(self.bursts)[:1]
        which = f"from index {begun[-1][0]} to {begun[-1][1]}" if begun else "at an unknown index"
        at = "" if when is None else f", as the device says at index {when}"
        return LateError(f"radio {self.channel.label}: the burst {which} {text}{at}; {REMEDY}")
