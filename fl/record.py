"""The line that a round leaves in the history."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from dsp.metrics import from_db, nmse_db, union_support
from fl.history import SCHEMA
from fl.uplink.base import Delivery, Offer


def record(
    round_index: int, scheduled: Sequence[int], losses: Sequence[float], excluded: Mapping[int, str]
) -> dict[str, Any]:
    """Return the record of a round in which nothing was offered.

    Args:
        round_index: of the round.
        scheduled: ids, ascending.
        losses: training losses of those that have computed an update; those that are not finite do not count.
        excluded: reason of each agent that offered none, by id.
    """
    finite = torch.tensor(losses, dtype=torch.float64)
    finite = finite[torch.isfinite(finite)]
    return {
        "schema": SCHEMA,
        "round": round_index,
        "outcome": "nothing_to_send",
        "train_loss": float(finite.mean()) if len(finite) else None,
        "agents_scheduled": list(scheduled),
        "agents_heard": [],
        "excluded": dict(sorted(excluded.items())),
    }


def delivered(before: dict[str, Any], offer: Offer, delivery: Delivery) -> dict[str, Any]:
    """Return the record of a round with what its uplink delivered.

    Args:
        before: as `record` made it.
        offer: what was sent, which only a simulation knows.
        delivery: what arrived.
    """
    heard = torch.from_numpy(delivery.heard)
    after = before | {
        "agents_heard": [agent for agent, on_air in zip(offer.agents, delivery.heard, strict=True) if on_air],
        "excluded": dict(sorted((before["excluded"] | delivery.excluded).items())),
        "channel_uses": delivery.channel_uses,
        "channel_uses_total": delivery.channel_uses_total,
        "common_scale": delivery.common_scale,
        "receive_snr_db": delivery.receive_snr_db,
        "predicted_nmse_db": delivery.predicted_nmse_db,
        "oracle_nmse_db": None,
        "oracle_symbol_nmse_db": delivery.oracle_symbol_nmse_db,
        "union_support": union_support(offer.kept[heard]) if delivery.heard.any() else 0.0,
        "transmit_power": delivery.transmit_power,
    }
    if delivery.diagnostics:
        after[delivery.table] = delivery.diagnostics
    if delivery.failure is not None:
        return after | {"outcome": "not_received", "failure": delivery.failure}
    if delivery.total is None:
        return after | {"outcome": "nobody_heard"}
    if delivery.is_estimate:
        after["oracle_nmse_db"] = float(nmse_db(delivery.total, offer.kept[heard].sum(0)))
    return after | {"outcome": "ok" if is_finite(delivery) else "estimate_not_finite"}


def is_finite(delivery: Delivery) -> bool:
    """Return whether a delivery is an estimate that can be used."""
    return delivery.total is not None and bool(torch.isfinite(delivery.total).all())


def mean_update(delivery: Delivery, weights: Sequence[float]) -> torch.Tensor | None:
    """Return the estimate of Σ w_i Δ_i / Σ w_i over the agents heard, shape (d,); None if the round failed.

    Args:
        delivery: what arrived.
        weights: w_i of its rows.
    """
    total: torch.Tensor | None = delivery.total
    if total is None or not is_finite(delivery):
        return None
    return total / sum(weight for weight, on_air in zip(weights, delivery.heard, strict=True) if on_air)


def error_variance(delivery: Delivery, weights: Sequence[float]) -> float:
    """Return the variance of the error of an entry of `mean_update`, as the receiver predicts it; 0: it predicts none.

        v = NMSE·mean(x̂²)/(Σ w_i)²

    An LMMSE estimate is the truth plus noise, both times the same factor 1 − NMSE; v is that of the noise beside the
    truth so scaled, which matters where the scale of an estimate does not.

    Args:
        delivery: what arrived.
        weights: w_i of its rows.
    """
    mean = mean_update(delivery, weights)
    if mean is None or delivery.predicted_nmse_db is None:
        return 0.0
    return float(from_db(delivery.predicted_nmse_db)) * float(mean.square().mean())
