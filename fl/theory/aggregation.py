"""How far an uplink is from handing the server the plain mean of the updates.

With σ² = 0, |h| = 1, k = d and M = d'/2 the operator is orthogonal and the step equals the plain mean [C]: to 1e-5
relative in complex64, 1e-10 in complex128 (P1's item A6). `ideal_limit` says that in keys of a configuration.
"""

from typing import TYPE_CHECKING, Any

import torch

from dsp.sparsify import top_k
from fl.setup import build_uplink
from fl.uplink.base import Offer

if TYPE_CHECKING:
    from fl.config import Config

NO_NOISE_DB = 240.0  # σ² = 1e-24 of P, far below the rounding of either precision


def ideal_limit(snr_db: float = NO_NOISE_DB) -> dict[str, Any]:
    """Return the keys of the table `uplink` with which nothing should be lost; of vectors whose d is its own d'."""
    return {
        "kind": "symbol",
        "sparsity": 1.0,
        "measurements": 0.5,
        "sensing": "partial_dft",
        "snr_db": snr_db,
        "fading": {"kind": "none"},
    }


def mean_deviation(config: "Config", updates: torch.Tensor, round_index: int = 0) -> float:
    """Return ‖(1/|heard|)·estimate − (1/n)Σ Δ_i‖/‖(1/n)Σ Δ_i‖: what top-k, channel and receiver do to a mean.

    An agent that is not heard is part of the deviation, and 1 is that of a round in which nobody is.

    Args:
        config: whose uplink it is; waveform and symbol alike.
        updates: Δ_i of agents 0 … n−1, shape (n, d); its dtype is the precision.
        round_index: of the run, which draws its own operator, gains and noise.

    Raises:
        ValueError: the uplink tells only a direction, no estimate of the sum.
    """
    uplink = build_uplink(config, updates.shape[1])
    kept = top_k(updates, uplink.kept_entries)
    delivery = uplink.deliver(Offer(tuple(range(len(updates))), kept), round_index)
    if not delivery.is_estimate:
        raise ValueError(f"uplink.kind: {config.uplink.kind} delivers a direction, whose scale is not that of the mean")
    truth = updates.double().mean(0)
    if delivery.total is None:
        return 1.0
    mean = delivery.total.double() / int(delivery.heard.sum())
    return float((mean - truth).norm() / truth.norm())
