"""A unit's connection to an air of another process: one question, one answer.

A connection that is lost stays lost: the air behind the next one would be another one, whose time begins at 0.
"""

import builtins
import threading
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import zmq
from zmq.utils.monitor import recv_monitor_message

from radio import base
from radio.base import LostRadioError, RadioError
from radio.settings import SettingError
from radio.shared_air import messages as say

POLL = 200  # milliseconds between two looks whether to stop waiting
HEARTBEAT_MS = 2000
SILENCE_MS = 30_000  # after which an air that is stopped counts as gone; computing, it is not silent
GOODBYE = 20  # looks until a unit leaves without an answer
GONE = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED
ERRORS = {
    kind.__name__: kind
    for kind in (base.LateError, base.OverrunError, base.FullScaleError, RadioError, SettingError, builtins.ValueError)
}


@dataclass
class Connection:
    """A connection to an air.

    Args:
        endpoint: where it listens.
        label: what errors call this end.
    """

    endpoint: str
    label: str
    _number: int = 0
    _cancelled: bool = False
    _lost: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _context: Any = field(init=False)
    _socket: Any = field(init=False)
    _events: Any = field(init=False)

    def __post_init__(self) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        options = {
            zmq.RECONNECT_IVL: -1,
            zmq.LINGER: 0,
            zmq.MAXMSGSIZE: say.MOST_BYTES,
            zmq.HEARTBEAT_IVL: HEARTBEAT_MS,
            zmq.HEARTBEAT_TIMEOUT: SILENCE_MS,
        }
        for option, value in options.items():
            self._socket.setsockopt(option, value)
        self._events = self._socket.get_monitor_socket(GONE)
        self._socket.connect(self.endpoint)

    def ask(self, question: say.Message, samples: np.ndarray | None = None) -> tuple[Any, np.ndarray]:
        """Return the answer to a question, and the samples it came with; its number is set here.

        Raises:
            LostRadioError: the air is gone.
            RadioError, ValueError: what it answers, or this end was closed meanwhile.
        """
        with self._lock:
            return self._exchange(question, samples)

    def close(self, goodbye: say.Message) -> int:
        """Say goodbye, and close: at once if the air is gone, soon if it does not answer.

        Returns:
            The index that the air answers with; 0: it does not.
        """
        self._cancelled = True
        with self._lock:
            if self._socket.closed:
                return 0
            try:
                return self._leave(goodbye)
            finally:
                self._socket.disable_monitor()
                self._context.destroy(linger=0)

    def _leave(self, goodbye: say.Message) -> int:
        if self._see_if_lost():
            return 0
        number = self._send(goodbye, None)
        for _ in range(GOODBYE):
            found = self._receive(number) if self._socket.poll(POLL) else None
            if found is not None:
                return int(getattr(found[0], "index", 0))
            if self._see_if_lost():
                break
        return 0

    def _exchange(self, question: say.Message, samples: np.ndarray | None) -> tuple[Any, np.ndarray]:
        if self._cancelled:
            raise self._closed()
        number = self._send(question, samples)
        poller = zmq.Poller()
        for socket in (self._socket, self._events):
            poller.register(socket, zmq.POLLIN)
        while not self._cancelled:
            poller.poll(POLL)
            while self._socket.poll(0):
                found = self._receive(number)
                if found is not None:
                    return self._judge(*found)
            if self._see_if_lost() and not self._socket.poll(0):
                raise self._gone()
        raise self._closed()

    def _send(self, question: say.Message, samples: np.ndarray | None) -> int:
        if self._lost or self._see_if_lost():
            raise self._gone()
        self._number += 1
        frames = say.encode(_numbered(question, self._number), samples)
        self._socket.send_multipart(frames, zmq.NOBLOCK, copy=samples is None)
        return self._number

    def _receive(self, number: int) -> tuple[Any, np.ndarray] | None:
        """Return the next message, None if it answers an earlier question."""
        frames = self._socket.recv_multipart(copy=False)
        try:
            answer, samples = say.decode_answer([frame.buffer for frame in frames])
        except say.MessageError as error:
            raise RadioError(f"{self.label}: what {self.endpoint} says is not understood: {error}") from error
        misunderstood = isinstance(answer, say.Failed) and answer.number == 0
        return (answer, samples) if misunderstood or answer.number == number else None

    def _judge(self, answer: say.Answer, samples: np.ndarray) -> tuple[Any, np.ndarray]:
        if isinstance(answer, say.Failed):
            raise ERRORS.get(answer.kind, RadioError)(answer.text)
        return answer, samples

    def _see_if_lost(self) -> bool:
        while not self._lost and self._events.poll(0):
            recv_monitor_message(self._events)
            self._lost = True
        return self._lost

    def _gone(self) -> LostRadioError:
        return LostRadioError(
            f"{self.label}: the air at {self.endpoint} is gone, or never was there; start airmeta radio air CONFIG "
            "--listen with that endpoint, then this process again"
        )

    def _closed(self) -> RadioError:
        return RadioError(f"{self.label} is closed; open a new one")


def _numbered(question: say.Message, number: int) -> say.Message:
    return msgspec.structs.replace(question, number=number)
