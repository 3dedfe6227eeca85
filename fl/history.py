"""history.jsonl: one JSON line a round, the same bytes for the same configuration and seed.

Wall-clock times are kept apart, in timing.jsonl, so that histories can be compared byte for byte. Numbers that do not
exist (no channel, nobody heard) or are not finite are null.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SCHEMA = 1


class HistoryError(RuntimeError):
    """A history that cannot be trusted."""


class History:
    """The lines of one file, appended round by round.

    Args:
        path: the file; made when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Append one round and hand it to the operating system."""
        line = json.dumps(_finite(record), separators=(",", ":"), allow_nan=False) + "\n"
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(line)

    def sync(self) -> int:
        """Force what was appended to disk and return its length in bytes."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as handle:
            os.fsync(handle.fileno())
            return os.fstat(handle.fileno()).st_size

    def rewind(self, length: int, rounds: int) -> None:
        """Cut the file back to the `length` bytes and `rounds` lines it had at a checkpoint.

        Raises:
            HistoryError: the file is shorter than that, or damaged inside it. It is left as it is.
        """
        if self.check(length, rounds) > length:
            with self.path.open("r+b") as handle:
                handle.truncate(length)

    def check(self, length: int, rounds: int) -> int:
        """Check what `rewind` leaves, and return the bytes of all; what comes after it does not matter.

        Raises:
            HistoryError: the file is shorter than that, or damaged inside it.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        if len(content) < length:
            raise HistoryError(
                f"{self.path}: {len(content)} bytes, the checkpoint needs {length}; restore the file, or start a new "
                f"run in another folder"
            )
        lines = _parse(self.path, content[:length])
        if len(lines) != rounds:
            raise HistoryError(f"{self.path}: {len(lines)} rounds, the checkpoint needs {rounds}")
        return len(content)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rounds of a history; a last line cut off by a kill is left out.

    Raises:
        HistoryError: there is no such file, or a line inside it is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read ({error.strerror}); is this the folder of a run?") from error
    whole = content[: content.rfind(b"\n") + 1]
    return _parse(path, whole)


def _parse(path: Path, content: bytes) -> list[dict[str, Any]]:
    records = []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise HistoryError(
                f"{path}: line {number} is damaged; the {number - 1} lines before it are good: keep those and remove "
                f"the rest"
            ) from error
        if record.get("schema") != SCHEMA:
            raise HistoryError(f"{path}: line {number} has schema {record.get('schema')}, this version reads {SCHEMA}")
        records.append(record)
    return records


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
