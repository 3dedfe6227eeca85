"""Ctrl-C, once to stop with everything saved, twice to stop at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click


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
