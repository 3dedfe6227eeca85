"""What the server's model can know about the agents' data, at most: data processing through the channel.

    I(θ_T; D_1..n) <= Σ_t [ M_t·log(1 + P_rx,t/σ²) + n_t·b·log 2 ]   nats

θ_T is made from what the server received, y_1..y_T, and from what agents told it by wire; given the past, each y_t of
M_t complex symbols with Gaussian noise of σ² carries at most M_t·log(1 + P_rx,t/σ²) (the Gaussian has the largest
entropy of its power, log is concave over symbols), each number told by wire its b bits. Reconstruction [R], derived in
docs/theory.md. It is rigorous when

* gains, noise, schedules, operators and the first model are independent of the data; gains may be known to everybody
  and have any law, Rayleigh or not. What happens before the thermal noise (truncation, clipping, phase noise) only
  lowers it;
* the noise is Gaussian and independent, of variance σ² or more in each symbol;
* P_rx,t is the mean power of the received sum given the past. A history has the *measured* one, of one run: a plug-in
  estimate, whose relative error is of the order 1/√M for the noise, and that of one draw of the data for the rest;
* θ_T depends on the data through nothing else. Error feedback adds nothing: a residual is made from the agent's data
  and from what was received before. Over the wire an agent tells mean|s_i|², one double (b = 64; its idle sign bit
  stands for "no update", or "round not received"), which sets the common scale; losses, powers and accuracies are
  logged, and must not steer the run: stopping early or choosing the best of several runs is not covered.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SCALAR_BITS = 64  # of a double, which is how mean|s|² is told


def round_information(
    channel_uses: np.ndarray, receive_snr_db: np.ndarray, agents: np.ndarray | int = 0, scalar_bits: int = SCALAR_BITS
) -> np.ndarray:
    """Return M·log(1 + P_rx/σ²) + n·b·log 2 of each round, in nats, shape (rounds,).

    Args:
        channel_uses: M, complex payload symbols, shape (rounds,).
        receive_snr_db: P_rx/σ², −inf where nothing was received, shape (rounds,).
        agents: n, who told a number by wire; 0 is the channel alone, shape (rounds,).
        scalar_bits: b, of each such number.

    Raises:
        ValueError: a count is negative, or an SNR is not a number.
    """
    uses, snr = np.asarray(channel_uses, float), np.asarray(receive_snr_db, float)
    if (uses < 0).any() or (np.asarray(agents) < 0).any() or scalar_bits < 0:
        raise ValueError("channel_uses, agents and scalar_bits are counts and must not be negative")
    if np.isnan(snr).any():
        raise ValueError("receive_snr_db must be a number in every round; −inf says that nothing was received")
    return uses * np.log1p(10 ** (snr / 10)) + np.asarray(agents) * scalar_bits * np.log(2)


def information_of(records: Sequence[Mapping[str, Any]], scalar_bits: int = SCALAR_BITS) -> np.ndarray:
    """Return the sum of `round_information` up to each round of a history, in nats, shape (rounds,).

    A round that did not change the model for what was received counts the numbers told by wire alone. An update that
    came over no channel with noise has no bound: inf from there on.

    Args:
        records: of the rounds, all from the first one on.
        scalar_bits: b, of the number that each agent tells by wire.
    """
    is_channel = any(record.get("receive_snr_db") is not None for record in records)
    delivered = np.array([record["outcome"] == "ok" for record in records], bool)
    if delivered.any() and not is_channel:
        return np.cumsum(np.where(delivered, np.inf, 0.0))
    snr = np.array([_snr_db(record) if good else -np.inf for record, good in zip(records, delivered, strict=True)])
    uses = np.array([record.get("channel_uses") or 0 for record in records], float)
    agents = np.array([len(record["agents_scheduled"]) for record in records])
    return np.cumsum(round_information(uses, snr, agents, scalar_bits))


def _snr_db(record: Mapping[str, Any]) -> float:
    value = record["receive_snr_db"]
    return -np.inf if value is None else float(value)  # null: not above the noise
