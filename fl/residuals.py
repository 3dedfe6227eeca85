"""Error-feedback residuals m_i of a population, kept on disk so that memory does not grow with it.

An agent that never sent has no file. What changed since the last checkpoint is in memory (at most agents_per_round
vectors a round); `save` writes it as ``residuals/<agent>-<round>.safetensors``. A resumed run reads, for each agent,
the newest file that is not newer than its checkpoint: a kill between two checkpoints loses nothing and counts nothing
twice. What the checkpoint before the last one needs stays until the next, so that a run can go on from either.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from radio.files import atomic_path


class ResidualError(RuntimeError):
    """A residual file that cannot be read."""


class ResidualStore:
    """Residuals by agent id.

    Args:
        folder: where they live; made when first written.
        device: torch device of what `get` returns.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self.folder = folder
        self.device = device
        self._saved: dict[int, int] = {}  # agent -> round of its file
        self._changed: dict[int, torch.Tensor] = {}
        self._superseded: set[Path] = set()  # by the last checkpoint; the one before it needs these

    def get(self, agent: int) -> torch.Tensor | None:
        """Return the residual of an agent, shape (d,), or None if it is zero.

        Raises:
            ResidualError: its file is damaged.
        """
        if agent in self._changed:
            return self._changed[agent].to(self.device)
        if agent not in self._saved:
            return None
        path = self._path(agent, self._saved[agent])
        try:
            return load_file(path, device=self.device)["residual"]
        except (OSError, SafetensorError, KeyError) as error:
            raise ResidualError(
                f"{path}: damaged residual of agent {agent} ({error}); remove {self.folder / f'{agent:08d}-*'} to go "
                "on with a zero residual: an older one has entries that were sent since"
            ) from error

    def put(self, agent: int, residual: torch.Tensor) -> None:
        """Remember the residual of an agent, shape (d,)."""
        self._changed[agent] = residual

    def save(self, round_index: int) -> None:
        """Write what changed, as of the end of this round; what it supersedes stays until `prune`."""
        if self._changed:
            self.folder.mkdir(parents=True, exist_ok=True)
        for agent, residual in self._changed.items():
            with atomic_path(self._path(agent, round_index)) as temporary:
                temporary.write_bytes(save({"residual": residual.cpu().contiguous()}))

    def prune(self, round_index: int) -> None:
        """After the checkpoint of this round: forget what only the one before the one before it needs."""
        for path in self._superseded:
            path.unlink(missing_ok=True)
        self._superseded.clear()
        for agent in self._changed:
            if self._saved.get(agent, round_index) != round_index:
                self._superseded.add(self._path(agent, self._saved[agent]))
            self._saved[agent] = round_index
        self._changed.clear()

    def restore(self, round_index: int) -> None:
        """Go back to the checkpoint of this round: newer files are removed, older ones are used."""
        self._changed.clear()
        self._saved.clear()
        self._superseded.clear()
        for path in sorted(self.folder.glob("*-*.safetensors")):
            agent, saved = (int(part) for part in path.stem.split("-"))
            if saved > round_index:
                path.unlink()
            elif saved >= self._saved.get(agent, 0):
                if agent in self._saved:
                    self._superseded.add(self._path(agent, self._saved[agent]))
                self._saved[agent] = saved

    def _path(self, agent: int, round_index: int) -> Path:
        return self.folder / f"{agent:08d}-{round_index:08d}.safetensors"
