"""The bridge to a flowgraph, for one unit: samples out over a PUSH socket, samples in over a PULL socket, both counted.

Nothing is dropped on the way: sockets have high-water marks, and who is faster waits. Beyond that, no more is handed
over than `credit` samples ahead of what was heard, so that what is on the way, and with it the latency, is bounded. A
socket is used by one thread at a time.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from radio.base import OverrunError, RadioError
from radio.gnuradio.messages import PROBED, Message, check_samples, is_tagged, parse

MESSAGES = 256
POLL = 100  # milliseconds between two looks whether the flowgraph is still there
PAUSE = 2e-4  # seconds between two looks whether there is credit
TIMED = "rx_time"
"""Tag of a device's source: at its first sample, and wherever samples are missing before one."""


@dataclass
class Bridge:
    """Both directions of one unit.

    Args:
        label: what errors call it.
        send: address at which the flowgraph fetches what is to be sent; bound here.
        hear: address at which it hands over what is heard; connected to here.
        block: samples handed over at a time.
        credit: samples that may be on the way, as counted by what was heard.
        patience: seconds without samples, or without room, after which the bridge stalls.
        check_process: returns if the flowgraph runs, else raises why not.
        stalled: returns what is known about a flowgraph that does not move.
        heard: samples fetched, as whoever fetches them counts.
        sent: samples handed over.
        offset: samples heard less samples handed over at the same instant.
    """

    label: str
    send: str
    hear: str
    block: int
    credit: int
    patience: float
    check_process: Callable[[], None]
    stalled: Callable[[], str]
    heard: int = 0
    sent: int = 0
    offset: int = 0
    _received: int = 0
    _tagged: bool | None = None
    _waiting: deque[np.ndarray] = field(default_factory=deque)
    _cancelled: bool = False
    _sockets: list[Any] = field(default_factory=list)

    def open(self, context: Any) -> None:
        """Bind and connect.

        Raises:
            RadioError: an address is taken, or none.
        """
        import zmq

        for kind, address, meet in ((zmq.PUSH, self.send, "bind"), (zmq.PULL, self.hear, "connect")):
            socket = context.socket(kind)
            self._sockets.append(socket)
            socket.set_hwm(MESSAGES)
            socket.linger = 0
            try:
                getattr(socket, meet)(address)
            except zmq.ZMQError as error:
                raise RadioError(
                    f"{self.label}: cannot {meet} {address} ({error}); end the program that uses it, or choose "
                    "another address in radio.gnuradio.send and radio.gnuradio.hear"
                ) from error

    def push(self, wave: np.ndarray) -> None:
        """Hand over samples, complex64; waits for room.

        Raises:
            RadioError: the flowgraph has ended, or takes nothing.
        """
        import zmq

        begun, heard = time.monotonic(), self.heard
        while not self._cancelled:
            if self.heard != heard:
                begun, heard = time.monotonic(), self.heard
            has_credit = self.sent + wave.size + self.offset - self.heard <= self.credit
            if has_credit and self._sockets[0].poll(POLL, zmq.POLLOUT):
                self._sockets[0].send(wave.data, copy=False)
                self.sent += wave.size
                return
            if not has_credit:
                time.sleep(PAUSE)
            self._check(begun, "takes")

    def pull(self, count: int = 0) -> np.ndarray:
        """Return the next samples heard, complex64; waits for them.

        Args:
            count: how many; 0: a block.

        Raises:
            RadioError: the flowgraph has ended, gives nothing, or what it gives are no samples.
            OverrunError: samples were lost on the way.
        """
        count = count or self.block
        begun = time.monotonic()
        while self._received < self.heard + count and not self._cancelled:
            if self._fetch():
                begun = time.monotonic()
            else:
                self._check(begun, "gives")
        parts, missing = [], count
        while missing and self._waiting:
            part = self._waiting.popleft()
            if part.size > missing:
                self._waiting.appendleft(part[missing:])
                part = part[:missing]
            parts.append(part)
            missing -= part.size
        return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.zeros(0, np.complex64)])

    def cancel(self) -> None:
        """Wake whoever waits; nothing but `close` may follow."""
        self._cancelled = True

    def close(self) -> None:
        """Close both sockets; what is on the way is dropped."""
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()

    def _fetch(self) -> bool:
        """Return whether a message came, within `POLL`."""
        if not self._sockets[1].poll(POLL):
            return False
        data = self._sockets[1].recv(copy=False).buffer
        if self._tagged is None:
            self._tagged = is_tagged(data)
        message = parse(data, self.label, self._tagged)
        self._check_count(message)
        if self._received < PROBED:
            check_samples(message.samples, self.label)
        self._waiting.append(message.samples)
        self._received += message.samples.size
        return True

    def _check_count(self, message: Message) -> None:
        if message.offset is not None and message.offset != self._received:
            raise OverrunError(
                f"{self.label}: {message.offset - self._received} samples were lost between the flowgraph and here, "
                f"after {self._received}; see that nobody else fetches from {self.hear}; the next call starts again"
            )
        if any(key == TIMED and where > 0 for where, key in message.keys):
            raise OverrunError(
                f"{self.label}: the device lost samples ({TIMED} tag at {message.keys[0][0]}), its counts are void; "
                "lower waveform.sample_rate, raise radio.gnuradio.block, or take load off the machine; the next call "
                "starts again"
            )

    def _check(self, begun: float, verb: str) -> None:
        self.check_process()
        waited = time.monotonic() - begun
        if waited > self.patience:
            raise RadioError(
                f"{self.label}: the bridge stalls: the flowgraph {verb} no samples for {waited:.1f} s "
                f"(radio.gnuradio.timeout_s), after {self.sent} handed over and {self.heard} heard; {self.stalled()}; "
                "see that its PULL Sources connect to radio.gnuradio.send and its PUSH Sinks are bound to "
                "radio.gnuradio.hear, that the IO type of all of them is complex, and that radio.gnuradio.held covers "
                "what it keeps back; the next call starts again"
            )
