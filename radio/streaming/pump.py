"""What keeps the streams of one radio running, block by block."""

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from radio.base import RadioError
from radio.streaming.ring import Ring
from radio.streaming.timeline import Timeline


class Stream(Protocol):
    """The running streams of one radio.

    Attributes:
        block: samples that are handed over at a time.
        heard: samples fetched since the start.
        sent: samples handed over since the start.
    """

    block: int
    heard: int
    sent: int

    @property
    def label(self) -> str:
        """What errors call the radio."""
        ...

    def pull(self) -> np.ndarray:
        """Return the next block heard, as the radio's ring keeps it; waits for it."""
        ...

    def push(self, wave: np.ndarray) -> None:
        """Hand over the next samples, complex64; waits for room."""
        ...

    def cancel(self) -> None:
        """Wake whoever waits for samples or room."""
        ...


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

    stream: Any  # a Stream, whose radio knows more of it
    ring: Ring
    timeline: Timeline = field(default_factory=Timeline)
    offset: int = 0
    failure: RadioError | None = None
    promised: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def push(self) -> None:
        """Hand over the next block of what is to be sent."""
        self.stream.push(self.draw(self.stream.block))

    def draw(self, count: int) -> np.ndarray:
        """Return the next samples to be sent; from now on they cannot be changed."""
        with self.changed:
            low, self.promised = self.promised, self.promised + count
            return self.timeline.take(low, self.promised)

    def pull(self) -> None:
        """Fetch the next block of what is heard."""
        self.keep(self.stream.pull())

    def keep(self, block: np.ndarray) -> None:
        """Keep what was heard, and tell who waits."""
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
