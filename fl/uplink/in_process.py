"""A round between a server and agents in one process, for uplinks without radios."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fl.uplink.base import Array, Delivery, Offer
from fl.uplink.roles import AgentRole, ServerRole


@dataclass(frozen=True)
class InProcessUplink:
    """Both sides of an uplink whose rounds know of no other: each is made anew in every round.

    Args:
        kept_entries: k of top-k.
        n_symbols: M, complex channel uses of a round; None for a link that is not a channel.
        server: makes its side, from an array of the library and device that the sum is wanted in.
        agent: makes the side of an agent.
    """

    kept_entries: int
    n_symbols: int | None
    server: Callable[[Array], ServerRole]
    agent: Callable[[], AgentRole]

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return what the server makes of what the agents send."""
        agents = {agent: self.agent() for agent in offer.agents}
        return exchange(self.server(offer.kept), agents, offer, round_index)

    def state(self) -> dict[str, np.ndarray]:
        """Return nothing: a round knows of no other."""
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Do nothing."""


def exchange(server: ServerRole, agents: Mapping[int, AgentRole], offer: Offer, round_index: int) -> Delivery:
    """Return what a server makes of what agents send, all of whom are there.

    Args:
        server: its side.
        agents: theirs, by id.
        offer: their updates.
        round_index: of the run.
    """
    powers = {
        agent: agents[agent].offer(kept, round_index) for agent, kept in zip(offer.agents, offer.kept, strict=True)
    }
    decision = server.decide(offer.agents, round_index, powers, {})
    carried = {agent: agents[agent].prepare(grant) for agent, grant in decision.grants.items()}
    delivery = server.decode({agent: agents[agent].transmit() for agent in decision.grants})
    return replace(delivery, carried=carried)
