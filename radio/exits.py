"""Radios that are open in this process, and what becomes of them when it ends.

At the end of the interpreter, an exception and Ctrl-C included, every radio is closed. SIGTERM, which would end the
process without a word, is made an ordinary end, unless somebody else handles it. For all other ends there is
`radio.pluto.watchdog`.
"""

import atexit
import contextlib
import signal
import sys
import threading
from types import FrameType
from typing import Protocol


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


def _close_all() -> None:
    with contextlib.ExitStack() as stack:  # one that cannot be closed keeps none of the others from it
        for radio in list(_open):
            stack.callback(radio.close)
