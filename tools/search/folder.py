"""The folder of a search: that of a sweep (`tools.sweep.folder`) with what is searched, and Optuna's storage.

    search.json  study.db  confirmations.json  result.json  report.html  figures/  runs/KEY/ …

Whoever searches holds its lock.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fl.config import differing
from fl.run_folder import RunError
from radio.files import write_text

SCHEMA = 1


class SearchError(RunError):
    """A search that cannot start or go on; the message says what to do."""


@dataclass(frozen=True)
class SearchFolder:
    """The files of one search.

    Args:
        path: the folder.
    """

    path: Path

    @property
    def about(self) -> Path:
        """What is searched."""
        return self.path / "search.json"

    @property
    def study(self) -> Path:
        """Optuna's storage."""
        return self.path / "study.db"

    @property
    def confirmations(self) -> Path:
        """Which seeds have confirmed what."""
        return self.path / "confirmations.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other search out of the folder; the lock goes with the process, however it ends.

        Raises:
            SearchError: another one is there, or the folder cannot be written.
        """
        locks = self.path / "locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
            lock = FileLock(locks / "search.lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise SearchError(
                f"{self.path}: another airmeta search works there; wait until it has ended, or choose another folder "
                "with --out"
            ) from error
        except NotImplementedError as error:
            raise SearchError(
                f"{self.path}: its file system has no locks, so two searches could work there; mount it with locks "
                "(NFS: without nolock), or choose another folder with --out"
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def check(self, described: dict[str, Any]) -> None:
        """Check that the folder is new, or that of this very search.

        Raises:
            SearchError: it is that of another one, of a sweep, or damaged.
        """
        if not self.about.exists():
            if (self.path / "sweep.json").exists() or self.study.exists():
                raise SearchError(f"{self.path}: holds a sweep, not a search; choose another folder with --out")
            return
        try:
            content = json.loads(self.about.read_text(encoding="utf-8"))
            schema, before = content["schema"], dict(content["search"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SearchError(
                f"{self.about}: damaged ({error!r}); choose another folder with --out, or restore the file"
            ) from error
        if schema != SCHEMA:
            raise SearchError(
                f"{self.about}: schema {schema}, this version reads {SCHEMA}; choose another folder with --out"
            )
        lines = differing(described, before)
        if lines:
            said = "\n".join(f"  {line}" for line in lines)
            raise SearchError(
                f"{self.path}: the folder of another search; choose another folder with --out, or search the same:\n"
                f"{said}"
            )

    def plan(self, described: dict[str, Any]) -> None:
        """Check the folder, which is held, and write down what is searched.

        Raises:
            SearchError: as for `check`, or it cannot be written.
        """
        self.check(described)
        try:
            if not self.about.exists():
                write_text(self.about, json.dumps({"schema": SCHEMA, "search": described}, indent=1) + "\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SearchError:
        name, why = error.filename or self.path, error.strerror or error
        return SearchError(f"{name}: {why}; choose a folder that can be written with --out")
