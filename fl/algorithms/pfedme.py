"""pFedMe: personal models that stay near the shared one, which in turn follows them.

    min over w of (1/n)Σ F_i(w),  F_i(w) = min over v of f_i(v) + λ/2·‖v − w‖²,  ∇F_i(w) = λ(w − v*(w))

    personal   v_0 = w;  v_{l+1} = v_l − α(∇f(v_l; D_r) + λ(v_l − w)),  l = 0..K−1
    step       w <- w − ηλ(w − v_K),  r = 1..R;   Δ = θ − w

T. Dinh, Tran, Nguyen, NeurIPS 2020 (arXiv 2006.08848): the objective, a Moreau envelope, from the abstract; the steps
as public code that follows the paper has them; its server rate β is `server.lr`. A reference among methods that
personalise: v is found anew from w in every round and for every new agent, so an agent keeps nothing but its residual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fl.algorithms.base import Conflict, Kind
from fl.algorithms.fedavg import batch_conflicts
from fl.data.local import LocalData, MiniBatches
from fl.data.tensors import Set
from fl.gradients import Loss, side_by_side

if TYPE_CHECKING:
    from fl.config import Config


@dataclass(frozen=True)
class MoreauLearner:
    """The local work of an agent.

    Args:
        loss: f.
        proximity: λ.
        inner_lr: α.
        inner_steps: K.
        local_lr: η.
        local_steps: R, a mini-batch each.
        batch_size: images of a mini-batch.
    """

    loss: Loss
    proximity: float
    inner_lr: float
    inner_steps: int
    local_lr: float
    local_steps: int
    batch_size: int
    sends: bool = True

    def draw(self, data: LocalData, round_index: int, rng: np.random.Generator) -> MiniBatches:
        """Return the mini-batches D_1..D_R."""
        return data.minibatches(self.local_steps, self.batch_size, rng)

    def local_update(self, theta: torch.Tensor, batches: MiniBatches | Sequence[Set]) -> tuple[torch.Tensor, float]:
        """Return Δ = θ − w, shape (d,), and f(θ; D_1)."""
        point, first_loss = theta, float("nan")
        for number, batch in enumerate(batches):
            if number == 0:
                first_loss = float(self.loss.gradient(point, batch)[0])
            personal = self.personalise(point, batch, self.inner_steps)[-1]
            point = point - self.local_lr * self.proximity * (point - personal)
        return theta - point, first_loss

    def local_updates(
        self, theta: torch.Tensor, agents: Sequence[MiniBatches], threads: int
    ) -> tuple[torch.Tensor, list[float]]:
        """Return the updates of several agents, shape (n, d), and their losses; agents run side by side."""
        results = side_by_side(lambda batches: self.local_update(theta, batches), agents, threads)
        return torch.stack([update for update, _ in results]), [value for _, value in results]

    def personalise(self, theta: torch.Tensor, support: Set, steps: int) -> list[torch.Tensor]:
        """Return v_0..v_steps, the way to the personal model of w = theta on one set, each of shape (d,)."""
        path = [theta]
        for _ in range(steps):
            descent = self.loss.gradient(path[-1], support)[1] + self.proximity * (path[-1] - theta)
            path.append(path[-1] - self.inner_lr * descent)
        return path


def _build(config: "Config", loss: Loss) -> MoreauLearner:
    keys = config.algorithm
    return MoreauLearner(
        loss, keys.proximity, keys.inner_lr, keys.inner_steps, keys.local_lr, keys.local_steps, keys.batch_size
    )


def _conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield a step that overshoots: α·λ or η·λ of 2 or more diverges even where the loss is flat."""
    yield from batch_conflicts(config)
    keys = config.algorithm
    for name, rate in (("inner_lr", keys.inner_lr), ("local_lr", keys.local_lr)):
        if rate * keys.proximity >= 2:
            yield (
                (f"algorithm.{name}", "algorithm.proximity"),
                f"algorithm.{name}: times algorithm.proximity ({keys.proximity:g}) it must stay below 2, or the steps "
                f"diverge; got {rate:g}, take at most {1 / keys.proximity:g}",
            )


KIND = Kind(
    _build, frozenset({"inner_lr", "inner_steps", "local_lr", "local_steps", "batch_size", "proximity"}), _conflicts
)
