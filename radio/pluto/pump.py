"""What keeps the streams of one radio running, block by block."""

import threading
from dataclasses import dataclass, field

from radio.base import RadioError
from radio.pluto.ring import Ring
from radio.pluto.stream import Stream
from radio.pluto.timeline import Timeline


@dataclass(eq=False)
class Pump:
    """Stream, what waits to be sent, and what was heard.

    Args:
        stream: the buffers.
        ring: what was heard.
        timeline: what waits, by samples handed over.
        offset: samples heard less samples handed over at the instant when a sample leaves the queue; 0 until learned.
        failure: why it stopped.
        promised: samples to be sent that cannot be changed any more.
        changed: held by whoever touches these, notified whenever something is heard or has failed.
    """

    stream: Stream
    ring: Ring
    timeline: Timeline = field(default_factory=Timeline)
    offset: int = 0
    failure: RadioError | None = None
    promised: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def push(self) -> None:
        """Hand over the next block of what is to be sent."""
        with self.changed:
            low = self.stream.sent
            data = self.timeline.take(low, low + self.stream.block)
            self.promised = low + self.stream.block
        self.stream.push(data)

    def pull(self) -> None:
        """Fetch the next block of what is heard."""
        block = self.stream.pull()
        with self.changed:
            self.stream.heard += len(block)  # with the ring: who sets indices must see both or none
            self.ring.append(block)
            self.changed.notify_all()

    @property
    def lead(self) -> int:
        """Samples handed over and not sent yet, as counted by what was heard."""
        return self.promised + self.offset - self.stream.heard

    def fail(self, error: RadioError) -> None:
        """Note why it stopped."""
        with self.changed:
            self.failure = self.failure or error
            self.changed.notify_all()
