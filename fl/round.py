"""One round, in the order of the picture in the documentation.

    schedule -> local updates Δ_i -> error feedback, top-k -> uplink -> server step -> commit residuals -> record

An agent's residual is settled only here, after the uplink has said whether it was heard: heard, m = v − c·g; left out
or the round failed, m = v; an update that is not finite leaves m as it was.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dsp.metrics import nmse_db, union_support
from dsp.sparsify import Pending, prepare
from fl.algorithms.meta import OuterStep
from fl.data.episodes import Batch, draw, gather
from fl.history import SCHEMA
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
    pending = _compress(parts, updates, residuals)
    delivery = _deliver(parts, updates, pending, round_index)
    mean = None if delivery is None else _mean(updates, delivery)
    if mean is not None:
        state = parts.optimizer.step(state, mean)
    if parts.config.uplink.memory and pending is not None:
        _commit(residuals, updates.agents, pending, None if mean is None else delivery)
    record = _record(round_index, scheduled, updates, pending, delivery)
    if parts.calibration is not None:
        record["calibration"] = parts.calibration.digest
    finished = time.perf_counter()
    return RoundResult(state, record, {"local": computed - started, "link_and_server": finished - computed})


def schedule(parts: Parts, round_index: int) -> tuple[int, ...]:
    """Return the ids of the agents of a round, ascending, drawn without replacement."""
    agents = parts.config.agents
    if agents.scheduled == agents.count:
        return tuple(range(agents.count))
    rng = stream(parts.config.seed, Purpose.SCHEDULE, round_index)
    return tuple(sorted(rng.choice(agents.count, agents.scheduled, replace=False).tolist()))


def training_steps(parts: Parts, agents: Sequence[int], round_index: int) -> list[list[OuterStep]]:
    """Return the data of each agent in a round: Q outer steps, an episode each."""
    task, algorithm, pool = parts.config.task, parts.config.algorithm, parts.training_pool
    nu = algorithm.inner_steps
    support_sets = 1 if algorithm.batches == "shared" else nu * (1 if algorithm.order == "first" else 2)
    sets = [(task.shots, pool)] * support_sets + [(task.queries, pool)]
    episodes = []
    for agent in agents:
        rng = stream(parts.config.seed, Purpose.EPISODE, round_index, agent)
        classes = parts.partition(agent)
        episodes += [draw(parts.dataset, classes, task.ways, sets, rng) for _ in range(algorithm.local_steps)]
    batches = [batch.to(parts.config.run.device) for batch in gather(parts.dataset, episodes, task.ways)]
    steps = [_outer_step(batches, row, nu, algorithm.batches == "shared") for row in range(len(episodes))]
    return [steps[start : start + algorithm.local_steps] for start in range(0, len(steps), algorithm.local_steps)]


def _outer_step(batches: list[Batch], row: int, nu: int, shared: bool) -> OuterStep:
    """Return one outer step from the sets of one episode: support sets first, the query set last."""
    sets = [(batch.images[row], batch.labels[row]) for batch in batches]
    if shared:
        return OuterStep(sets[:1] * nu, sets[-1], sets[:1] * nu)
    return OuterStep(sets[:nu], sets[-1], sets[nu:-1])


def _local_updates(parts: Parts, theta: torch.Tensor, scheduled: tuple[int, ...], round_index: int) -> _Updates:
    run = parts.config.run
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


def _compress(parts: Parts, updates: _Updates, residuals: ResidualStore) -> Pending | None:
    """Return v = m + Δ of the finite updates, split into what is offered and what stays."""
    if not updates.agents:
        return None
    total = updates.deltas.clone()
    for row, agent in enumerate(updates.agents):
        residual = residuals.get(agent) if parts.config.uplink.memory else None
        if residual is not None:
            total[row] += residual
    return prepare(total, None, parts.uplink.kept_entries)


def _deliver(parts: Parts, updates: _Updates, pending: Pending | None, round_index: int) -> Delivery | None:
    return None if pending is None else parts.uplink.deliver(Offer(updates.agents, pending.kept), round_index)


def _mean(updates: _Updates, delivery: Delivery) -> torch.Tensor | None:
    """Return the estimate of Σ w_i Δ_i / Σ w_i over the agents heard, shape (d,); None if the round failed."""
    if delivery.total is None or not bool(torch.isfinite(delivery.total).all()):
        return None
    total: torch.Tensor = delivery.total
    return total / sum(weight for weight, on_air in zip(updates.weights, delivery.heard, strict=True) if on_air)


def _commit(residuals: ResidualStore, agents: tuple[int, ...], pending: Pending, delivery: Delivery | None) -> None:
    """Settle the residuals of a round; None is a round that failed."""
    for row, agent in enumerate(agents):
        if delivery is None or not delivery.heard[row]:
            residuals.put(agent, pending.residual_if_not[row].clone())
        elif delivery.sent_fraction[row] == 1:
            residuals.put(agent, pending.residual_if_heard[row].clone())
        else:
            sent = float(delivery.sent_fraction[row]) * pending.kept[row]
            residuals.put(agent, pending.residual_if_not[row] - sent)


def _record(
    round_index: int,
    scheduled: tuple[int, ...],
    updates: _Updates,
    pending: Pending | None,
    delivery: Delivery | None,
) -> dict[str, Any]:
    losses = torch.tensor(updates.losses, dtype=torch.float64)
    losses = losses[torch.isfinite(losses)]
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "round": round_index,
        "outcome": "nothing_to_send",
        "train_loss": float(losses.mean()) if len(losses) else None,
        "agents_scheduled": list(scheduled),
        "agents_heard": [],
        "excluded": dict(updates.excluded),
    }
    if pending is None or delivery is None:
        return record
    heard = torch.from_numpy(delivery.heard)
    record |= {
        "agents_heard": [agent for agent, on_air in zip(updates.agents, delivery.heard, strict=True) if on_air],
        "excluded": record["excluded"] | delivery.excluded,
        "channel_uses": delivery.channel_uses,
        "channel_uses_total": delivery.channel_uses_total,
        "common_scale": delivery.common_scale,
        "receive_snr_db": delivery.receive_snr_db,
        "predicted_nmse_db": delivery.predicted_nmse_db,
        "oracle_nmse_db": None,
        "oracle_symbol_nmse_db": delivery.oracle_symbol_nmse_db,
        "union_support": union_support(pending.kept[heard]) if delivery.heard.any() else 0.0,
        "transmit_power": delivery.transmit_power,
    }
    if delivery.diagnostics:
        record["waveform"] = delivery.diagnostics
    if delivery.failure is not None:
        return record | {"outcome": "not_received", "failure": delivery.failure}
    if delivery.total is None:
        return record | {"outcome": "nobody_heard"}
    truth = pending.kept[heard].sum(0)
    record["oracle_nmse_db"] = float(nmse_db(delivery.total, truth))
    return record | {"outcome": "ok" if bool(torch.isfinite(delivery.total).all()) else "estimate_not_finite"}
