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
from array_api_compat import array_namespace, device

from dsp import lmmse, oamp
from dsp.metrics import db, energy, nmse_db
from dsp.sensing import Identity, PartialDFT, RandomRows, Sensing
from fl.fading import BlockFading
from fl.streams import Purpose, sequence, stream
from fl.uplink.base import Array, Delivery, Offer
from fl.uplink.grant import Grant, PowerControl


@dataclass(frozen=True)
class SymbolUplink:
    """Analog transmission over a simulated multiple-access channel.

    Args:
        length: d, entries of an update.
        kept_entries: k of top-k.
        n_symbols: M, complex channel uses of a round.
        sensing: "partial_dft", "random_rows" or "identity".
        power_control: the server's rule for who sends, and how strongly.
        fading: law of the channel gains.
        blocks: independent fading blocks in a round.
        receiver: "oamp" or "lmmse".
        prior: prior of OAMP, by name.
        seed: of the run; each round draws its own sensing operator, channel and noise.
    """

    length: int
    kept_entries: int
    n_symbols: int
    sensing: str
    power_control: PowerControl
    fading: BlockFading
    blocks: int
    receiver: str
    prior: oamp.PriorName
    seed: int

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return what the server recovers from the superposed symbols of this round."""
        sensing = self.sensing_of(round_index)
        symbols = sensing.forward(offer.kept)
        gains = self._gains(len(offer.agents), round_index)
        grant = self.power_control.grant(offer.agents, _mean_power(symbols), gains)
        if not grant.heard.any():
            return Delivery(None, grant.heard, grant.sent_fraction, grant.excluded, self.n_symbols, self.n_symbols)
        sent, fraction = encode(symbols, grant)
        received = superpose(sent, gains) + self._noise(symbols, round_index)
        scaled, noise_var = normalise(received, grant)
        recovery = self._recover(scaled, sensing, noise_var)
        powers = _mean_power(sent)
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

    def sensing_of(self, round_index: int) -> Sensing:
        """Return the operator A of a round, drawn from the run's seed: agents and server make the same."""
        if self.sensing == "identity":
            return Identity(self.length)
        kind = PartialDFT if self.sensing == "partial_dft" else RandomRows
        return kind(self.length, self.n_symbols, sequence(self.seed, Purpose.SENSING, round_index))

    def _gains(self, n_agents: int, round_index: int) -> np.ndarray:
        return self.fading.draw((n_agents, self.blocks), stream(self.seed, Purpose.FADING, round_index))

    def _noise(self, like: Array, round_index: int) -> Array:
        rng = stream(self.seed, Purpose.NOISE, round_index)
        pairs = rng.standard_normal((self.n_symbols, 2)) * np.sqrt(self.power_control.noise_var / 2)
        return _as(like, pairs[:, 0] + 1j * pairs[:, 1])

    def _recover(self, scaled: Array, sensing: Sensing, noise_var: Array) -> oamp.Recovery:
        if self.receiver == "lmmse":
            return lmmse.recover(scaled, sensing, noise_var)
        return oamp.recover(scaled, sensing, noise_var, prior=self.prior)

    def _receive_snr_db(self, received: Array) -> float:
        noise_var = self.power_control.noise_var
        return float(db(max(float(_mean_power(received)) - noise_var, 0.0) / noise_var))


def encode(symbols: Array, grant: Grant) -> tuple[Array, np.ndarray]:
    """Return what the agents send, x_i = c_i·b_i∘s_i, shape (n, M), and c_i <= 1, shape (n,).

    c_i scales an outlier down as granted, and further, never up, if the exact energy would exceed P: b_i was granted
    on the mean of |s_i|² over the round, and an agent knows its own symbols block by block.
    """
    fraction = grant.sent_fraction
    weighted = _spread(symbols, grant.weights * fraction[:, None]) * symbols
    excess = np.maximum(1.0, np.sqrt(_mean_power(weighted)))
    return weighted * _rows(symbols, 1 / excess), fraction / excess


def superpose(sent: Array, gains: np.ndarray) -> Array:
    """Return Σ_i h_i x_i, shape (M,): what the air does."""
    return (_spread(sent, gains) * sent).sum(0)


def normalise(received: Array, grant: Grant) -> tuple[Array, Array]:
    """Return y/√ρ and the variance of its error, shapes (M,) and (1,) or (M,)."""
    scaled = received * _spread(received, 1 / grant.amplitude.astype(complex))
    xp = array_namespace(received)
    return scaled, xp.real(_spread(received, grant.noise_var.astype(complex)))


def _spread(like: Array, blocks: np.ndarray) -> Array:
    """Return values on blocks, shape (..., blocks), on every symbol, shape (..., M); one block broadcasts as it is."""
    n_blocks, n_symbols = blocks.shape[-1], like.shape[-1]
    if n_blocks > 1:
        blocks = blocks[..., np.arange(n_symbols) * n_blocks // n_symbols]
    return _as(like, blocks)


def _rows(like: Array, values: np.ndarray) -> Array:
    return _as(like, values.astype(complex)[:, None])


def _as(like: Array, values: np.ndarray) -> Array:
    """Return complex values in the library, device and precision of `like`."""
    xp = array_namespace(like)
    narrow = np.complex128 if like.dtype == xp.complex128 else np.complex64
    return xp.asarray(values.astype(narrow), device=device(like))


def _mean_power(symbols: Array) -> np.ndarray:
    """Return mean|s|² over the last axis, as NumPy float64."""
    return np.asarray((energy(symbols) / symbols.shape[-1]).tolist(), np.float64)
