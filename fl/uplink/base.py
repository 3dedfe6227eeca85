"""The seam between learning and the air: kept updates of the scheduled agents in, an estimate of their sum out.

An uplink is told what each scheduled agent wants to send and returns a `Delivery`. What an agent sends and what the
server receives are separate steps of each uplink; only the `ideal` and `digital` baselines carry updates by wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

Array = Any  # a NumPy array or a torch tensor


@dataclass(frozen=True)
class Offer:
    """What the agents of one round want to send.

    Args:
        agents: ids, in the order of the rows below.
        kept: w_i·g_i, kept entries of the weighted updates, shape (n, d); every row is finite.
    """

    agents: tuple[int, ...]
    kept: Array


@dataclass(frozen=True)
class Delivery:
    """What a round's uplink delivered.

    Args:
        total: estimate of Σ g_i over the agents heard, shape (d,); None when nobody was heard.
        heard: for each row of the offer, whether the server counts it.
        excluded: reason of each agent left out, by id.
        channel_uses: complex payload symbols of the round; None for a link that is not a channel.
        channel_uses_total: payload, pilots and sounding.
        common_scale: ρ, common power scale from update to received amplitude, in units of P.
        receive_snr_db: power of the received sum over σ², measured.
        transmit_power: mean |x_i|² over P of each agent heard, by id.
        predicted_nmse_db: error that the receiver predicts for its own estimate.
        oracle_symbol_nmse_db: error of the received symbols against Σ c_i·A g_i over the agents heard, which only a
            simulation knows.
        failure: why the round could not be received; None when it was, or when nobody was fit to send.
        diagnostics: what else the uplink has to say about the round, for history and report.
        is_estimate: whether `total` has the scale of that sum, or only its direction.
        table: name of the table that they make in the history.
        carried: what the payload of each agent carried of its g_i, shape (d,), by id; the rest stays with the agent. A
            server does not know it: where its agents are other processes, this is empty.
    """

    total: Array | None
    heard: np.ndarray
    excluded: dict[int, str] = field(default_factory=dict)
    channel_uses: int | None = None
    channel_uses_total: int | None = None
    common_scale: float | None = None
    receive_snr_db: float | None = None
    transmit_power: dict[int, float] = field(default_factory=dict)
    predicted_nmse_db: float | None = None
    oracle_symbol_nmse_db: float | None = None
    failure: str | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    is_estimate: bool = True
    table: str = "waveform"
    carried: Mapping[int, Array] = field(default_factory=dict)


class Uplink(Protocol):
    """A way from the agents to the server."""

    @property
    def kept_entries(self) -> int:
        """k, the entries of an update that this uplink has room for."""
        ...

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return what the server makes of the offer in this round."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Return what has to be kept between two rounds so that a resumed run gives the same bytes."""
        ...

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`."""
        ...
