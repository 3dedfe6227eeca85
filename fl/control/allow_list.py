"""Whom a server lets in: public keys with names and dates, and the agents that each may speak for.

    {"format": "airmeta-allowed", "version": 1, "keys": [{"key": …, "name": …, "since": …, "agents": [0, 1]}]}

Whoever changes the list reads, changes and writes it under one lock; a reader finds it whole.
"""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from filelock import FileLock, Timeout
from msgspec import Meta, Struct

from fl.control.keys import KeyFileError, check_public
from fl.control.messages import Agent
from radio.files import write_text

FORMAT = "airmeta-allowed"
VERSION = 1
PATIENCE = 5.0  # seconds


class Allowed(Struct, frozen=True, forbid_unknown_fields=True):
    """A key that is let in.

    Args:
        key: public, Z85.
        name: of its host, for people.
        since: when it was allowed, UTC.
        agents: ids it may speak for; None: any that no other key speaks for.
    """

    key: str
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    since: datetime
    agents: tuple[Agent, ...] | None = None

    def speaks_for(self, agent: int) -> bool:
        """Return whether it may be this agent."""
        return self.agents is None or agent in self.agents


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    version: int
    keys: tuple[Allowed, ...]


def load(path: Path) -> tuple[Allowed, ...]:
    """Return the list, by name; nobody is on one that was never written.

    Raises:
        KeyFileError: it cannot be read, or is not whole.
    """
    try:
        content = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path}: not a whole list of allowed keys ({error}); put a copy of it back") from error
    if (content.format, content.version) != (FORMAT, VERSION):
        found = f"{content.format} {content.version}"
        raise KeyFileError(f"{path}: holds {found}, this airmeta reads {FORMAT} {VERSION}; name another file")
    for entry in content.keys:
        check_public(entry.key)
    return content.keys


def allow(path: Path, entry: Allowed) -> None:
    """Let a key in; what was said of it before is replaced.

    Raises:
        KeyFileError: it is no key, another key has its name, or the list cannot be written.
    """
    check_public(entry.key)

    def change(entries: Iterable[Allowed]) -> list[Allowed]:
        others = [other for other in entries if other.key != entry.key]
        if entry.name in {other.name for other in others}:
            raise KeyFileError(f"{path}: another key is called {entry.name!r}; revoke that one, or use another --name")
        return sorted([*others, entry], key=lambda one: one.name)

    _update(path, change)


def revoke(path: Path, which: str) -> Allowed:
    """Let a key in no more, by key or name, and return what was said of it.

    Raises:
        KeyFileError: it is not on the list, or the list cannot be written.
    """
    revoked: list[Allowed] = []

    def change(entries: Iterable[Allowed]) -> list[Allowed]:
        kept = [entry for entry in entries if which not in (entry.key, entry.name)]
        revoked.extend(entry for entry in entries if entry not in kept)
        if not revoked:
            raise KeyFileError(f"{path}: {which!r} is not on it; airmeta keys list shows who is")
        return kept

    _update(path, change)
    return revoked[0]


def _update(path: Path, change: Callable[[tuple[Allowed, ...]], list[Allowed]]) -> None:
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock"), timeout=PATIENCE):
            content = _File(FORMAT, VERSION, tuple(change(load(target))))
            write_text(target, json.dumps(msgspec.to_builtins(content), indent=1, ensure_ascii=False) + "\n")
    except Timeout as error:
        raise KeyFileError(f"{path}: another process has been writing it for {PATIENCE:g} s; do this again") from error
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written ({error.strerror or error}), it is as it was") from error
