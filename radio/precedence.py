"""Precedence over whoever computes: for threads that serve a stream, which do little, and must do it in time."""

import os
import sys
import threading

NICENESS = -10


def take_precedence() -> bool:
    """Let the thread that calls this run ahead of ordinary ones, and return whether the system allows it.

    Linux wants the right to lower the niceness (root, CAP_SYS_NICE, or `nice` in limits.conf); elsewhere threads have
    no niceness of their own.
    """
    if sys.platform != "linux":
        return False
    try:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
    except OSError:
        return False
    return True
