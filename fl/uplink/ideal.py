"""The error-free baseline: the server is handed the exact sum. No agent is left out, nothing is a channel use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from array_api_compat import array_namespace

from fl.uplink.base import Array, Delivery
from fl.uplink.codec import placed
from fl.uplink.off_air import Kind, OffAirAgent, OffAirServer
from fl.uplink.roles import NOBODY, AgentGrant, BeaconReport, Decision, TransmitReport, in_order
from fl.uplink.settings import kept_entries

if TYPE_CHECKING:
    from fl.config import Config


@dataclass
class IdealAgent(OffAirAgent):
    """An agent's side: the update goes by wire.

    Args:
        kept_entries: k; d sends the whole update.
    """

    kept_entries: int
    _kept: Array = field(default=None, init=False)

    def offer(self, kept: Array, round_index: int) -> float:
        """Take the update of a round; return the power of a symbol, of which there are none."""
        self._kept = kept
        return 0.0

    def prepare(self, grant: AgentGrant) -> Array:
        """Return the update: all of it is sent."""
        return self._kept

    def transmit(self) -> TransmitReport:
        """Return the update."""
        return TransmitReport(1.0, update=self._kept)


@dataclass
class IdealServer(OffAirServer):
    """The server's side.

    Args:
        reference: an array of the library and device on which the sum is wanted.
    """

    reference: Array = field(default_factory=lambda: torch.zeros(1))

    def decide(
        self,
        agents: tuple[int, ...],
        round_index: int,
        symbol_power: Mapping[int, float],
        reports: Mapping[int, BeaconReport],
        absent: Mapping[int, str] = NOBODY,
    ) -> Decision:
        """Let everybody send who is there."""
        self.agents, self.excluded = agents, dict(absent)
        return Decision({agent: AgentGrant(1.0) for agent in agents if agent not in absent}, dict(absent))

    def decode(self, sent: Mapping[int, TransmitReport], absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Return the exact sum of what was sent."""
        heard = np.array([agent in sent for agent in self.agents])
        excluded = in_order(self.agents, self.excluded | dict(absent))
        updates = [placed(self.reference, sent[agent].update) for agent in self.agents if agent in sent]
        total = array_namespace(self.reference).stack(updates).sum(0) if updates else None
        return Delivery(total, heard, excluded)


def _server(config: "Config", length: int, reference: Array) -> IdealServer:
    return IdealServer(reference)


def _agent(config: "Config", length: int, oracle: bool) -> IdealAgent:
    return IdealAgent(kept_entries(config, length) if config.uplink.ideal_top_k else length)


KIND = Kind(_server, _agent, lambda config, length: None)
