"""What keeps the streams of one channel running: blocks in, bursts out, and why it stopped."""

import threading
from dataclasses import dataclass, field

from radio.base import LateError, RadioError
from radio.streaming.ring import Ring
from radio.usrp.hearing import Hearing
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

    @property
    def label(self) -> str:
        """What errors call the radio."""
        return self.hearing.channel.label

    def anew(self) -> "Pump":
        """Return a pump on the same channel that shares nothing with this one, which a thread may be stuck in."""
        hearing, sending = self.hearing, self.sending
        ring = Ring(self.ring.keep, self.ring.label, self.ring.decode, self.ring.remedy)
        ring.restart(self.ring.end)
        return Pump(
            Hearing(hearing.channel, hearing.count, hearing.block),
            Sending(sending.channel, sending.count, sending.lead),
            ring,
            self.window,
            failure=self.failure,
        )

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
            self.ring.append(block, first)
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

    def wake(self) -> None:
        """Wake whoever waits for news."""
        with self.changed:
            self.changed.notify_all()

    def withdraw(self) -> None:
        """Drop what was not handed over yet."""
        with self.changed:
            self.schedule.clear()

    @property
    def is_busy(self) -> bool:
        """Whether the device may still have something to send."""
        return self.schedule.busy > self.ring.end

    def close(self) -> None:
        """Stop the receive stream and drop both streamers.

        Raises:
            RadioError: UHD failed.
        """
        self.sending.close()
        self.hearing.stop()
