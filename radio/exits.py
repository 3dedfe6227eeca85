"""Radios that are open in this process, and what becomes of them when it ends.

At the end of the interpreter, an exception and Ctrl-C included, every radio is closed, all at once: one that does not
answer takes its time, and none of the others goes on sending meanwhile. SIGTERM, which would end the process without a
word, is made an ordinary end, unless somebody else handles it. For all other ends there is `radio.pluto.watchdog`.
"""

import atexit
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Protocol

_log = logging.getLogger(__name__)


class Closable(Protocol):
    """Something that is closed at the end."""

    def close(self) -> None:
        """Close it; a second call does nothing."""
        ...


# A process has one end: what is to happen then cannot be an argument of anything.
_open: set[Closable] = set()


def register(radio: Closable) -> None:
    """Close a radio when the process ends, if nobody has done so before."""
    atexit.unregister(_close_all)
    atexit.register(_close_all)  # ahead of whatever was registered before: the server of a virtual one, say
    _open.add(radio)
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _leave)


def forget(radio: Closable) -> None:
    """Leave a radio alone that has been closed."""
    _open.discard(radio)


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def close_together(radios: Sequence[Closable]) -> None:
    """Close radios, all at once; one that cannot be closed keeps none of the others from it.

    Raises:
        RadioError: what the first of those said that may still be sending.
    """
    failures: list[Exception] = []
    closing = [threading.Thread(target=_close, args=(radio, failures)) for radio in radios]
    for thread in closing:
        try:
            thread.start()
        except RuntimeError:  # some Pythons start no thread any more at the end of the process
            thread.run()
    for thread in closing:
        if thread.ident is not None:
            thread.join()
    for failure in failures[1:]:
        _log.error("%s", failure)
    if failures:
        raise failures[0]


def _close(radio: Closable, failures: list[Exception]) -> None:
    try:
        radio.close()
    except Exception as error:  # noqa: BLE001 - raised by the thread that waits for this one
        failures.append(error)


def _close_all() -> None:
    close_together(list(_open))
