"""The multiple-access channel of uplinks whose symbols add up, whatever a symbol means to them.

    decision   h_i drawn; who sends, with which b_i, from mean|s_i|² as reported (`fl.uplink.grant`)
    air        y = Σ h_i x_i + n over those who have sent (`fl.uplink.channel`)

The first is the server's, the second the air's, which is simulated where the server is.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np

from fl.fading import BlockFading
from fl.uplink.base import Array
from fl.uplink.channel import draw_gains, noise, rows, superpose
from fl.uplink.grant import Grant, PowerControl
from fl.uplink.roles import AgentGrant, TransmitReport


@dataclass(frozen=True)
class MultipleAccess:
    """The channel of a run.

    Args:
        power_control: the rule for who sends, and how strongly.
        fading: law of the channel gains.
        blocks: independent fading blocks in a round.
        seed: of the run.
    """

    power_control: PowerControl
    fading: BlockFading
    blocks: int
    seed: int

    def granted(
        self, agents: tuple[int, ...], symbol_power: np.ndarray, round_index: int, absent: Container[int]
    ) -> "GrantedAccess":
        """Draw the channels of a round, and return them with who sends.

        Args:
            agents: ids.
            symbol_power: mean|s_i|² as reported, shape (n,).
            round_index: of the run.
            absent: agents that are not there: they have no channel.
        """
        gains = draw_gains(self.fading, self.blocks, agents, absent, self.seed, round_index)
        return GrantedAccess(self, agents, round_index, gains, self.power_control.grant(agents, symbol_power, gains))


@dataclass(frozen=True)
class GrantedAccess:
    """The channel in one round, from the decision on.

    Args:
        channel: of the run.
        agents: ids.
        round_index: of the run.
        gains: h_i on each block, complex, shape (n, blocks).
        grant: who sends, and how.
    """

    channel: MultipleAccess
    agents: tuple[int, ...]
    round_index: int
    gains: np.ndarray
    grant: Grant

    def grants(self) -> dict[int, AgentGrant]:
        """Return what those who send are told, by id."""
        grant = self.grant
        return {
            self.agents[row]: AgentGrant(float(grant.sent_fraction[row]), grant.weights[row])
            for row in np.flatnonzero(grant.heard)
        }

    def heard(self, sent: Container[int]) -> np.ndarray:
        """Return who was granted something and has sent, shape (n,)."""
        return self.grant.heard & np.array([agent in sent for agent in self.agents], bool)

    def received(self, sent: Mapping[int, TransmitReport], n_symbols: int, reference: Array) -> Array:
        """Return y, shape (M,).

        Args:
            sent: of those who have, by id, with their x_i.
            n_symbols: M.
            reference: real values of the library, device and precision in which they superpose.
        """
        symbols = rows({agent: one.symbols for agent, one in sent.items()}, self.agents, n_symbols, reference)
        total = superpose(symbols, self.gains)
        return total + noise(total, self.channel.power_control.noise_var, self.channel.seed, self.round_index)
