"""What keeps the streams of one channel running: blocks in, bursts out, and why it stopped."""

import threading
from dataclasses import dataclass, field

from radio.base import LateError, RadioError
from radio.usrp.hearing import Hearing
from radio.usrp.ring import Ring
from radio.usrp.schedule import Schedule
from radio.usrp.sending import Sending


@dataclass(eq=False)
class Pump:
    """The streams, what waits to be sent, and what was heard.

    Args:
        hearing: the receive stream.
        sending: the transmit stream.
        ring: what was heard.
        window: samples after the last one heard, up to which bursts are handed over.
        schedule: what waits.
        failure: why it stopped.
        late: bursts that did not leave as they should have, and nobody was told.
        changed: held by whoever touches these, notified whenever something is heard or has failed.
    """

    hearing: Hearing
    sending: Sending
    ring: Ring
    window: int
    schedule: Schedule = field(default_factory=Schedule)
    failure: RadioError | None = None
    late: list[LateError] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    _patience: float = 0.0

    def open(self) -> None:
        """Make both streamers.

        Raises:
            RadioError: UHD failed.
        """
        self.hearing.open()
        self.sending.open()

    def start(self, index: int, patience: float) -> None:
        """Have the receive stream begin at an index, so many seconds ahead at most.

        Raises:
            RadioError: UHD failed.
        """
        with self.changed:
            self.ring.restart(index, str(self.failure or ""))
            self.failure, self._patience = None, patience
            self.late.clear()
            self.schedule.restart()
        self.hearing.start(index)

    def hear(self) -> None:
        """Fetch the next block.

        Raises:
            RadioError: the stream has broken off.
        """
        first, block = self.hearing.pull(self._patience)
        if block.size == 0:
            return
        with self.changed:
            self._patience = 0.0
            self.ring.append(first, block)
            self.changed.notify_all()

    def hand_over(self) -> None:
        """Hand over what is due, and ask what became of what was.

        Raises:
            RadioError: the device does not take it.
        """
        with self.changed:
            pieces = self.schedule.take(self.ring.end + self.window)
        for piece in pieces:
            self.sending.send(piece)
        late = self.sending.failures()
        if late:
            with self.changed:
                self.late += late
                self.changed.notify_all()

    def fail(self, error: RadioError) -> None:
        """Note why it stopped."""
        with self.changed:
            self.failure = self.failure or error
            self.changed.notify_all()

    def close(self) -> None:
        """Stop the receive stream and drop both streamers.

        Raises:
            RadioError: UHD failed.
        """
        self.sending.close()
        self.hearing.stop()
