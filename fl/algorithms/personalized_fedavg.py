"""Personalized FedAvg, P3 (Jiang, Konečný, Rush, Kannan, arXiv 1909.12488): FedAvg for a start, Reptile to finish it.

    rounds 0..s−1    FedAvg(E) with the optimiser of the table `server`; the paper has momentum SGD and a large E
    rounds s..T−1    Reptile(K) with Adam as the server's optimiser, whose moments begin at zero
    personalise      with the SGD of training

After P3 and public code that follows it. Ours: agents keep what they have not sent across the change, and s counts
rounds, those that fail included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fl.algorithms.base import Conflict, Kind
from fl.algorithms.fedavg import KIND as FEDAVG
from fl.algorithms.fedavg import LocalSgd
from fl.data.local import LocalData, MiniBatches
from fl.data.tensors import Set
from fl.gradients import Loss
from fl.server import ServerOptimizer, ServerRule

if TYPE_CHECKING:
    from fl.config import Config


@dataclass(frozen=True)
class PersonalizedFedAvg:
    """The local work of both stages, which differ in how many mini-batches there are.

    Args:
        fedavg: of the first stage.
        reptile: of the second.
        switch: s, the first round of the second stage.
    """

    fedavg: LocalSgd
    reptile: LocalSgd
    switch: int
    sends: bool = True

    @property
    def loss(self) -> Loss:
        """f."""
        return self.reptile.loss

    def draw(self, data: LocalData, round_index: int, rng: np.random.Generator) -> MiniBatches:
        """Return the mini-batches of a round of its stage."""
        stage = self.fedavg if round_index < self.switch else self.reptile
        return stage.draw(data, round_index, rng)

    def local_updates(
        self, theta: torch.Tensor, agents: Sequence[MiniBatches], threads: int
    ) -> tuple[torch.Tensor, list[float]]:
        """Return the updates of several agents, shape (n, d), and their losses."""
        return self.reptile.local_updates(theta, agents, threads)

    def personalise(self, theta: torch.Tensor, support: Set, steps: int) -> list[torch.Tensor]:
        """Return the parameters after 0..steps mini-batch steps on the support set, each of shape (d,)."""
        return self.reptile.personalise(theta, support, steps)


def _build(config: "Config", loss: Loss) -> PersonalizedFedAvg:
    keys = config.algorithm
    fedavg = LocalSgd(loss, keys.local_lr, keys.batch_size, keys.local_steps, keys.local_epochs)
    return PersonalizedFedAvg(
        fedavg, LocalSgd(loss, keys.local_lr, keys.batch_size, keys.reptile_steps), _switch(config)
    )


def _switch(config: "Config") -> int:
    """Return s; by default the last sixth of the rounds is Reptile's, as with P3's 100 rounds after 500."""
    given = config.algorithm.reptile_from
    return config.rounds - max(1, config.rounds // 6) if given is None else given


def _server(config: "Config") -> ServerRule:
    server, local_lr = config.server, config.algorithm.local_lr
    first = ServerOptimizer(server.optimizer, server.lr, server.momentum, local_lr)
    adam = ServerOptimizer("adam", config.algorithm.reptile_lr, server.momentum, local_lr)
    return ServerRule(first, adam, _switch(config))


def _conflicts(config: "Config") -> Iterator[Conflict]:
    yield from FEDAVG.conflicts(config)
    switch = _switch(config)
    if not 0 < switch < config.rounds:
        yield (
            ("algorithm.reptile_from", "rounds"),
            f"algorithm.reptile_from: both stages need rounds, so from 1 to {config.rounds - 1} of rounds = "
            f"{config.rounds}, got {switch}; for one stage alone set algorithm.kind = fedavg or reptile",
        )


KIND = Kind(_build, FEDAVG.keys | {"reptile_from", "reptile_steps", "reptile_lr"}, _conflicts, _server)
