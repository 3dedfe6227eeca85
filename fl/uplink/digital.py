"""The digital baseline: orthogonal access, every agent at the capacity of its own channel.

    server    knows h_i (sounding, taken as perfect here); each of n agents has u = ⌊M/n⌋ of the M complex uses, for

                  C_i = ⌊u · mean_b log2(1 + (M/u)·SNR·|h_ib|²)⌋ bits     limit = energy: M·P a round, as analog agents
                  C_i = ⌊u · mean_b log2(1 + SNR·|h_ib|²)⌋ bits           limit = peak: P in each of its uses

    agent     sends as many of its largest entries as fit into C_i (`dsp.sparse_coding`), k of top-k at most; the rest,
              and what quantisation took, stays in its residual
    server    adds up what arrives: a code at capacity is free of errors

Orthogonal access is the open question of Air-meta-pFL (Wen, Xing, Simeone, arXiv 2406.11569); M/u is n where n divides
M. Our reconstruction: capacity is reached in blocks of this length, an agent's uses lie evenly over the fading blocks b
and share its energy evenly, and the uses of agents in outage, whose C_i holds no entry, do not go to others. All but
the last favours the baseline.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from array_api_compat import array_namespace, to_device

from dsp.metrics import from_db
from dsp.sparse_coding import SparseCode, encode, fewest_bits
from dsp.sparsify import count
from fl.algorithms.base import Conflict
from fl.dimension import message_length
from fl.fading import BlockFading
from fl.uplink.base import Array, Delivery
from fl.uplink.channel import draw_gains
from fl.uplink.codec import placed
from fl.uplink.conflicts import expected_agents, fading_conflicts, fixed_conflicts
from fl.uplink.off_air import Kind, OffAirAgent, OffAirServer
from fl.uplink.roles import NOBODY, AgentGrant, BeaconReport, Decision, IncompleteError, TransmitReport, in_order
from fl.uplink.settings import fading_law, kept_entries

if TYPE_CHECKING:
    from fl.config import Config

Limit = Literal["energy", "peak"]


@dataclass(frozen=True)
class Access:
    """What the agents of a round share.

    Args:
        n_symbols: M, complex channel uses of a round.
        snr: P/σ² at E|h|² = 1.
        limit: "energy" or "peak".
    """

    n_symbols: int
    snr: float
    limit: Limit

    def uses(self, n_agents: int) -> int:
        """Return u, the channel uses of each of n agents."""
        return self.n_symbols // n_agents

    def power(self, n_agents: int) -> float:
        """Return the power of an agent in its own uses, over P."""
        return self.n_symbols / self.uses(n_agents) if self.limit == "energy" else 1.0

    def capacity(self, gains: np.ndarray, n_agents: int) -> np.ndarray:
        """Return C_i in bits of each agent, shape (n,), from h_i on each block, shape (n, blocks)."""
        if self.uses(n_agents) == 0:
            return np.zeros(len(gains), np.int64)
        rate = np.log2(1 + self.power(n_agents) * self.snr * np.abs(gains) ** 2).mean(-1)
        return np.floor(self.uses(n_agents) * rate).astype(np.int64)


@dataclass
class DigitalAgent(OffAirAgent):
    """An agent's side.

    Args:
        kept_entries: k of top-k, entries that are sent at most.
        oracle: whether its reports carry what only a simulation may ask for.
    """

    kept_entries: int
    oracle: bool = False
    _kept: Array = field(default=None, init=False)
    _code: SparseCode | None = field(default=None, init=False)

    def offer(self, kept: Array, round_index: int) -> float:
        """Take the update of a round; return mean|s_i|², which for codewords does not depend on it."""
        self._kept = kept
        return 1.0

    def prepare(self, grant: AgentGrant) -> Array:
        """Code what fits into the bits granted; return what the server will read.

        Raises:
            IncompleteError: the grant is one without bits.
        """
        if grant.bits is None:
            raise IncompleteError("a grant of the digital uplink must have a number of bits, got none")
        self._code = encode(np.asarray(to_device(self._kept, "cpu")), grant.bits)
        return self._carried(self._code)

    def transmit(self) -> TransmitReport:
        """Return the decoded payload."""
        if self._code is None:
            raise RuntimeError("a payload is sent after it was prepared, and none was")
        carried, kept = self._carried(self._code), self._kept if self.oracle else None
        return TransmitReport(1.0, update=carried, oracle_kept=kept, bits=self._code.bits)

    def _carried(self, code: SparseCode) -> Array:
        return array_namespace(self._kept).astype(placed(self._kept, code.values), self._kept.dtype)


@dataclass
class DigitalServer(OffAirServer):
    """The server's side, and the air.

    Args:
        access: what the agents of a round share.
        length: d.
        fading: law of the channel gains.
        blocks: independent fading blocks in a round.
        seed: of the run.
        reference: an array of the library and device on which the sum is wanted.
    """

    access: Access
    length: int
    fading: BlockFading
    blocks: int
    seed: int
    reference: Array = field(default_factory=lambda: torch.zeros(1))
    _bits: dict[int, int] = field(default_factory=dict, init=False)
    _sharing: int = field(default=1, init=False)

    def decide(
        self,
        agents: tuple[int, ...],
        round_index: int,
        symbol_power: Mapping[int, float],
        reports: Mapping[int, BeaconReport],
        absent: Mapping[int, str] = NOBODY,
    ) -> Decision:
        """Draw the channels of a round, and return who may send how much; who is absent takes no uses."""
        self.agents, self.excluded = agents, dict(absent)
        gains = draw_gains(self.fading, self.blocks, agents, absent, self.seed, round_index)
        self._sharing = max(len(agents) - len(absent), 1)
        capacity, fewest = self.access.capacity(gains, self._sharing), fewest_bits(self.length)
        self._bits = {}
        for agent, bits in zip(agents, capacity.tolist(), strict=True):
            if agent not in absent and bits < fewest:
                self.excluded[agent] = f"outage: room for {bits} bits, one entry takes {fewest}"
            elif agent not in absent:
                self._bits[agent] = bits
        grants = {agent: AgentGrant(1.0, bits=bits) for agent, bits in self._bits.items()}
        return Decision(grants, in_order(agents, self.excluded))

    def decode(self, sent: Mapping[int, TransmitReport], absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Return the sum of what was decoded."""
        heard = np.array([agent in sent for agent in self.agents])
        there = [agent for agent in self.agents if agent in sent]
        updates = [placed(self.reference, sent[agent].update) for agent in there]
        uses = self.access.uses(self._sharing)
        share = uses / self.access.n_symbols * self.access.power(self._sharing) if uses else 0.0
        return Delivery(
            total=array_namespace(self.reference).stack(updates).sum(0) if updates else None,
            heard=heard,
            excluded=in_order(self.agents, self.excluded | dict(absent)),
            channel_uses=uses * self._sharing,
            channel_uses_total=uses * self._sharing,
            transmit_power=dict.fromkeys(there, share),
            diagnostics={
                "capacity_bits": {agent: self._bits[agent] for agent in there},
                "bits": {agent: sent[agent].bits for agent in there},
                "entries": {agent: int((placed(self.reference, sent[agent].update) != 0).sum()) for agent in there},
            },
            table="digital",
        )


def _access(config: "Config", length: int) -> Access:
    uplink = config.uplink
    return Access(count(uplink.measurements, length), from_db(uplink.snr_db), uplink.digital.limit)


def _server(config: "Config", length: int, reference: Array) -> DigitalServer:
    blocks = config.uplink.fading.blocks
    return DigitalServer(_access(config, length), length, fading_law(config), blocks, config.seed, reference)


def _agent(config: "Config", length: int, oracle: bool) -> DigitalAgent:
    return DigitalAgent(kept_entries(config, length), oracle)


def _conflicts(config: "Config") -> Iterator[Conflict]:
    yield from fading_conflicts(config)
    yield from fixed_conflicts(config, ("power_rule", "min_gain"), "agents of digital do not add up in the air")
    length = message_length(config)
    access, n_agents = _access(config, length), config.agents.scheduled
    uses, fewest = access.uses(n_agents), fewest_bits(length)
    if uses == 0 or fewest / uses > 1000:
        gain = np.inf
    else:
        gain = (2 ** (fewest / uses) - 1) / (access.power(n_agents) * access.snr)
    if expected_agents(config, gain) < 1:
        yield (
            ("uplink.measurements", "uplink.snr_db", "agents.per_round", "agents.count", "uplink.fading.kind"),
            f"uplink.measurements: {uses} channel uses of each of {n_agents} agents hold one entry ({fewest} bits) of "
            "less than one agent in an average round; raise it or uplink.snr_db, or lower agents.per_round",
        )


KIND = Kind(_server, _agent, lambda config, length: _access(config, length).n_symbols, _conflicts)
