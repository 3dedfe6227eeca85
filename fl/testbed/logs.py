"""One log a process, each line with run, round and agent: lines of several hosts can be put side by side.

2026-01-31 12:00:00,000 INFO run=6f… round=12 agent=3 registered
"""

import logging
from pathlib import Path

FORM = "%(asctime)s %(levelname)s run=%(run)s round=%(round)s agent=%(agent)s %(message)s"
NAME = "airmeta"


class _About(logging.Filter):
    """Adds what a record does not say of itself."""

    def __init__(self, run: str, agent: int | None) -> None:
        super().__init__()
        self.run, self.agent = run, "-" if agent is None else agent

    def filter(self, record: logging.LogRecord) -> bool:
        defaults = {"run": self.run or "-", "round": "-", "agent": self.agent}
        for name, value in defaults.items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


class _Handler(logging.FileHandler):
    """Says once that a log cannot be written, on a full disk: work goes on without."""

    has_failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging gave it
        if not self.has_failed:
            super().handleError(record)
        self.has_failed = True


class LogFile:
    """The log of a process, in a file.

    Args:
        path: the file; lines are added to what is there.
        run: id of the run, as far as it is known.
        agent: whose process this is; None: the server's.
    """

    def __init__(self, path: Path, run: str = "", agent: int | None = None) -> None:
        self._about = _About(run, agent)
        self._handler = _Handler(path, encoding="utf-8")
        self._handler.setFormatter(logging.Formatter(FORM))
        self._handler.addFilter(self._about)
        logger = logging.getLogger(NAME)
        logger.addHandler(self._handler)
        logger.setLevel(logging.INFO)

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger(NAME).removeHandler(self._handler)
        self._handler.close()

    def in_run(self, run: str) -> None:
        """Name the run from now on."""
        self._about.run = run
