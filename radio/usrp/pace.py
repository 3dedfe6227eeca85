"""Who keeps the streams of all radios running: threads, which wait inside of UHD without holding Python's lock."""

from dataclasses import dataclass, field
from typing import Protocol

from radio.streaming.threads import Threads, await_count
from radio.usrp.pump import Pump

IDLE = 0.1  # seconds after which a sender looks for news of its bursts, whether or not anything was heard


class Pace(Protocol):
    """What keeps pumps running."""

    def start(self, pump: Pump) -> None:
        """Keep a pump running whose streams are open."""
        ...

    def wait(self, pump: Pump, index: int) -> None:
        """Return when everything before an index has been heard, or the pump has failed."""
        ...

    def stop(self, pump: Pump) -> bool:
        """Keep it running no more, and return whether its streams may be closed: whether nobody is inside of them."""
        ...


@dataclass
class FreeRunning:
    """Two threads for each pump: receiving may not wait for sending, which waits for room."""

    _threads: Threads = field(default_factory=Threads)

    def start(self, pump: Pump) -> None:
        """Start both threads."""
        self._threads.start(pump, pump.label, {"usrp-send": lambda: _send(pump), "usrp-hear": pump.hear})

    def wait(self, pump: Pump, index: int) -> None:
        """Wait until everything before an index was heard, or is overdue."""
        await_count(pump, pump.label, lambda: pump.ring.end, index, pump.hearing.count.rate)

    def stop(self, pump: Pump) -> bool:
        """End both threads, and return whether they have ended."""
        return self._threads.stop(pump, pump.label, pump.wake)


def _send(pump: Pump) -> None:
    with pump.changed:
        pump.changed.wait(IDLE)
    pump.hand_over()
