"""What a process of a testbed says on stderr of what it logs: what is wrong, and what is no single round's."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

NAME = "airmeta"


class _Terminal(logging.Handler):
    """Prints warnings, and what belongs to no round, through click: a progress bar on the terminal stays whole."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING or getattr(record, "round", "-") == "-":
            click.echo(record.getMessage(), err=True)


@contextmanager
def logged_to_terminal() -> Iterator[None]:
    """Print what is logged meanwhile; its file has all of it."""
    handler, logger = _Terminal(), logging.getLogger(NAME)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
