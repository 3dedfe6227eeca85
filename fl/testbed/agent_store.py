"""What an agent keeps on disk, whole or as it was: the residual m, or v and g of the attempt that is not settled.

m                    nothing is under way
v, g, attempt        an update was computed, m is in v; nothing is on the air
v, g, attempt, what the payload carries of g       it is on the air, or was about to be

settled:  m <- v − carried  if the server counted it,  m <- v  if it did not       (g = S_k(v), `dsp.sparsify`)
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from fl.control.agent_state import Disk
from fl.control.events import Attempt
from radio.files import atomic_path, remove_partial

SCHEMA = 2


class AgentStoreError(RuntimeError):
    """What an agent kept cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Kept:
    """The content of an agent's disk.

    Args:
        run: id of the run; empty: it has not taken part in one.
        sequence: highest count of the server's starts that it knows.
        residual: m, shape (d,); None is zero, or in v.
        settled: the last attempt that was.
        pending: the attempt that is not.
        total: v, shape (d,).
        offered: g, shape (d,).
        carried: what the payload carries of g, shape (d,); None: nothing is on the air.
        loss: training loss of the update.
    """

    run: str = ""
    sequence: int = 0
    residual: torch.Tensor | None = None
    settled: Attempt | None = None
    pending: Attempt | None = None
    total: torch.Tensor | None = None
    offered: torch.Tensor | None = None
    carried: torch.Tensor | None = None
    loss: float | None = None

    @property
    def disk(self) -> Disk:
        """What the machine has to know of it."""
        return Disk(self.settled, self.pending, self.carried is not None)

    def settle(self, heard: bool) -> "Kept":
        """Return what is left when the pending attempt is settled: m = v − carried if it was heard, else v.

        Raises:
            ValueError: nothing is pending.
        """
        if self.pending is None or self.total is None or self.offered is None:
            raise ValueError("there is no attempt to settle")
        residual = self.total
        if heard and self.carried is not None:
            residual = residual - self.carried
        return Kept(self.run, self.sequence, residual, self.pending)


class AgentStore:
    """The file of one agent.

    Args:
        folder: where it lives; made when it is opened.
        agent: its id.

    Raises:
        AgentStoreError: another process uses it, or it cannot be made.
    """

    def __init__(self, folder: Path, agent: int) -> None:
        self.path = folder / f"agent-{agent}.safetensors"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / f".agent-{agent}.lock", timeout=0)
            self._lock.acquire()
        except Timeout as error:
            raise AgentStoreError(
                f"{folder}: another process is agent {agent} here; stop it, or give this one another --id or --state"
            ) from error
        except OSError as error:
            raise AgentStoreError(
                f"{folder}: cannot be used ({error.strerror or error}); name another folder with --state"
            ) from error
        remove_partial(folder, self.path.name)

    def load(self) -> Kept:
        """Return what is on disk; a new agent has nothing there.

        Raises:
            AgentStoreError: the file is damaged, or of another version.
        """
        if not self.path.exists():
            return Kept()
        try:
            with safe_open(self.path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["airmeta"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise AgentStoreError(
                f"{self.path}: not whole ({error}); put a copy of it back, or remove it to start with a zero residual"
            ) from error
        if about["schema"] != SCHEMA:
            raise AgentStoreError(
                f"{self.path}: schema {about['schema']}, this version reads {SCHEMA}; end its run with the version "
                "that wrote it, or remove it to start with a zero residual"
            )
        return Kept(
            about["run"], about["sequence"], tensors.get("residual"), _attempt(about["settled"]),
            _attempt(about["pending"]), tensors.get("total"), tensors.get("offered"), tensors.get("carried"),
            about["loss"],
        )  # fmt: skip

    def save(self, kept: Kept) -> None:
        """Write all of it, whole or not at all.

        Raises:
            OSError: it is as it was.
        """
        about: dict[str, Any] = {
            "schema": SCHEMA,
            "run": kept.run,
            "sequence": kept.sequence,
            "settled": _pair(kept.settled),
            "pending": _pair(kept.pending),
            "loss": kept.loss,
        }
        named = {"residual": kept.residual, "total": kept.total, "offered": kept.offered, "carried": kept.carried}
        # copies: where everything is offered and carried, all are v, and tensors that share memory are not written
        tensors = {name: values.cpu().contiguous().clone() for name, values in named.items() if values is not None}
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(save(tensors, {"airmeta": json.dumps(about)}))

    def close(self) -> None:
        """Give the file back."""
        self._lock.release()


def in_run(kept: Kept, run: str, sequence: int) -> Kept:
    """Return it as part of a run, with the count of the server's starts."""
    return replace(kept, run=run, sequence=max(sequence, kept.sequence))


def _pair(attempt: Attempt | None) -> list[int] | None:
    return None if attempt is None else [attempt.sequence, attempt.round]


def _attempt(pair: list[int] | None) -> Attempt | None:
    return None if pair is None else Attempt(*pair)
