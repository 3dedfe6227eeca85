"""The server's step: θ and the optimiser's moments in, the estimated mean update Δ̂ in, the next state out.

sgd        θ <- θ − lr·Δ̂                          (lr = 1: plain averaging, P1's step)
momentum   v <- μ·v + Δ̂;  θ <- θ − lr·v            (P3's server optimiser)
adam       on g = Δ̂/η, the meta-gradient when one local step is taken: Kingma, Ba, ICLR 2015, with β = (.9, .999)

A run has one optimiser, or one after the other: moments do not outlive their optimiser, θ does.
"""

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class ServerState:
    """What the server carries from round to round: parameters θ (d,), moments (d,) each, and the steps taken."""

    theta: torch.Tensor
    first_moment: torch.Tensor
    second_moment: torch.Tensor
    steps: int = 0

    @classmethod
    def start(cls, theta: torch.Tensor) -> "ServerState":
        """Return the state before the first round."""
        return cls(theta, torch.zeros_like(theta), torch.zeros_like(theta))


@dataclass(frozen=True)
class ServerOptimizer:
    """The rule of the step.

    Args:
        kind: "sgd", "momentum" or "adam".
        lr: server rate.
        momentum: μ of the momentum rule.
        local_lr: η, by which adam divides Δ̂.
    """

    kind: Literal["sgd", "momentum", "adam"]
    lr: float
    momentum: float
    local_lr: float

    def step(self, state: ServerState, mean_update: torch.Tensor) -> ServerState:
        """Return the state after the estimated mean update Δ̂, shape (d,)."""
        if self.kind == "sgd":
            return replace(state, theta=state.theta - self.lr * mean_update, steps=state.steps + 1)
        if self.kind == "momentum":
            velocity = self.momentum * state.first_moment + mean_update
            return replace(state, theta=state.theta - self.lr * velocity, first_moment=velocity, steps=state.steps + 1)
        return self._adam(state, mean_update / self.local_lr)

    def _adam(self, state: ServerState, gradient: torch.Tensor) -> ServerState:
        steps = state.steps + 1
        first = BETAS[0] * state.first_moment + (1 - BETAS[0]) * gradient
        second = BETAS[1] * state.second_moment + (1 - BETAS[1]) * gradient**2
        unbiased = first / (1 - BETAS[0] ** steps)
        scale = (second / (1 - BETAS[1] ** steps)).sqrt() + EPSILON
        return ServerState(state.theta - self.lr * unbiased / scale, first, second, steps)


class ServerStep(Protocol):
    """What the server does with the estimated mean of what agents have sent."""

    def step(
        self, state: ServerState, mean_update: torch.Tensor | None, round_index: int, error_var: float = 0.0
    ) -> ServerState:
        """Return the state after a round.

        Args:
            state: before it.
            mean_update: estimated mean of the messages; None: the round failed.
            round_index: of the round.
            error_var: variance of the error of an entry of the mean, as the receiver predicts it.
        """
        ...


@dataclass(frozen=True)
class ServerRule:
    """Which optimiser takes the step of a round.

    Args:
        first: the optimiser of the first rounds.
        second: the one of all rounds from `switch` on; None: there is no other one.
        switch: round in which the second begins, with moments of zero.
    """

    first: ServerOptimizer
    second: ServerOptimizer | None = None
    switch: int = 0

    def step(
        self, state: ServerState, mean_update: torch.Tensor | None, round_index: int, error_var: float = 0.0
    ) -> ServerState:
        """Return the state after a round: its mean update Δ̂ has shape (d,), or is None where the round failed.

        An optimiser takes Δ̂ as it is, whatever its error.
        """
        optimizer = self.first
        if self.second is not None and round_index >= self.switch:
            optimizer = self.second
            if round_index == self.switch:
                state = ServerState.start(state.theta)
        return state if mean_update is None else optimizer.step(state, mean_update)


def rule(kind: Literal["sgd", "momentum", "adam"], lr: float, momentum: float, local_lr: float) -> ServerRule:
    """Return the rule of a run with one optimiser; the arguments are those of `ServerOptimizer`."""
    return ServerRule(ServerOptimizer(kind, lr, momentum, local_lr))
