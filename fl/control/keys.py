"""CURVE keys (CurveZMQ, ZeroMQ RFC 26): who a host is, and to whom it speaks.

A host has one pair. Others are given its public key. The secret key stays in its file, which nobody else may read, and
is in no message, log or traceback of ours: `KeyPair` does not show it.
"""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from radio.files import write_text

SECRET_MODE = 0o600
_Z85 = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class KeyFileError(RuntimeError):
    """A key that cannot be made, read or used; the message says what to do."""


@dataclass(frozen=True)
class KeyPair:
    """The keys of a host, each 40 characters of Z85."""

    public: str
    secret: str = field(repr=False)


def new_pair() -> KeyPair:
    """Return a new pair of keys; the public one never begins with '-', which command lines take for an option."""
    while True:
        public, secret = zmq.curve_keypair()
        if not public.startswith(b"-"):
            return KeyPair(public.decode("ascii"), secret.decode("ascii"))


def public_path(path: Path) -> Path:
    """Return the file of the public key that belongs to a secret one."""
    return path.with_name(path.name + ".pub")


def create(path: Path) -> KeyPair:
    """Make a pair of keys and write it: the secret one to `path`, the public one beside it.

    Raises:
        KeyFileError: there is a key already, or it cannot be written.
    """
    pair = new_pair()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(pair.secret + "\n")
            file.flush()
            os.fsync(file.fileno())
        write_text(public_path(path), pair.public + "\n")
    except FileExistsError as error:
        raise KeyFileError(
            f"{path}: there is a key already, and those who allow it know it; name another file, or remove it yourself"
        ) from error
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written ({error.strerror or error}); name another file") from error
    return pair


def load(path: Path) -> KeyPair:
    """Return the keys of a host.

    Raises:
        KeyFileError: there are none, others may read them, or the file holds something else.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
        with os.fdopen(handle, encoding="ascii", errors="replace") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(100).strip()
    except FileNotFoundError as error:
        raise KeyFileError(f"{path}: no key; make one with airmeta keys new") from error
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    if mode & 0o077:
        raise KeyFileError(f"{path}: others may read this secret key (mode {mode:04o}); run: chmod 600 {path}")
    if not _Z85.fullmatch(text):
        raise KeyFileError(f"{path}: not a secret key; remove the file and make one with airmeta keys new")
    try:
        public = zmq.curve_public(text.encode("ascii"))
    except zmq.ZMQError:
        raise KeyFileError(f"{path}: not a secret key; remove it, and make one with airmeta keys new") from None
    return KeyPair(public.decode("ascii"), text)


def check_public(key: str) -> str:
    """Return a public key if it is one.

    Raises:
        KeyFileError: it is not a public key.
    """
    if _Z85.fullmatch(key):
        return key
    raise KeyFileError(f"a public key has 40 characters (Z85), got {key[:60]!r}; airmeta keys list prints it")
