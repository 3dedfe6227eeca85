"""ν-step meta-learning: min over w of (1/n) Σ f_i(w_i^ν), w_i^l = w_i^{l−1} − α∇f_i(w_i^{l−1}).

P2 (Jamali, Saber, Bae, arXiv 2504.21327); ν = 1 is Per-FedAvg (Fallah, Mokhtari, Ozdaglar, NeurIPS 2020) and the local
work of Air-meta-pFL, P1 (Wen, Xing, Simeone, arXiv 2406.11569). One outer step of rate η:

    forward    u_0 = w;  u_{l+1} = u_l − α∇f(u_l; D_l)
    outer      g = ∇f(u_ν; D_out)
    backward   for l = ν−1..0:  g <- g − α·H(u_l; D'_l)g
    step       w <- w − η·g

H·g is exact (double backward), a finite difference (Hessian-free) or left out (first order). The algorithm in this form
is our reconstruction. An agent sends Δ = θ − w after Q outer steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from fl.algorithms.base import Conflict, Kind
from fl.data.base import SHAPES
from fl.data.local import LocalData
from fl.gradients import Loss, Set, descend, side_by_side
from fl.partitioning import has_episodes

if TYPE_CHECKING:
    from fl.config import Config

Order = Literal["exact", "hessian_free", "first"]


@dataclass(frozen=True)
class OuterStep:
    """The data of one outer step of one agent.

    Args:
        inner: D_l, one set for each of the ν inner steps.
        outer: D_out.
        hessian: D'_l, one set for each inner step; the inner ones again where no independent ones are drawn.
    """

    inner: Sequence[Set]
    outer: Set
    hessian: Sequence[Set]


@dataclass(frozen=True)
class Episodes:
    """What an agent draws in a round.

    Args:
        outer_steps: Q, an episode each.
        inner_steps: ν.
        shots: support images of a class.
        queries: query images of a class.
        shared: one support set serves all inner steps and Hessians (MAML); else each has images of its own.
    """

    outer_steps: int = 1
    inner_steps: int = 1
    shots: int = 1
    queries: int = 1
    shared: bool = False

    def images_per_class(self, order: Order) -> list[int]:
        """Return the images of a class in each set of an episode: support sets first, the query set last."""
        support_sets = 1 if self.shared else self.inner_steps * (1 if order == "first" else 2)
        return [self.shots] * support_sets + [self.queries]


@dataclass(frozen=True)
class MetaLearner:
    """The local work of an agent.

    Args:
        loss: f.
        inner_lr: α.
        local_lr: η.
        order: how H·g is computed.
        episodes: what is drawn for it.
    """

    loss: Loss
    inner_lr: float
    local_lr: float
    order: Order
    episodes: Episodes = Episodes()
    sends: bool = True

    def draw(self, data: LocalData, round_index: int, rng: np.random.Generator) -> list[OuterStep]:
        """Return the data of Q outer steps, an episode each."""
        sizes = self.episodes.images_per_class(self.order)
        return [self._outer_step(sets) for sets in data.episodes(self.episodes.outer_steps, sizes, rng)]

    def _outer_step(self, sets: list[Set]) -> OuterStep:
        nu = self.episodes.inner_steps
        if self.episodes.shared:
            return OuterStep(sets[:1] * nu, sets[-1], sets[:1] * nu)
        return OuterStep(sets[:nu], sets[-1], sets[nu:-1])

    def local_update(self, theta: torch.Tensor, steps: Sequence[OuterStep]) -> tuple[torch.Tensor, float]:
        """Return Δ = θ − w after Q = len(steps) outer steps, shape (d,), and f(u_ν; D_out) of the first of them."""
        point, first_loss = theta, float("nan")
        for number, step in enumerate(steps):
            value, gradient = self.meta_gradient(point, step)
            point = descend(point, gradient, self.local_lr)
            if number == 0:
                first_loss = float(value)
        return theta - point, first_loss

    def local_updates(
        self, theta: torch.Tensor, agents: Sequence[Sequence[OuterStep]], threads: int
    ) -> tuple[torch.Tensor, list[float]]:
        """Return the updates of several agents, shape (n, d), and their losses; agents run side by side."""
        results = side_by_side(lambda steps: self.local_update(theta, steps), agents, threads)
        return torch.stack([update for update, _ in results]), [value for _, value in results]

    def meta_gradient(self, theta: torch.Tensor, step: OuterStep) -> tuple[torch.Tensor, torch.Tensor]:
        """Return f(u_ν; D_out) and its gradient through the inner steps, shape (d,)."""
        path = [theta]
        for data in step.inner:
            path.append(self._descend(path[-1], data))
        value, gradient = self.loss.gradient(path[-1], step.outer)
        if self.order != "first":
            product = self.loss.hessian_vector if self.order == "exact" else self.loss.hessian_difference
            for point, data in zip(reversed(path[:-1]), reversed(step.hessian), strict=True):
                gradient = gradient - self.inner_lr * product(point, gradient, data)
        return value, gradient

    def personalise(self, theta: torch.Tensor, support: Set, steps: int) -> list[torch.Tensor]:
        """Return the parameters after 0..steps fine-tuning steps on the support set, each of shape (d,)."""
        path = [theta]
        for _ in range(steps):
            path.append(self._descend(path[-1], support))
        return path

    def _descend(self, theta: torch.Tensor, data: Set) -> torch.Tensor:
        return descend(theta, self.loss.gradient(theta, data)[1], self.inner_lr)


def _episodes(config: "Config") -> Episodes:
    task, algorithm = config.task, config.algorithm
    shared = algorithm.batches == "shared"
    return Episodes(algorithm.local_steps, algorithm.inner_steps, task.shots, task.queries, shared)


def _build(config: "Config", loss: Loss) -> MetaLearner:
    algorithm = config.algorithm
    return MetaLearner(loss, algorithm.inner_lr, algorithm.local_lr, algorithm.order, _episodes(config))


def _conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield episodes that take more images than there are, and a Hessian that the precision cannot give."""
    task, order = config.task, config.algorithm.order
    needed = sum(_episodes(config).images_per_class(order))
    available = SHAPES[task.dataset].images_per_class - task.holdout
    if needed > available and has_episodes(task):
        yield (
            (
                "task.shots",
                "task.queries",
                "task.holdout",
                "task.dataset",
                "algorithm.batches",
                "algorithm.inner_steps",
            ),
            f"task.shots: a training episode takes {needed} images of a class ({_recipe(config)}), {task.dataset} has "
            f"{available} left after task.holdout; take fewer shots or queries, or algorithm.batches = shared",
        )
    if config.run.precision == "bfloat16" and order == "hessian_free":
        yield (
            ("run.precision", "algorithm.order"),
            "run.precision: the step δ = 1e-3 of hessian_free is below the resolution of bfloat16; set "
            "algorithm.order = exact or first, or run.precision = float32",
        )


def _recipe(config: "Config") -> str:
    task, algorithm = config.task, config.algorithm
    if algorithm.batches == "shared":
        return f"{task.shots} shots + {task.queries} queries"
    hessian = "" if algorithm.order == "first" else " inner and Hessian"
    return f"ν = {algorithm.inner_steps}{hessian} batches of {task.shots} shots + {task.queries} queries"


KIND = Kind(
    build=_build,
    keys=frozenset({"inner_lr", "inner_steps", "order", "local_steps", "local_lr", "batches"}),
    conflicts=_conflicts,
)
