"""Who keeps the streams of all radios running: threads, which wait inside of UHD without holding Python's lock."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from radio.base import RadioError
from radio.usrp.pump import Pump

PATIENCE = 5.0  # seconds that samples may be late
IDLE = 0.1  # seconds after which a sender looks for news of its bursts, whether or not anything was heard


class Pace(Protocol):
    """What keeps pumps running."""

    def start(self, pump: Pump) -> None:
        """Keep a pump running whose streams are open."""
        ...

    def wait(self, pump: Pump, index: int) -> None:
        """Return when everything before an index has been heard, or the pump has failed."""
        ...

    def stop(self, pump: Pump) -> None:
        """Keep it running no more; its streams may be closed then."""
        ...


@dataclass
class FreeRunning:
    """Two threads for each pump: receiving may not wait for sending, which waits for room."""

    _threads: dict[Pump, tuple[threading.Event, list[threading.Thread]]] = field(default_factory=dict)

    def start(self, pump: Pump) -> None:
        """Start both threads."""
        ended = threading.Event()
        threads = [
            threading.Thread(target=_repeat, args=(pump, action, ended), name=name, daemon=True)
            for name, action in (("usrp-send", lambda: _send(pump)), ("usrp-hear", pump.hear))
        ]
        self._threads[pump] = ended, threads
        for thread in threads:
            thread.start()

    def wait(self, pump: Pump, index: int) -> None:
        """Wait until everything before an index was heard, or is overdue."""
        with pump.changed:
            missing = index - pump.ring.end
            patience = max(missing, 0) / pump.hearing.count.rate + PATIENCE
            if not pump.changed.wait_for(lambda: pump.ring.end >= index or pump.failure is not None, patience):
                pump.failure = RadioError(
                    f"radio {pump.hearing.channel.label}: {missing} samples must come within {patience:.1f} s, got "
                    "fewer; check its cable; the next call starts its streams again"
                )

    def stop(self, pump: Pump) -> None:
        """End both threads."""
        ended, threads = self._threads.pop(pump, (threading.Event(), []))
        ended.set()
        with pump.changed:
            pump.changed.notify_all()
        for thread in threads:
            thread.join(2 * PATIENCE)


def _send(pump: Pump) -> None:
    with pump.changed:
        pump.changed.wait(IDLE)
    pump.hand_over()


def _repeat(pump: Pump, action: Callable[[], None], ended: threading.Event) -> None:
    try:
        while not ended.is_set():
            action()
    except RadioError as error:
        if not ended.is_set():
            pump.fail(error)
