"""Federated averaging: every agent takes steps of mini-batch SGD on its own training images, the server averages.

    w_0 = θ;  w_j = w_{j−1} − η·∇f(w_{j−1}; D_j),  j = 1..K;  Δ = θ − w_K = η·Σ_j ∇f(w_{j−1}; D_j)

McMahan, Moore, Ramage, Hampson, Agüera y Arcas, AISTATS 2017 (arXiv 1602.05629): E passes over the agent's images in
mini-batches of B, `algorithm.weighting = samples` for the weights, `server.lr = 1` for the mean. As P3 has it (Jiang,
Konečný, Rush, Kannan, arXiv 1909.12488), Δ/η is the gradient of federated SGD plus those of first-order meta-learning
with 1..K−1 inner steps, each exactly: K trades one for the other.

Personalisation is more of the same on the support set. With `agents.count = 1` and `uplink.kind = ideal` one agent
holds all classes, and this is central training.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fl.algorithms.base import Conflict, Kind
from fl.data.base import SHAPES
from fl.data.local import LocalData, MiniBatches
from fl.data.tensors import Set
from fl.gradients import Loss, descend, side_by_side
from fl.partitioning import has_episodes

if TYPE_CHECKING:
    from fl.config import Config


@dataclass(frozen=True)
class LocalSgd:
    """Steps of mini-batch SGD.

    Args:
        loss: f.
        local_lr: η.
        batch_size: images of a mini-batch.
        steps: K.
        epochs: E, passes over the agent's images in the place of K steps.
    """

    loss: Loss
    local_lr: float
    batch_size: int
    steps: int
    epochs: int | None = None
    sends: bool = True

    def draw(self, data: LocalData, round_index: int, rng: np.random.Generator) -> MiniBatches:
        """Return the mini-batches of a round."""
        if self.epochs is not None:
            return data.epochs(self.epochs, self.batch_size, rng)
        return data.minibatches(self.steps, self.batch_size, rng)

    def local_update(self, theta: torch.Tensor, batches: MiniBatches | Sequence[Set]) -> tuple[torch.Tensor, float]:
        """Return Δ = θ − w_K, shape (d,), and f(θ; D_1)."""
        point, first_loss = theta, float("nan")
        for number, batch in enumerate(batches):
            value, gradient = self.loss.gradient(point, batch)
            point = descend(point, gradient, self.local_lr)
            if number == 0:
                first_loss = float(value)
        return theta - point, first_loss

    def local_updates(
        self, theta: torch.Tensor, agents: Sequence[MiniBatches], threads: int
    ) -> tuple[torch.Tensor, list[float]]:
        """Return the updates of several agents, shape (n, d), and their losses; agents run side by side."""
        results = side_by_side(lambda batches: self.local_update(theta, batches), agents, threads)
        return torch.stack([update for update, _ in results]), [value for _, value in results]

    def personalise(self, theta: torch.Tensor, support: Set, steps: int) -> list[torch.Tensor]:
        """Return the parameters after 0..steps mini-batch steps on the support set, each of shape (d,)."""
        path = [theta]
        for batch in in_batches(support, self.batch_size, steps):
            path.append(descend(path[-1], self.loss.gradient(path[-1], batch)[1], self.local_lr))
        return path


def in_batches(support: Set, size: int, count: int) -> list[Set]:
    """Return `count` mini-batches of a support set, pass after pass, in one order for all sets of its size."""
    images, labels = support
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0)).to(labels.device)
    parts = order.tensor_split(-(-len(order) // size))
    return [(images[parts[step % len(parts)]], labels[parts[step % len(parts)]]) for step in range(count)]


def batch_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield a mini-batch of more images than an agent's task has."""
    task, size = config.task, config.algorithm.batch_size
    images = task.ways * (SHAPES[task.dataset].images_per_class - task.holdout)
    if size > images and has_episodes(task):
        yield (
            ("algorithm.batch_size", "task.ways", "task.holdout", "task.dataset"),
            f"algorithm.batch_size: a task of {task.ways} classes of {task.dataset} has at least {images} training "
            f"images, got {size}; set algorithm.batch_size = {max(images, 1)} for the whole batch",
        )


def _build(config: "Config", loss: Loss) -> LocalSgd:
    keys = config.algorithm
    return LocalSgd(loss, keys.local_lr, keys.batch_size, keys.local_steps, keys.local_epochs)


def _conflicts(config: "Config") -> Iterator[Conflict]:
    keys = config.algorithm
    yield from batch_conflicts(config)
    if keys.local_epochs is not None and keys.local_steps != 1:
        yield (
            ("algorithm.local_epochs", "algorithm.local_steps"),
            f"algorithm.local_epochs: {keys.local_epochs} passes and {keys.local_steps} steps exclude each other; "
            "leave one of them out",
        )


KIND = Kind(_build, frozenset({"local_steps", "local_epochs", "local_lr", "batch_size"}), _conflicts)
