"""Files that are whole or absent: written beside the target, then renamed over it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on leaving without an error it becomes `target`, else it is removed."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
        _keep_name(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _keep_name(folder: Path) -> None:
    """Force a new name in a folder to disk: without it a power cut may bring the file of before back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial(folder: Path, name: str = "*") -> None:
    """Remove what processes that were killed have left of files (by name, or any); nobody may be writing them now."""
    for path in folder.glob(f".{name}.*"):
        if path.suffix[1:].isdigit():
            path.unlink(missing_ok=True)


def write_text(target: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
