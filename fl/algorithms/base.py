"""The seam of the algorithms: what an agent draws, computes and personalises, and what a configuration may say of it.

    draw             data of one agent in one round               (episodes, mini-batches, ...)
    local_updates    Δ_i of several agents side by side           -> error feedback, uplink, server's step
    personalise      θ to an agent's own model on its support set -> evaluation

An algorithm never sees an uplink: whatever sends one vector a round, of a length that it says itself and that stays,
runs over all of them. Most send d entries; what they send is Δ then, below it is called so whatever it is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from fl.data.local import LocalData
from fl.gradients import Loss, Set
from fl.server import ServerRule, ServerStep, rule

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]
"""The keys involved, and what is wrong and what to do."""


class Algorithm(Protocol):
    """The work of the agents of an experiment; nothing in it changes from round to round."""

    @property
    def loss(self) -> Loss:
        """f, by which models are judged."""
        ...

    @property
    def sends(self) -> bool:
        """Whether agents send anything at all."""
        ...

    def draw(self, data: LocalData, round_index: int, rng: np.random.Generator) -> Any:
        """Return what one agent works on in a round, as `local_updates` takes it."""
        ...

    def local_updates(
        self, theta: torch.Tensor, agents: Sequence[Any], threads: int
    ) -> tuple[torch.Tensor, list[float]]:
        """Return Δ = θ − θ_i of several agents, shape (n, d), and their training losses.

        Args:
            theta: broadcast parameters, shape (d,).
            agents: what each of them drew.
            threads: cores; an agent's update depends neither on them nor on other agents.
        """
        ...

    def personalise(self, theta: torch.Tensor, support: Set, steps: int) -> list[torch.Tensor]:
        """Return the parameters of an agent's own model after 0..steps steps on its support set, each of shape (d,)."""
        ...


def no_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield nothing: an algorithm that runs whatever the rest of the configuration says."""
    return iter(())


def as_many(config: "Config", parameters: int) -> int:
    """Return d: a message has an entry for each parameter."""
    return parameters


def as_drawn(config: "Config", theta: torch.Tensor) -> torch.Tensor:
    """Return θ of the model as it was drawn, shape (d,)."""
    return theta


def of_anybody(config: "Config", learner: Any, counts: np.ndarray) -> Any:
    """Return the learner: who takes part makes no difference to it."""
    return learner


def server_of_table(config: "Config") -> ServerRule:
    """Return the server's step as the table `server` describes it."""
    server = config.server
    return rule(server.optimizer, server.lr, server.momentum, config.algorithm.local_lr)


@dataclass(frozen=True)
class Kind:
    """An algorithm by name: one entry of `fl.algorithms.table`.

    Args:
        build: makes it from a configuration and the loss.
        keys: of the table `algorithm`, which it uses; any other one has to keep its default.
        conflicts: what contradicts it in a configuration.
        server: the server's step.
        message_length: entries of what an agent sends in a round, from those of the model, d.
        first: θ before the first round, from that of the model as it was drawn.
        settle: the learner for a population, from the samples of each class that its agents train on, shape (agents,
            classes); raises ConfigError where it cannot learn from them.
        in_double: whether θ and messages are float64, which those of a testbed are not.
    """

    build: Callable[["Config", Loss], Algorithm]
    keys: frozenset[str]
    conflicts: Callable[["Config"], Iterator[Conflict]] = no_conflicts
    server: Callable[["Config"], ServerStep] = server_of_table
    message_length: Callable[["Config", int], int] = as_many
    first: Callable[["Config", torch.Tensor], torch.Tensor] = as_drawn
    settle: Callable[["Config", Any, np.ndarray], Any] = of_anybody
    in_double: bool = False
