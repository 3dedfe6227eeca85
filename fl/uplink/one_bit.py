"""One-bit over-the-air aggregation: the air adds signs up, and the server takes the majority.

    agent     s_j = (sgn g_2j + i·sgn g_2j+1)/√2, two entries a channel use (QPSK); an entry of exactly 0 abstains
    agent     x_i = b_i s_i, truncated channel inversion, as on the uplink `symbol`
    air       y = Σ h_i x_i + n
    server    vote = sgn Re y, sgn Im y;   θ <- θ − server.lr·vote

Zhu, Du, Gündüz, Huang, One-Bit Over-the-Air Aggregation for Communication-Efficient Federated Edge Learning, IEEE TWC
2021 (arXiv 2001.05713): QPSK signs, truncated inversion, majority vote, the server's rate as the size of the step. The
paper knows no residual, and neither does this uplink unless `uplink.memory` is set. Our reconstruction: power is held
to P in every round and not on average, so that the weakest agent granted sets the common scale (`fl.uplink.grant`);
where 2M < d, a round is about 2M entries, drawn anew from the run's seed; with memory, the others stay with the agent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from array_api_compat import array_namespace, device

from dsp.sparsify import count
from fl.algorithms.base import Conflict
from fl.streams import Purpose, stream
from fl.uplink.base import Array, Delivery
from fl.uplink.channel import on_symbols
from fl.uplink.codec import mean_power, placed
from fl.uplink.conflicts import fading_conflicts, silence_conflicts
from fl.uplink.multiple_access import GrantedAccess, MultipleAccess
from fl.uplink.off_air import Kind, OffAirAgent, OffAirServer
from fl.uplink.roles import NOBODY, AgentGrant, BeaconReport, Decision, TransmitReport, in_order, powers_of
from fl.uplink.settings import multiple_access, power_control
from fl.uplink.symbol import encode

if TYPE_CHECKING:
    from fl.config import Config


@dataclass(frozen=True)
class Ballot:
    """Which entries a round is about, and how their signs travel.

    Args:
        length: d.
        n_symbols: M, complex channel uses of a round at most.
        seed: of the run.
    """

    length: int
    n_symbols: int
    seed: int

    @property
    def entries(self) -> int:
        """Entries of a round: two of each channel use, or all."""
        return min(2 * self.n_symbols, self.length)

    @property
    def uses(self) -> int:
        """Channel uses that they take."""
        return (self.entries + 1) // 2

    def places(self, round_index: int) -> np.ndarray:
        """Return which entries a round is about, ascending: agents and server draw the same."""
        if self.entries == self.length:
            return np.arange(self.length)
        rng = stream(self.seed, Purpose.SENSING, round_index)
        return np.sort(rng.choice(self.length, self.entries, replace=False))

    def symbols(self, update: Array, round_index: int) -> Array:
        """Return s, complex, shape (uses,), of an update of shape (d,)."""
        xp = array_namespace(update)
        signs = xp.sign(update[self._index(update, round_index)]) / np.sqrt(2)
        if self.entries % 2:
            signs = xp.concat([signs, xp.zeros_like(signs[:1])])
        return signs[0::2] + 1j * signs[1::2]

    def votes(self, received: Array, round_index: int, reference: Array) -> Array:
        """Return the sign of each entry, shape (d,), 0 where the round is not about it."""
        xp = array_namespace(received)
        parts = xp.stack([xp.real(received), xp.imag(received)], axis=-1)
        votes = xp.sign(xp.reshape(parts, (-1,))[: self.entries])
        found = xp.zeros(self.length, dtype=votes.dtype, device=device(received))
        found[self._index(received, round_index)] = votes
        return xp.astype(found, reference.dtype)

    def _index(self, array: Array, round_index: int) -> Array:
        return placed(array, self.places(round_index))


@dataclass
class OneBitAgent(OffAirAgent):
    """An agent's side.

    Args:
        ballot: of the run.
        oracle: whether its reports carry what only a simulation may ask for.
    """

    ballot: Ballot
    oracle: bool = False
    kept_entries: int = field(init=False)
    _kept: Array = field(default=None, init=False)
    _round: int = field(default=0, init=False)
    _symbols: Array = field(default=None, init=False)
    _sent: Array = field(default=None, init=False)
    _fraction: float = field(default=1.0, init=False)

    def __post_init__(self) -> None:
        self.kept_entries = self.ballot.length  # every entry has a sign

    def offer(self, kept: Array, round_index: int) -> float:
        """Take the update of a round; return mean|s_i|² of its symbols, 1 but for entries that abstain."""
        self._kept, self._round, self._symbols = kept, round_index, self.ballot.symbols(kept, round_index)
        return float(mean_power(self._symbols))

    def prepare(self, grant: AgentGrant) -> Array:
        """Weigh the signs as granted; return the entries that are voted on, whatever their size."""
        self._sent, self._fraction = encode(self._symbols, grant)
        silent = on_symbols(np.asarray(grant.weights) == 0, self.ballot.uses)
        sent = np.repeat(np.broadcast_to(~silent, self.ballot.uses), 2)[: self.ballot.entries]
        carried = array_namespace(self._kept).zeros_like(self._kept)
        index = placed(self._kept, self.ballot.places(self._round)[sent])
        carried[index] = self._kept[index]
        return carried

    def transmit(self) -> TransmitReport:
        """Return x_i."""
        return TransmitReport(
            self._fraction,
            power=float(mean_power(self._sent)),
            symbols=self._sent,
            oracle_kept=self._kept if self.oracle else None,
        )


@dataclass
class OneBitServer(OffAirServer):
    """The server's side, and the air.

    Args:
        ballot: of the run.
        channel: of the run.
        reference: real values of the library, device and precision in which the vote is wanted.
    """

    carries: ClassVar[str | None] = "symbols"
    ballot: Ballot
    channel: MultipleAccess
    reference: Array = field(default_factory=lambda: torch.zeros(1))
    _access: GrantedAccess | None = field(default=None, init=False)

    def decide(
        self,
        agents: tuple[int, ...],
        round_index: int,
        symbol_power: Mapping[int, float],
        reports: Mapping[int, BeaconReport],
        absent: Mapping[int, str] = NOBODY,
    ) -> Decision:
        """Draw the channels of a round, and return who votes; who is absent has none."""
        power = np.array([float(symbol_power.get(agent, 0.0) > 0) for agent in agents])  # of a full ballot: |s|² = 1
        access = self._access = self.channel.granted(agents, power, round_index, absent)
        self.agents, self.excluded = agents, access.grant.excluded | dict(absent)
        return Decision(access.grants(), in_order(agents, self.excluded))

    def decode(self, sent: Mapping[int, TransmitReport], absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Superpose what was sent, and return the majority of each entry, times the number of agents heard."""
        if self._access is None:
            raise RuntimeError("a round is decoded after its decision, and there was none")
        access, uses = self._access, self.ballot.uses
        heard, excluded = access.heard(sent), in_order(self.agents, self.excluded | dict(absent))
        if not heard.any():
            return Delivery(None, heard, excluded, uses, uses)
        received = access.received(sent, uses, self.reference)
        votes = self.ballot.votes(received, access.round_index, self.reference)
        return Delivery(
            total=float(heard.sum()) * votes,  # so that the mean over the agents heard is the vote
            heard=heard,
            excluded=excluded,
            channel_uses=uses,
            channel_uses_total=uses,
            common_scale=access.grant.common_scale,
            transmit_power=powers_of(self.agents, heard, sent),
            diagnostics={"entries": self.ballot.entries, "oracle_wrong_votes": self._wrong(votes, sent)},
            is_estimate=False,
            table="one_bit",
        )

    def _wrong(self, votes: Array, sent: Mapping[int, TransmitReport]) -> float | None:
        """Return the fraction of decided entries whose vote was not the majority's; None if only a simulation knows."""
        if any(one.oracle_kept is None for one in sent.values()):
            return None
        xp = array_namespace(votes)
        signs = xp.stack([xp.sign(placed(votes, one.oracle_kept)) for one in sent.values()]).sum(0)
        decided = (signs != 0) & (votes != 0)
        return float(((xp.sign(signs) != votes) & decided).sum()) / max(int(decided.sum()), 1)


def _ballot(config: "Config", length: int) -> Ballot:
    return Ballot(length, count(config.uplink.measurements, length), config.seed)


def _server(config: "Config", length: int, reference: Array) -> OneBitServer:
    return OneBitServer(_ballot(config, length), multiple_access(config, power_control(config)), reference)


def _agent(config: "Config", length: int, oracle: bool) -> OneBitAgent:
    return OneBitAgent(_ballot(config, length), oracle)


def _conflicts(config: "Config") -> Iterator[Conflict]:
    yield from fading_conflicts(config)
    yield from silence_conflicts(config)
    if config.uplink.power_rule != "inversion":
        yield (
            ("uplink.power_rule", "uplink.kind"),
            f"uplink.power_rule: votes of one_bit count alike only under inversion, got {config.uplink.power_rule}; "
            "leave it out",
        )
    if config.algorithm.weighting != "uniform":
        yield (
            ("algorithm.weighting", "uplink.kind"),
            f"algorithm.weighting: one_bit gives every agent one vote, got {config.algorithm.weighting}; set uniform",
        )
    if config.server.lr >= 0.1:
        yield (
            ("server.lr", "uplink.kind"),
            "server.lr: a vote of one_bit moves every parameter by the rate each round, so it must be below 0.1, got "
            f"{config.server.lr}; try 0.001",
        )


KIND = Kind(_server, _agent, lambda config, length: _ballot(config, length).uses, _conflicts)
