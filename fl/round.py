"""One round, in the order of the picture in the documentation.

    schedule -> local updates Δ_i -> error feedback, top-k -> uplink -> server step -> commit residuals -> record

An agent's residual is settled only here, after the uplink has said whether it was heard: heard, m = v − carried, what
its payload carried of S_k(v); left out or the round failed, m = v; an update that is not finite leaves m as it was.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dsp.sparsify import top_k
from fl.learning import Learning
from fl.record import delivered, error_variance, mean_update, record
from fl.residuals import ResidualStore
from fl.server import ServerState
from fl.setup import Parts
from fl.streams import Purpose, stream
from fl.uplink.base import Delivery, Offer


@dataclass(frozen=True)
class RoundResult:
    """What a round leaves behind.

    Args:
        state: the server's next state.
        record: the line of the history.
        seconds: wall clock of each stage.
    """

    state: ServerState
    record: dict[str, Any]
    seconds: dict[str, float]


@dataclass(frozen=True)
class _Updates:
    """Finite updates of a round: ids, weights, w_i·Δ_i (n, d), all losses, reasons of the agents left out."""

    agents: tuple[int, ...]
    weights: list[float]
    deltas: torch.Tensor
    losses: list[float]
    excluded: dict[int, str]


def run_round(parts: Parts, state: ServerState, residuals: ResidualStore, round_index: int) -> RoundResult:
    """Return the next state and the record of one round; residuals are updated in place."""
    started = time.perf_counter()
    scheduled = schedule(parts, round_index)
    updates = _local_updates(parts, state.theta, scheduled, round_index)
    computed = time.perf_counter()
    total = _accumulated(parts, updates, residuals)
    offer = Offer(updates.agents, top_k(total, parts.uplink.kept_entries)) if updates.agents else None
    delivery = None if offer is None else parts.uplink.deliver(offer, round_index)
    mean = None if delivery is None else mean_update(delivery, updates.weights)
    error_var = 0.0 if delivery is None else error_variance(delivery, updates.weights)
    state = parts.optimizer.step(state, mean, round_index, error_var)
    if parts.config.uplink.remembers:
        _commit(residuals, updates.agents, total, None if mean is None else delivery)
    line = record(round_index, scheduled, updates.losses, updates.excluded)
    if offer is not None and delivery is not None:
        line = delivered(line, offer, delivery)
    if parts.calibration is not None:
        line["calibration"] = parts.calibration.digest
    finished = time.perf_counter()
    return RoundResult(state, line, {"local": computed - started, "link_and_server": finished - computed})


def schedule(parts: Learning, round_index: int) -> tuple[int, ...]:
    """Return the ids of the agents of a round, ascending, drawn without replacement."""
    agents = parts.config.agents
    if agents.scheduled == agents.count:
        return tuple(range(agents.count))
    rng = stream(parts.config.seed, Purpose.SCHEDULE, round_index)
    return tuple(sorted(rng.choice(agents.count, agents.scheduled, replace=False).tolist()))


def training_steps(parts: Learning, agents: Sequence[int], round_index: int) -> list[Any]:
    """Return the data of each agent in a round, as its algorithm draws them."""
    seed = parts.config.seed
    return [
        parts.learner.draw(parts.local_data(agent), round_index, stream(seed, Purpose.EPISODE, round_index, agent))
        for agent in agents
    ]


def _local_updates(parts: Learning, theta: torch.Tensor, scheduled: tuple[int, ...], round_index: int) -> _Updates:
    run = parts.config.run
    if not parts.learner.sends:
        return _Updates((), [], theta.new_zeros(0, len(theta)), [], {})
    deltas, losses = [], []
    for start in range(0, len(scheduled), run.batch_agents):
        steps = training_steps(parts, scheduled[start : start + run.batch_agents], round_index)
        delta, loss = parts.learner.local_updates(theta, steps, run.threads)
        deltas.append(delta)
        losses += loss
    stacked = torch.cat(deltas)
    finite = torch.isfinite(stacked).all(-1).tolist()
    agents = tuple(agent for agent, good in zip(scheduled, finite, strict=True) if good)
    excluded = {agent: "update not finite" for agent, good in zip(scheduled, finite, strict=True) if not good}
    weights = [parts.weight(agent) for agent in agents]
    kept = stacked if len(agents) == len(scheduled) else stacked[torch.tensor(finite)]
    scale = torch.tensor(weights, dtype=kept.dtype, device=kept.device)[:, None]
    return _Updates(agents, weights, kept * scale, losses, excluded)


def _accumulated(parts: Parts, updates: _Updates, residuals: ResidualStore) -> torch.Tensor:
    """Return v = m + Δ of the finite updates, shape (n, d)."""
    total = updates.deltas.clone()
    for row, agent in enumerate(updates.agents):
        residual = residuals.get(agent) if parts.config.uplink.remembers else None
        if residual is not None:
            total[row] += residual
    return total


def _commit(residuals: ResidualStore, agents: tuple[int, ...], total: torch.Tensor, delivery: Delivery | None) -> None:
    """Settle the residuals of a round, from v and what was delivered of it; None is a round that failed."""
    for row, agent in enumerate(agents):
        if delivery is None or not delivery.heard[row]:
            residuals.put(agent, total[row].clone())
        else:
            residuals.put(agent, total[row] - delivery.carried[agent])
