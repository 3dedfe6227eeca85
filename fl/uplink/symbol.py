"""The papers' multiple-access channel, symbol by symbol: y = Σ h_i x_i + n (`fl.uplink.multiple_access`).

    agent     s_i = A g_i;  reports mean|s_i|²
    server    knows h_i (sounding, taken as perfect here), decides who sends, grants the common scale ρ
    agent     x_i = b_i s_i, scaled down if its exact energy would exceed P
    air       y = Σ h_i x_i + n, n ~ CN(0, σ²) per symbol
    server    y/√ρ = Σ s_i + error  ->  OAMP, LMMSE or AMP  ->  estimate of Σ g_i

With A Gaussian and AMP as the receiver this is A-DSGD (Amiri, Gündüz, IEEE TSP 2020, arXiv 1901.00844), with the power
control of the others in the place of its own: our reconstruction.

The server's side draws gains and noise: it is the air as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from dsp.metrics import db, nmse_db
from fl.algorithms.base import Conflict
from fl.uplink.base import Array, Delivery
from fl.uplink.channel import on_symbols, rows, spread
from fl.uplink.codec import Codec, like, mean_power, placed, real_like
from fl.uplink.conflicts import analog_conflicts, fading_conflicts, phase_conflicts, silence_conflicts
from fl.uplink.grant import Grant
from fl.uplink.multiple_access import GrantedAccess, MultipleAccess
from fl.uplink.off_air import Kind, OffAirAgent, OffAirServer
from fl.uplink.roles import (
    NOBODY,
    AgentGrant,
    BeaconReport,
    Decision,
    IncompleteError,
    TransmitReport,
    in_order,
    powers_of,
)
from fl.uplink.settings import codec, kept_entries, multiple_access, power_control

if TYPE_CHECKING:
    from fl.config import Config


@dataclass
class SymbolAgent(OffAirAgent):
    """An agent's side.

    Args:
        codec: from updates to symbols.
        kept_entries: k of top-k.
        oracle: whether its reports carry what only a simulation may ask for.
    """

    codec: Codec
    kept_entries: int
    oracle: bool = False
    _round: int = field(default=0, init=False)
    _kept: Array = field(default=None, init=False)
    _symbols: Array = field(default=None, init=False)
    _sent: Array = field(default=None, init=False)
    _fraction: float = field(default=1.0, init=False)

    def offer(self, kept: Array, round_index: int) -> float:
        """Take the update of a round; return mean|s_i|² of its symbols."""
        self._kept, self._round = kept, round_index
        self._symbols = self.codec.sensing_of(round_index).forward(kept)
        return float(mean_power(self._symbols))

    def prepare(self, grant: AgentGrant) -> Array:
        """Weigh the symbols as granted; return what they carry of g_i."""
        self._sent, self._fraction = encode(self._symbols, grant)
        return self.codec.carried(self._kept, self._sent, self._fraction, self._round)

    def transmit(self) -> TransmitReport:
        """Return x_i."""
        return TransmitReport(
            self._fraction,
            power=float(mean_power(self._sent)),
            symbols=self._sent,
            oracle_kept=self._kept if self.oracle else None,
        )


@dataclass
class SymbolServer(OffAirServer):
    """The server's side, and the air.

    Args:
        codec: from symbols to the sum of updates.
        channel: of the run.
        reference: real values of the library, device and precision in which the sum is recovered.
    """

    carries: ClassVar[str | None] = "symbols"
    codec: Codec
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
        """Draw the channels of a round, and return who sends; who is absent has none."""
        power = np.array([symbol_power.get(agent, 0.0) for agent in agents])
        access = self._access = self.channel.granted(agents, power, round_index, absent)
        self.agents, self.excluded = agents, access.grant.excluded | dict(absent)
        return Decision(access.grants(), in_order(agents, self.excluded))

    def decode(self, sent: Mapping[int, TransmitReport], absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Superpose what was sent, and return the estimate of its sum."""
        if self._access is None:
            raise RuntimeError("a round is decoded after its decision, and there was none")
        access, n_symbols = self._access, self.codec.n_symbols
        heard, excluded = access.heard(sent), in_order(self.agents, self.excluded | dict(absent))
        if not heard.any():
            return Delivery(None, heard, excluded, n_symbols, n_symbols)
        received = access.received(sent, n_symbols, self.reference)
        symbols, noise_var = normalise(received, access.grant)
        recovery = self.codec.recover(symbols, noise_var, access.round_index)
        return Delivery(
            total=recovery.estimate,
            heard=heard,
            excluded=excluded,
            channel_uses=n_symbols,
            channel_uses_total=n_symbols,
            common_scale=access.grant.common_scale,
            receive_snr_db=self._receive_snr_db(received),
            transmit_power=powers_of(self.agents, heard, sent),
            predicted_nmse_db=float(db(float(recovery.predicted_nmse))),
            oracle_symbol_nmse_db=self._oracle_nmse_db(symbols, access, sent),
        )

    def _receive_snr_db(self, received: Array) -> float:
        noise_var = self.channel.power_control.noise_var
        return float(db(max(float(mean_power(received)) - noise_var, 0.0) / noise_var))

    def _oracle_nmse_db(
        self, received: Array, access: GrantedAccess, sent: Mapping[int, TransmitReport]
    ) -> float | None:
        """Return the error of the received symbols; None unless all who sent say what only a simulation may ask for."""
        if any(one.oracle_kept is None for one in sent.values()):
            return None
        sensing = self.codec.sensing_of(access.round_index)
        offered = {agent: sensing.forward(placed(self.reference, one.oracle_kept)) for agent, one in sent.items()}
        symbols = rows(offered, self.agents, self.codec.n_symbols, self.reference)
        fraction = np.array([sent[agent].fraction if agent in sent else 0.0 for agent in self.agents])
        shares = (fraction * access.heard(sent)).astype(complex)
        return float(nmse_db(received, (like(symbols, shares[:, None]) * symbols).sum(0)))


def encode(symbols: Array, grant: AgentGrant) -> tuple[Array, float]:
    """Return what an agent sends, x_i = c_i·b_i∘s_i, shape (M,), and c_i <= 1.

    c_i scales an outlier down as granted, and further, never up, if the exact energy would exceed P: b_i was granted
    on the mean of |s_i|² over the round, and an agent knows its own symbols block by block.

    Raises:
        IncompleteError: the grant is one without weights.
    """
    if grant.weights is None:
        raise IncompleteError("a grant of symbols must have a weight for each block, got none")
    weighted = spread(symbols, grant.weights * grant.fraction) * symbols
    excess = max(1.0, float(np.sqrt(mean_power(weighted))))
    return weighted * like(symbols, np.array(1 / excess, complex)), grant.fraction / excess


def normalise(received: Array, grant: Grant) -> tuple[Array, Array]:
    """Return y/√ρ and the variance of its error, shapes (M,) and (1,) or (M,)."""
    symbols = received * spread(received, 1 / grant.amplitude.astype(complex))
    return symbols, real_like(received, on_symbols(grant.noise_var, received.shape[-1]))


def _server(config: "Config", length: int, reference: Array) -> SymbolServer:
    return SymbolServer(codec(config, length), multiple_access(config, power_control(config)), reference)


def _agent(config: "Config", length: int, oracle: bool) -> SymbolAgent:
    return SymbolAgent(codec(config, length), kept_entries(config, length), oracle)


def _conflicts(config: "Config") -> Iterator[Conflict]:
    yield from analog_conflicts(config)
    yield from fading_conflicts(config)
    yield from phase_conflicts(config)
    yield from silence_conflicts(config)


KIND = Kind(_server, _agent, lambda config, length: codec(config, length).n_symbols, _conflicts)
