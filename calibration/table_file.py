"""The calibration table as a file: JSON that a person can read and `diff` can compare, whole or absent.

    {"format": "airmeta-calibration", "version": 1, "entries": [...]}

Entries stand in a fixed order with sorted keys, one quantity a line, times in UTC. Whoever changes the table reads it,
changes it and writes it under one lock, so that two writers of different entries both find theirs in it. The lock is a
file beside the table; it is the system's, and a process that dies leaves none.
"""

import json
import shlex
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from calibration.entry import Entry, problems
from calibration.table import Table, TableError, command
from radio.files import write_text

FORMAT = "airmeta-calibration"
VERSION = 1
WIDTH = 100
PATIENCE = 5.0  # seconds; writing a table takes milliseconds
ENTRIES = TypeAdapter(list[Entry])


def load(path: Path, usual: Path | None = None) -> Table:
    """Return a table; there is nothing in one that was never written.

    Args:
        path: of the table.
        usual: what commands use unless they are told another; those that messages give name any other.

    Raises:
        TableError: it cannot be read, is not whole, is of a newer version, or is something else.
    """
    if not path.exists():
        return _named(Table(), path, usual)
    return existing(path, usual)


def existing(path: Path, usual: Path | None = None) -> Table:
    """Return a table that was written before.

    Raises:
        TableError: as for `load`, or there is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        again = command("all", "--radio URI", _named(Table(), path, usual))
        raise TableError(f"{path}: no such table; make it with: {again}") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror or error}); name a calibration table") from error
    except UnicodeDecodeError as error:
        raise TableError(_foreign(path)) from error
    return _named(parse(text, path), path, usual)


def parse(text: str, path: Path) -> Table:
    """Return the table that a text holds; `path` is for messages.

    Raises:
        TableError: as for `load`.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise TableError(f"{path}: is empty; put a copy of it back, or delete it and measure anew") from error
        if FORMAT not in text:
            raise TableError(_foreign(path)) from error
        raise TableError(
            f"{path}: cut off or damaged, in line {error.lineno} of {text.count(chr(10)) + 1} ({error.msg}); put a "
            f"copy of it back, or delete it and measure anew: {command('all', '--radio URI', _named(Table(), path))}"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TableError(_foreign(path))
    version = content.get("version")
    if version != VERSION:
        raise TableError(
            f"{path}: version {version!r}, this airmeta reads {VERSION}; use the airmeta that wrote it, or another "
            "table: --table FILE"
        )
    return _checked(content, path)


def store(path: Path, entries: Iterable[Entry], patience: float = PATIENCE) -> Table:
    """Add entries to a table, each in the place of what it measured anew, and return all of it.

    Args:
        path: of the table; made if it is not there.
        entries: to be kept.
        patience: seconds to wait for another process that writes.

    Raises:
        TableError: the table cannot be read or written, or another process holds it; it is as it was.
    """
    return _update(path, lambda table: table.updated(entries), patience)


def expire(path: Path, serial: str | None, kind: str | None, now: datetime, patience: float = PATIENCE) -> list[Entry]:
    """Mark the entries of a kind that a radio takes part in as expired, and return them as they were; None: any.

    Raises:
        TableError: as for `store`, or nothing matches.
    """
    existing(path)  # before a lock is taken: that of a table that was misspelt would stay
    chosen: list[Entry] = []

    def change(table: Table) -> Table:
        chosen.extend(table.select(serial, kind))
        return table.expire(chosen, now)

    _update(path, change, patience)
    return chosen


def render(table: Table) -> str:
    """Return the text of a table."""
    entries = [_json(entry.content(), 2) for entry in table.entries]
    body = "[\n  " + ",\n  ".join(entries) + "\n ]" if entries else "[]"
    return f'{{\n "format": "{FORMAT}",\n "version": {VERSION},\n "entries": {body}\n}}\n'


def _update(path: Path, change: Callable[[Table], Table], patience: float) -> Table:
    target = path.resolve()  # a link stays one, and all its names share one lock
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=patience):
            table = _named(change(load(target)), path)
            write_text(target, render(table))
    except Timeout as error:
        raise TableError(
            f"{path}: another process has been writing it for {patience:g} s ({lock} is locked), nothing was stored; "
            "let that one finish or end it, then do this again"
        ) from error
    except OSError as error:
        raise TableError(
            f"{path}: cannot be written ({error.strerror or error}), it is as it was; free space or permit writing, or "
            "name another table: --table FILE"
        ) from error
    return table


def _checked(content: dict[str, Any], path: Path) -> Table:
    """Return the entries of a table of this version, checked one by one and against each other."""
    unknown = sorted(set(content) - {"format", "version", "entries"})
    found = [f"{name}: unknown key" for name in unknown]
    entries: list[Entry] = []
    try:
        entries = ENTRIES.validate_python(content.get("entries"))
    except ValidationError as error:
        found += [f"entries.{line}" for line in problems(error)]
    table = Table(name=str(path)).updated(entries)
    if len(table.entries) < len(entries):
        found.append(f"entries: {len(entries) - len(table.entries)} of them say the same as another one")
    if found:
        shown = "".join(f"\n  {line}" for line in found[:10])
        more = f"\n  and {len(found) - 10} more" if len(found) > 10 else ""
        raise TableError(f"{path}: {len(found)} problem(s); correct it, or delete those entries:{shown}{more}")
    return table


def _named(table: Table, path: Path, usual: Path | None = None) -> Table:
    return replace(table, name=str(path), option="" if path == usual else f"--table {shlex.quote(str(path))}")


def _foreign(path: Path) -> str:
    return f"{path}: not a calibration table; name another file: --table FILE"


def _json(value: Any, indent: int) -> str:
    """Return JSON with sorted keys, in which a short object without objects inside stands on one line."""
    if not isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True)
    if len(flat) <= WIDTH and not any(isinstance(inner, dict) for inner in value.values()):
        return flat
    gap = "\n" + " " * (indent + 1)
    lines = [f"{json.dumps(key, ensure_ascii=False)}: {_json(value[key], indent + 1)}" for key in sorted(value)]
    return "{" + gap + f",{gap}".join(lines) + "\n" + " " * indent + "}"
