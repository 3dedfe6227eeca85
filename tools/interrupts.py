"""Ctrl-C, once to stop with everything saved, twice to stop at once; while modules are imported, at once."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

EXIT_CODE = 130  # of a process that Ctrl-C has ended


@contextmanager
def nothing_begun(says: Callable[[], str]) -> Iterator[None]:
    """Let Ctrl-C end the process in a block that only imports: torch, broken off in its import, raises what it likes.

    Args:
        says: what the user is told.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        click.echo(says(), err=True)
        os._exit(EXIT_CODE)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interrupts(said: Callable[[], str] = lambda: "Finishing this round, then saving") -> Iterator[list[int]]:
    """Yield a list that is not empty once Ctrl-C or SIGTERM has come; a second one stops at once.

    Args:
        said: returns what happens after the first.
    """
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        click.echo(f"\n{said()}; once more to stop at once.", err=True)

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield seen
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
