"""The error-free baseline: the server is handed the exact sum. No agent is left out, nothing is a channel use."""

from dataclasses import dataclass

import numpy as np

from fl.uplink.base import Delivery, Offer


@dataclass(frozen=True)
class IdealUplink:
    """Error-free links.

    Args:
        kept_entries: k; d sends the whole update.
    """

    kept_entries: int

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return the exact sum of what was offered; the round makes no difference."""
        n_agents = len(offer.agents)
        return Delivery(offer.kept.sum(0), np.ones(n_agents, bool), np.ones(n_agents))

    def state(self) -> dict[str, np.ndarray]:
        """Return nothing: a round knows of no other."""
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Do nothing."""
