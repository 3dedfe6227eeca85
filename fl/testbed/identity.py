"""Which run a server's folder holds, and how often its server was started: written before the first round is opened."""

import secrets
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from fl.run_folder import RunError
from radio.files import atomic_path

NAME = "server.json"
BEGUN = (NAME, "history.jsonl", "checkpoint.safetensors")  # of these, a run whose rounds have begun has one


class Identity(Struct, frozen=True, forbid_unknown_fields=True):
    """A run, and the starts of its server.

    Args:
        run: random name.
        sequence: starts so far.
    """

    run: Annotated[str, Meta(min_length=1, max_length=64)]
    sequence: Annotated[int, Meta(ge=0)]


def is_served(folder: Path) -> bool:
    """Return whether a folder holds a run of a testbed."""
    return (folder / NAME).exists()


def count_start(folder: Path, is_new: bool) -> Identity:
    """Return the identity of the run in a folder, this start counted and on disk.

    Raises:
        RunError: the folder holds a run of `airmeta run`, or the file is damaged.
        OSError: it cannot be written.
    """
    path = folder / NAME
    if is_new or not any((folder / name).exists() for name in BEGUN):  # killed before its first start was counted
        identity = Identity(secrets.token_hex(8), 1)
    else:
        before = _read(path)
        identity = Identity(before.run, before.sequence + 1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(identity))
    return identity


def _read(path: Path) -> Identity:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Identity)
    except FileNotFoundError as error:
        raise RunError(
            f"{path.parent}: holds a run of airmeta run, whose residuals are in that folder and not with agents; go on "
            "with airmeta run --resume, or choose another folder with --out"
        ) from error
    except msgspec.MsgspecError as error:
        raise RunError(f"{path}: damaged ({error}); put a copy of it back: agents know the run by it") from error
