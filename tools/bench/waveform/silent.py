"""Rounds of learning in which one granted agent falls silent between its sounding and its payload."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from dsp.metrics import nmse_db
from fl.config import check
from fl.residuals import ResidualStore
from fl.round import RoundResult, run_round
from fl.server import ServerState
from fl.setup import Parts, assemble
from fl.uplink.base import Delivery, Offer
from fl.uplink.roles import Decision, TransmitReport
from fl.uplink.waveform.link import WaveformUplink
from radio.loopback import LoopbackRadio
from tools.bench.waveform.claims import Row
from tools.bench.waveform.rounds import AGENTS


@dataclass
class WatchedUplink(WaveformUplink):
    """The uplink in which one of the granted agents, each in its turn, drops its payload; it keeps the last round.

    Args:
        granted: agents of the last round.
        silent: which of them was.
        last_offer: what was to be sent.
        last: what was delivered.
    """

    granted: tuple[int, ...] = ()
    silent: int | None = None
    last_offer: Offer | None = None
    last: Delivery | None = None

    def send(self, decision: Decision, absent: dict[int, str]) -> dict[int, TransmitReport]:
        """Let all granted agents send; the one whose turn it is believes that it does."""
        self.granted = tuple(decision.grants)
        self.silent = self.granted[self.server.round.index % len(self.granted)]
        radio = self.stations.radio_of(self.silent)
        if not isinstance(radio, LoopbackRadio):
            raise TypeError(f"the bench mutes a simulated radio, agent {self.silent} has a {type(radio).__name__}")
        radio.mute()
        sent = super().send(decision, absent)
        radio.unmute()
        return sent

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Deliver, and keep what was delivered."""
        self.last_offer, self.last = offer, super().deliver(offer, round_index)
        return self.last


def play_silent(
    seed: int, rounds: int, snr_db: float, loopback: dict[str, Any], folder: Path, cache: Path
) -> list[Row]:
    """Return what became of the decisions of successive rounds of learning.

    Args:
        seed: of the run.
        rounds: how many.
        snr_db: of an agent.
        loopback: impairments.
        folder: for the residuals.
        cache: of the images.
    """
    raw = {
        "seed": seed,
        "agents": {"count": AGENTS},
        "model": {"kind": "mlp"},
        "uplink": {"kind": "waveform", "snr_db": snr_db},
        "radio": {"loopback": loopback},
    }
    parts = assemble(check(raw), cache)
    plain = {item.name: getattr(parts.uplink, item.name) for item in fields(WaveformUplink) if item.init}
    uplink = WatchedUplink(**plain)
    parts = replace(parts, uplink=uplink)
    residuals = ResidualStore(folder / str(seed))
    state, rows = ServerState.start(parts.first_theta()), []
    for index in range(rounds):
        result = run_round(parts, state, residuals, index)
        rows.append(_judge(uplink, parts, state, result))
        state = result.state
    return rows


def _judge(uplink: WatchedUplink, parts: Parts, before: ServerState, result: RoundResult) -> Row:
    """Return the wrong decisions of a round, whether its record names the silent agent, and the error of the mean."""
    delivery, offer = uplink.last, uplink.last_offer
    if delivery is None or offer is None:
        raise RuntimeError("a round was judged before it was played")
    heard = {agent for agent, there in zip(offer.agents, delivery.heard, strict=True) if there}
    wrong = len(heard ^ (set(uplink.granted) - {uplink.silent}))
    reason = result.record["excluded"].get(uplink.silent, "")
    row: Row = {"granted": len(uplink.granted), "wrong": wrong, "named": reason.startswith("silent")}
    if delivery.total is None:
        return row | {"mean_error": 0.0, "nmse_db": None}
    # plain averaging: θ goes down by the mean, at the server's rate
    step = (before.theta - result.state.theta) / parts.config.server.lr
    error = torch.linalg.vector_norm(step * len(heard) - delivery.total) / torch.linalg.vector_norm(delivery.total)
    truth = offer.kept[torch.from_numpy(delivery.heard)].sum(0)
    return row | {"mean_error": float(error), "nmse_db": float(nmse_db(delivery.total, truth))}
