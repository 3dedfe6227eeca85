"""Ending with the process that started this one: it holds the other end of standard input, however it ends itself."""

import os
import sys
import threading
from collections.abc import Callable


def follow_parent(stop: Callable[[], None]) -> None:
    """Call `stop`, in a thread, when standard input ends."""

    def follow() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass  # what is said there means nothing
        stop()

    threading.Thread(target=follow, name="parent", daemon=True).start()
