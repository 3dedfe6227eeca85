"""The papers' multiple-access channel, symbol by symbol: y = Σ h_i x_i + n.

    agent     s_i = A g_i;  reports mean|s_i|²
    server    knows h_i (sounding, taken as perfect here), decides who sends, grants the common scale ρ
    agent     x_i = b_i s_i, scaled down if its exact energy would exceed P
    air       y = Σ h_i x_i + n, n ~ CN(0, σ²) per symbol
    server    y/√ρ = Σ s_i + error  ->  OAMP or LMMSE  ->  estimate of Σ g_i

Units: P = 1, so σ² = 1/SNR per complex symbol. The channel is constant over each of `blocks` parts of the payload.
"""

from dataclasses import dataclass

import numpy as np

from dsp.metrics import db, nmse_db
from fl.fading import BlockFading
from fl.streams import Purpose, stream
from fl.uplink.base import Array, Delivery, Offer
from fl.uplink.codec import Codec, like, mean_power, real_like
from fl.uplink.grant import Grant, PowerControl


@dataclass(frozen=True)
class SymbolUplink:
    """Analog transmission over a simulated multiple-access channel.

    Args:
        codec: from updates to symbols and back.
        kept_entries: k of top-k.
        power_control: the server's rule for who sends, and how strongly.
        fading: law of the channel gains.
        blocks: independent fading blocks in a round.
    """

    codec: Codec
    kept_entries: int
    power_control: PowerControl
    fading: BlockFading
    blocks: int

    @property
    def n_symbols(self) -> int:
        """M, complex channel uses of a round."""
        return self.codec.n_symbols

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return what the server recovers from the superposed symbols of this round."""
        symbols = self.codec.sensing_of(round_index).forward(offer.kept)
        gains = self._gains(len(offer.agents), round_index)
        grant = self.power_control.grant(offer.agents, mean_power(symbols), gains)
        if not grant.heard.any():
            return Delivery(None, grant.heard, grant.sent_fraction, grant.excluded, self.n_symbols, self.n_symbols)
        sent, fraction = encode(symbols, grant)
        received = superpose(sent, gains) + self._noise(symbols, round_index)
        scaled, noise_var = normalise(received, grant)
        recovery = self.codec.recover(scaled, noise_var, round_index)
        powers = mean_power(sent)
        wanted = _rows(symbols, fraction * grant.heard) * symbols
        return Delivery(
            total=recovery.estimate,
            heard=grant.heard,
            sent_fraction=fraction,
            excluded=grant.excluded,
            channel_uses=self.n_symbols,
            channel_uses_total=self.n_symbols,
            common_scale=grant.common_scale,
            receive_snr_db=self._receive_snr_db(received),
            transmit_power={offer.agents[i]: float(powers[i]) for i in np.flatnonzero(grant.heard)},
            predicted_nmse_db=float(db(float(recovery.predicted_nmse))),
            oracle_symbol_nmse_db=float(nmse_db(scaled, wanted.sum(0))),
        )

    def state(self) -> dict[str, np.ndarray]:
        """Return nothing: a round knows of no other."""
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Do nothing."""

    def _gains(self, n_agents: int, round_index: int) -> np.ndarray:
        return self.fading.draw((n_agents, self.blocks), stream(self.codec.seed, Purpose.FADING, round_index))

    def _noise(self, symbols: Array, round_index: int) -> Array:
        rng = stream(self.codec.seed, Purpose.NOISE, round_index)
        pairs = rng.standard_normal((self.n_symbols, 2)) * np.sqrt(self.power_control.noise_var / 2)
        return like(symbols, pairs[:, 0] + 1j * pairs[:, 1])

    def _receive_snr_db(self, received: Array) -> float:
        noise_var = self.power_control.noise_var
        return float(db(max(float(mean_power(received)) - noise_var, 0.0) / noise_var))


def encode(symbols: Array, grant: Grant) -> tuple[Array, np.ndarray]:
    """Return what the agents send, x_i = c_i·b_i∘s_i, shape (n, M), and c_i <= 1, shape (n,).

    c_i scales an outlier down as granted, and further, never up, if the exact energy would exceed P: b_i was granted
    on the mean of |s_i|² over the round, and an agent knows its own symbols block by block.
    """
    fraction = grant.sent_fraction
    weighted = _spread(symbols, grant.weights * fraction[:, None]) * symbols
    excess = np.maximum(1.0, np.sqrt(mean_power(weighted)))
    return weighted * _rows(symbols, 1 / excess), fraction / excess


def superpose(sent: Array, gains: np.ndarray) -> Array:
    """Return Σ_i h_i x_i, shape (M,): what the air does."""
    return (_spread(sent, gains) * sent).sum(0)


def normalise(received: Array, grant: Grant) -> tuple[Array, Array]:
    """Return y/√ρ and the variance of its error, shapes (M,) and (1,) or (M,)."""
    scaled = received * _spread(received, 1 / grant.amplitude.astype(complex))
    return scaled, real_like(received, _on_symbols(grant.noise_var, received.shape[-1]))


def _on_symbols(blocks: np.ndarray, n_symbols: int) -> np.ndarray:
    """Return values on blocks, shape (..., blocks), on every symbol, shape (..., M); one block broadcasts as it is."""
    n_blocks = blocks.shape[-1]
    return blocks if n_blocks == 1 else blocks[..., np.arange(n_symbols) * n_blocks // n_symbols]


def _spread(symbols: Array, blocks: np.ndarray) -> Array:
    return like(symbols, _on_symbols(blocks, symbols.shape[-1]))


def _rows(symbols: Array, values: np.ndarray) -> Array:
    return like(symbols, values.astype(complex)[:, None])
