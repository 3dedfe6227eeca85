"""Checkpoints: θ, the optimiser, what the uplink remembers and the round, in one safetensors file, whole or absent.

The header holds what resuming needs to check: configuration hash, length of the history, SHA-256 of the tensors. The
checkpoint before the last one is kept, so that a damaged file costs a few rounds and never the run. Residuals lie
beside it (`fl.residuals`), and are kept for as many checkpoints as the header says; older code kept those of the last
one only.
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from fl.server import ServerState
from radio.files import atomic_path

NAME = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"
SCHEMA = 1
KEPT = 2  # checkpoints from which a run can go on
UPLINK = "uplink."
CONTROL = "control."
RESIDUALS = "residuals/*.safetensors"  # of the agents, as `fl.experiment` keeps them


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged, or of another run."""


@dataclass(frozen=True)
class Checkpoint:
    """A run between two rounds.

    Args:
        state: the server's state.
        rounds: rounds done.
        history_bytes: length of history.jsonl at that point.
        config_hash: `fl.config.digest` of the run's configuration.
        uplink: what the uplink remembers between two rounds, by name.
        control: what a testbed's server remembers of its agents, by name.
    """

    state: ServerState
    rounds: int
    history_bytes: int
    config_hash: str
    uplink: dict[str, np.ndarray] = field(default_factory=dict)
    control: dict[str, np.ndarray] = field(default_factory=dict)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint of a run; the one before it is kept under another name."""
    state = checkpoint.state
    tensors = {
        "theta": state.theta.cpu().contiguous(),
        "first_moment": state.first_moment.cpu().contiguous(),
        "second_moment": state.second_moment.cpu().contiguous(),
    }
    for prefix, remembered in ((UPLINK, checkpoint.uplink), (CONTROL, checkpoint.control)):
        tensors |= {prefix + name: torch.from_numpy(values) for name, values in remembered.items()}
    header = {
        "schema": SCHEMA,
        "kept": KEPT,
        "rounds": checkpoint.rounds,
        "steps": state.steps,
        "history_bytes": checkpoint.history_bytes,
        "config_hash": checkpoint.config_hash,
        "sha256": _digest(tensors),
    }
    target = folder / NAME
    with atomic_path(target) as temporary:
        temporary.write_bytes(serialise(tensors, {"airmeta": json.dumps(header)}))
        if target.exists():
            with atomic_path(folder / PREVIOUS) as previous:
                os.link(target, previous)


def exists(folder: Path) -> bool:
    """Return whether a run has reached a checkpoint."""
    return (folder / NAME).exists() or (folder / PREVIOUS).exists()


def rounds_done(folder: Path) -> int:
    """Return after how many rounds the last checkpoint of a run was written; 0: there is none that can be read."""
    try:
        return int(header(folder)["rounds"])
    except (KeyError, ValueError):
        return 0


def header(folder: Path, name: str = NAME) -> dict[str, Any]:
    """Return what the last checkpoint of a run says of itself, its tensors unread; empty: it is not whole."""
    try:
        with safe_open(folder / name, framework="pt") as file:
            return dict(json.loads((file.metadata() or {})["airmeta"]))
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}


def usable(folder: Path) -> tuple[Path, Checkpoint]:
    """Return the last checkpoint of a run that is whole, and its file: the one before the last if that is damaged.

    Raises:
        CheckpointError: there is none, or the residuals that it needs are not kept; says what is wrong with the last.
    """
    path = folder / NAME
    try:
        return path, _read(path, "cpu")
    except CheckpointError as error:
        try:
            found = _read(folder / PREVIOUS, "cpu")
        except CheckpointError:
            raise error from None
        if not _goes_on_from_previous(folder):
            raise CheckpointError(
                f"{error}, and residuals of the one before it (after {found.rounds} rounds) were removed by the older "
                "airmeta that wrote it; do the run again in another folder"
            ) from error
        return folder / PREVIOUS, found


def recover(folder: Path) -> None:
    """Put the checkpoint before the last in the place of the last if that is missing or damaged; nobody writes there.

    Raises:
        CheckpointError: neither is whole.
    """
    path, _ = usable(folder)
    if path != folder / NAME:
        with atomic_path(folder / NAME) as temporary:
            os.link(path, temporary)


def load(folder: Path, device: str = "cpu") -> Checkpoint:
    """Return the last checkpoint of a run.

    Raises:
        CheckpointError: there is none, or it is damaged; says which older one is whole.
    """
    path = folder / NAME
    if not exists(folder):
        raise CheckpointError(f"{path}: no checkpoint; the run did not reach its first one, start it again")
    try:
        return _read(path, device)
    except CheckpointError as error:
        try:
            rounds = _read(folder / PREVIOUS, device).rounds
        except CheckpointError:
            raise error from None
        if not _goes_on_from_previous(folder):
            usable(folder)  # says so
        raise CheckpointError(
            f"{error}; {folder / PREVIOUS} (after {rounds} rounds) is whole: rename it to {NAME} to go on from there"
        ) from error


def _goes_on_from_previous(folder: Path) -> bool:
    """Return whether the residuals are there that the checkpoint before the last needs.

    Without any residual it needs none. What wrote it wrote the last one, too, if nothing says otherwise.
    """
    return not any(folder.glob(RESIDUALS)) or header(folder, PREVIOUS).get("kept", 1) >= KEPT


def _read(path: Path, device: str) -> Checkpoint:
    try:
        with safe_open(path, framework="pt", device=device) as file:
            header = json.loads((file.metadata() or {})["airmeta"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole checkpoint ({error})") from error
    if header["schema"] != SCHEMA:
        raise CheckpointError(f"{path}: schema {header['schema']}, this version reads {SCHEMA}")
    if header["sha256"] != _digest(tensors):
        raise CheckpointError(f"{path}: damaged, its SHA-256 does not match")
    state = ServerState(tensors["theta"], tensors["first_moment"], tensors["second_moment"], steps=header["steps"])
    uplink, control = _named(tensors, UPLINK), _named(tensors, CONTROL)
    return Checkpoint(state, header["rounds"], header["history_bytes"], header["config_hash"], uplink, control)


def _named(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, np.ndarray]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensors[name].cpu().numpy() for name in tensors if name.startswith(prefix)}


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].cpu().numpy().tobytes())
    return digest.hexdigest()
