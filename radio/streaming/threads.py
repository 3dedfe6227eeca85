"""The threads that keep streams running: whatever ends one is a failure, and one that does not end is not forgotten."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from radio.base import RadioError
from radio.precedence import take_precedence

PATIENCE = 5.0  # seconds that samples may be late

_log = logging.getLogger(__name__)


class Pump(Protocol):
    """Streams that threads keep running.

    Attributes:
        failure: why they stopped.
        changed: held by whoever touches them, notified whenever something is heard or has failed.
    """

    failure: RadioError | None
    changed: threading.Condition

    def fail(self, error: RadioError) -> None:
        """Note why they stopped."""
        ...


@dataclass
class Threads:
    """The threads of several pumps, each of which repeats one action."""

    _running: dict[Pump, tuple[threading.Event, list[threading.Thread]]] = field(default_factory=dict)
    _stuck: list[Pump] = field(default_factory=list)

    def start(self, pump: Pump, label: str, actions: Mapping[str, Callable[[], None]]) -> None:
        """Repeat actions, each in a thread of a name, until `stop` or until one of them fails.

        Args:
            pump: is told of what ends a thread.
            label: what errors call the radio.
            actions: by the names of their threads.
        """
        ended = threading.Event()
        threads = [
            threading.Thread(target=_repeat, args=(pump, label, action, ended), name=name, daemon=True)
            for name, action in actions.items()
        ]
        self._running[pump] = ended, threads
        for thread in threads:
            thread.start()

    def stop(self, pump: Pump, label: str, wake: Callable[[], None]) -> bool:
        """End the threads of a pump, and return whether they have ended: only then its streams may be closed.

        Args:
            pump: whose.
            label: what errors call the radio.
            wake: ends whatever a thread waits for.
        """
        ended, threads = self._running.pop(pump, (threading.Event(), []))
        ended.set()
        wake()
        for thread in threads:
            thread.join(2 * PATIENCE)
        if stuck := [thread.name for thread in threads if thread.is_alive()]:
            self._stuck.append(pump)  # for ever: a buffer that is destroyed while it is in use crashes in C
            _log.warning(
                "radio %s: %s must end within %g s, got nothing; its buffers are kept, and may be in use to the next "
                "call; end the program if they are",
                label,
                " and ".join(stuck),
                2 * PATIENCE,
            )
        return not stuck


def await_count(pump: Pump, label: str, count: Callable[[], int], wanted: int, rate: float) -> None:
    """Return when a count of samples is what is wanted, or the pump has failed: at the latest, because it is overdue.

    Args:
        pump: counts.
        label: what errors call the radio.
        count: returns how many there are.
        wanted: how many there must be.
        rate: in Hz.
    """
    with pump.changed:
        missing = wanted - count()
        patience = max(missing, 0) / rate + PATIENCE
        if not pump.changed.wait_for(lambda: count() >= wanted or pump.failure is not None, patience):
            pump.failure = RadioError(
                f"radio {label}: {missing} samples must come within {patience:.1f} s, got fewer; check its cable; the "
                "next call opens it again"
            )


def _repeat(pump: Pump, label: str, action: Callable[[], None], ended: threading.Event) -> None:
    take_precedence()  # where the system allows it: learning has the time that is left
    try:
        while not ended.is_set():
            action()
    except RadioError as error:
        if not ended.is_set():
            pump.fail(error)
    except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits for samples has to know
        name = threading.current_thread().name
        failure = RadioError(f"radio {label}: {name} broke off ({error!r}); the next call opens it again")
        failure.__cause__ = error
        pump.fail(failure)
