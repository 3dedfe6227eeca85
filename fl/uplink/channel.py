"""The simulated multiple-access channel: gains of a round, what superposes, noise. P = 1, so σ² = 1/SNR.

    y = Σ_i h_i x_i + n,   n ~ CN(0, σ²) per symbol;   h_i constant over each of the blocks of a payload

Gains and noise are functions of seed and round, whatever is sent: over the same channels uplinks compare in pairs.
"""

from collections.abc import Container, Mapping

import numpy as np
from array_api_compat import array_namespace

from fl.fading import BlockFading
from fl.streams import Purpose, stream
from fl.uplink.base import Array
from fl.uplink.codec import like, placed


def draw_gains(
    law: BlockFading, blocks: int, agents: tuple[int, ...], absent: Container[int], seed: int, round_index: int
) -> np.ndarray:
    """Return h_i on each block, complex, shape (n, blocks); who is absent has none.

    Args:
        law: of the fading.
        blocks: independent fading blocks in a round.
        agents: ids.
        absent: those that are not there.
        seed: of the run.
        round_index: of the run.
    """
    drawn = law.draw((len(agents), blocks), stream(seed, Purpose.FADING, round_index))
    here = np.array([agent not in absent for agent in agents])
    return np.where(here[:, None], drawn, 0)


def rows(sent: Mapping[int, Array], agents: tuple[int, ...], n_symbols: int, reference: Array) -> Array:
    """Return complex symbols of each agent, shape (n, M), zero where there are none.

    Args:
        sent: x_i, shape (M,), by id.
        agents: ids of the rows.
        n_symbols: M.
        reference: real values of the library, device and precision of silence.
    """
    silence = like(reference, np.zeros(n_symbols, complex))
    return array_namespace(reference).stack(
        [placed(reference, sent[agent]) if agent in sent else silence for agent in agents]
    )


def superpose(sent: Array, gains: np.ndarray) -> Array:
    """Return Σ_i h_i x_i, shape (M,): what the air does."""
    return (spread(sent, gains) * sent).sum(0)


def noise(symbols: Array, noise_var: float, seed: int, round_index: int) -> Array:
    """Return n for symbols of shape (M,), in their library, device and precision."""
    rng = stream(seed, Purpose.NOISE, round_index)
    pairs = rng.standard_normal((symbols.shape[-1], 2)) * np.sqrt(noise_var / 2)
    return like(symbols, pairs[:, 0] + 1j * pairs[:, 1])


def on_symbols(blocks: np.ndarray, n_symbols: int) -> np.ndarray:
    """Return values on blocks, shape (..., blocks), on every symbol, shape (..., M); one block broadcasts as it is."""
    n_blocks = blocks.shape[-1]
    return blocks if n_blocks == 1 else blocks[..., np.arange(n_symbols) * n_blocks // n_symbols]


def spread(symbols: Array, blocks: np.ndarray) -> Array:
    """Return complex values on blocks on every symbol of an array, in its library, device and precision."""
    return like(symbols, on_symbols(blocks, symbols.shape[-1]))
