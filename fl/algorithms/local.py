"""Local-only learning, the baseline of every federated algorithm: nothing is sent, θ stays as it was drawn.

An agent's own model is θ_0 after `evaluation.steps` steps of mini-batch SGD on its support set, whoever it is: what it
has without the others, from the data that all algorithms personalise with. One round is enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fl.algorithms.base import Kind
from fl.algorithms.fedavg import LocalSgd, batch_conflicts
from fl.data.local import LocalData
from fl.data.tensors import Set
from fl.gradients import Loss

if TYPE_CHECKING:
    from fl.config import Config


@dataclass(frozen=True)
class LocalOnly:
    """Learning without a server.

    Args:
        sgd: the steps on the support set.
    """

    sgd: LocalSgd
    sends: bool = False

    @property
    def loss(self) -> Loss:
        """f."""
        return self.sgd.loss

    def draw(self, data: LocalData, round_index: int, rng: np.random.Generator) -> None:
        """Draw nothing: a round has no work."""

    def local_updates(
        self, theta: torch.Tensor, agents: Sequence[None], threads: int
    ) -> tuple[torch.Tensor, list[float]]:
        """Return updates of zero, shape (n, d), and no losses."""
        return theta.new_zeros(len(agents), len(theta)), []

    def personalise(self, theta: torch.Tensor, support: Set, steps: int) -> list[torch.Tensor]:
        """Return the parameters after 0..steps mini-batch steps on the support set, each of shape (d,)."""
        return self.sgd.personalise(theta, support, steps)


def _build(config: "Config", loss: Loss) -> LocalOnly:
    return LocalOnly(LocalSgd(loss, config.algorithm.local_lr, config.algorithm.batch_size, steps=0))


KIND = Kind(_build, frozenset({"local_lr", "batch_size"}), batch_conflicts)
