"""The files a user has: where they are, and whether they are whole."""

import hashlib
from pathlib import Path

import numpy as np


class DataError(RuntimeError):
    """Data that is missing, damaged, or cannot be stored; the message says what to do."""


def check_root(root: Path | None) -> None:
    """Refuse a folder of data files that a user names and that is not there, whether or not a cache would do.

    Raises:
        DataError: it is not there, or no folder.
    """
    if root is not None and not root.expanduser().is_dir():
        what = "a file, not a folder" if root.expanduser().exists() else "there is no such folder"
        raise DataError(
            f"data_root: {root}: {what}; name the folder of the data files, or leave data_root out to use what is in "
            "the cache"
        )


def find(root: Path, names: tuple[str, ...], how: str) -> Path:
    """Return the first of these files that is in a folder.

    Raises:
        DataError: none is; says where it looked and how to get one.
    """
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(
        f"{' or '.join(names)}: not found in {root}; {how}, or name their folder with --set data_root=FOLDER"
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose SHA-256 is not the expected one.

    Raises:
        DataError: it is damaged, cut short, or another file.
    """
    found = sha256(path)
    if found != expected:
        raise DataError(
            f"{path}: damaged or cut short (SHA-256 {found[:12]}…, expected {expected[:12]}…); get it again"
        )


def digest_of(*arrays: np.ndarray) -> str:
    """Return the SHA-256 of arrays: their types, shapes and bytes, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape};".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
