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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from fl.gradients import Loss, Set, side_by_side

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
class MetaLearner:
    """The local work of an agent.

    Args:
        loss: f.
        inner_lr: α.
        local_lr: η.
        order: how H·g is computed.
    """

    loss: Loss
    inner_lr: float
    local_lr: float
    order: Order

    def local_update(self, theta: torch.Tensor, steps: Sequence[OuterStep]) -> tuple[torch.Tensor, float]:
        """Return Δ = θ − w after Q = len(steps) outer steps, shape (d,), and f(u_ν; D_out) of the first of them."""
        point, first_loss = theta, float("nan")
        for number, step in enumerate(steps):
            value, gradient = self.meta_gradient(point, step)
            point = point - self.local_lr * gradient
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
        return theta - self.inner_lr * self.loss.gradient(theta, data)[1]
