"""The server's side of the uplink `waveform`: a round from the beacon to the sum, and what it says of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from array_api_compat import to_device

from dsp.metrics import db, nmse_db
from dsp.oamp import Recovery
from dsp.phase_tracking import Track
from fl.uplink.base import Array, Delivery
from fl.uplink.codec import Codec, like, placed, real_like
from fl.uplink.grant import PowerControl
from fl.uplink.roles import (
    NOBODY,
    AgentGrant,
    BeaconReport,
    Decision,
    SoundingSlot,
    TransmitReport,
    in_order,
    powers_of,
)
from fl.uplink.waveform.capture import Capture
from fl.uplink.waveform.diagnostics import active, of_nothing, of_round, uses
from fl.uplink.waveform.round import Round
from fl.uplink.waveform.server import Granted, Payload
from fl.uplink.waveform.stations import ServerStation

Made = TypeVar("Made")


@dataclass
class WaveformServer:
    """The server on the air.

    Args:
        codec: from symbols to the sum of updates.
        power_control: the rule; its σ² is replaced by what the server measures.
        station: radio and memory.
        reference: real values of the library, device and precision in which the sum is recovered.
        round_of: how a round is made.
        observe: called with the capture of every round; None: nobody watches.
    """

    on_air: ClassVar[bool] = True
    carries: ClassVar[str | None] = None
    codec: Codec
    power_control: PowerControl
    station: ServerStation
    reference: Array = field(default_factory=lambda: torch.zeros(1))
    round_of: Callable[[ServerStation, Codec, tuple[int, ...], int], Round] = Round
    observe: Callable[[Capture], None] | None = None
    _round: Round | None = field(default=None, init=False)
    _rows: tuple[int, ...] = field(default=(), init=False)

    @property
    def round(self) -> Round:
        """The round that goes on, or the last one."""
        if self._round is None:
            raise RuntimeError("a round begins with call, and none has begun")
        return self._round

    def call(self, agents: tuple[int, ...], round_index: int) -> Mapping[int, SoundingSlot]:
        """Queue beacon, markers and trigger, and return where the soundings of the agents lie.

        Raises:
            RadioError: the radio cannot send.
            ValueError: the round is longer than the period.
        """
        self._round = self.round_of(self.station, self.codec, agents, round_index)
        self._rows = tuple(range(len(agents)))
        return self._round.call()

    def sound(self) -> None:
        """Receive the soundings.

        Raises:
            RadioError: that failed.
        """
        self.round.sound()

    def decide(
        self,
        agents: tuple[int, ...],
        round_index: int,
        symbol_power: Mapping[int, float],
        reports: Mapping[int, BeaconReport],
        absent: Mapping[int, str] = NOBODY,
    ) -> Decision:
        """Return who sends.

        Raises:
            RadioError: nobody follows, or the air was silent.
        """
        on_air = self.round
        self._rows = tuple(on_air.agents.index(agent) for agent in agents)
        on_air.meet({agent: report for agent, report in reports.items() if agent in agents}, absent)
        power = np.array([symbol_power.get(agent, 0.0) for agent in on_air.agents])
        granted = on_air.grant(self.power_control, power)
        rows = np.flatnonzero(granted.grant.heard).tolist()
        return Decision(
            {on_air.agents[row]: self._grant(granted, row) for row in rows}, in_order(on_air.agents, on_air.excluded)
        )

    def _grant(self, granted: Granted, row: int) -> AgentGrant:
        link, grant = self.round.links[self.round.agents[row]], granted.grant
        return AgentGrant(
            fraction=float(grant.sent_fraction[row]),
            weights=grant.weights[row],
            pilot_weights=granted.pilot_weights[row],
            sounded_at=link.sounded_at,
            residual=link.residual,
        )

    def receive(self) -> tuple[frozenset[int], Mapping[int, str]]:
        """Receive the payload; return whose was there, and why not of the others.

        Raises:
            RadioError: that failed, or nobody's was there.
        """
        on_air = self.round
        payload = on_air.receive(_made(on_air.granted))
        heard = frozenset(agent for agent, there in zip(on_air.agents, payload.heard, strict=True) if there)
        return heard, {agent: reason for agent, reason in on_air.excluded.items() if agent not in heard}

    def decode(self, sent: Mapping[int, TransmitReport], absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Return what was delivered."""
        on_air = self.round
        on_air.excluded.update(absent)
        granted = _made(on_air.granted)
        if not granted.grant.heard.any() or on_air.payload is None:
            return self._nothing(None)
        payload = on_air.payload
        for agent, report in sent.items():
            if report.track is not None and agent in on_air.reports:
                on_air.follow(agent, report.track)
        fraction = granted.grant.sent_fraction.copy()
        for row, agent in enumerate(on_air.agents):
            if agent in sent:
                fraction[row] = sent[agent].fraction
        recovery = self.codec.recover(
            like(self.reference, payload.scaled), real_like(self.reference, payload.noise_var), on_air.index
        )
        return self._delivery(payload, recovery, fraction, sent)

    def _delivery(
        self, payload: Payload, recovery: Recovery, fraction: np.ndarray, sent: Mapping[int, TransmitReport]
    ) -> Delivery:
        on_air, granted, rows = self.round, _made(self.round.granted), list(self._rows)
        about = of_round(on_air, payload, fraction, sent)
        wanted, symbol_error = self._oracle(payload, fraction * payload.heard, sent, about)
        self._watch(wanted, np.asarray(to_device(recovery.estimate, "cpu")))
        return Delivery(
            total=recovery.estimate,
            heard=payload.heard[rows],
            excluded=in_order(on_air.agents, on_air.excluded),
            channel_uses=self.codec.n_symbols,
            channel_uses_total=uses(on_air),
            common_scale=granted.grant.common_scale,
            receive_snr_db=float(db(payload.receive_snr)),
            transmit_power=powers_of(on_air.agents, payload.heard, sent),
            predicted_nmse_db=float(db(float(recovery.predicted_nmse))),
            oracle_symbol_nmse_db=symbol_error,
            diagnostics=about,
        )

    def _oracle(
        self, payload: Payload, shares: np.ndarray, sent: Mapping[int, TransmitReport], about: dict[str, Any]
    ) -> tuple[np.ndarray | None, float | None]:
        """Return Σ c_i·s_i over the agents heard, and how far the received symbols are from it.

        Without what only a simulation may ask for of every agent heard, there is neither. What the receiver could have
        got, the sum of what was not truncated, is set beside it in `about`.
        """
        on_air, sensing = self.round, self.codec.sensing_of(self.round.index)
        kept = {agent: one.oracle_kept for agent, one in sent.items() if one.oracle_kept is not None}
        if not all(agent in kept for agent, there in zip(on_air.agents, payload.heard, strict=True) if there):
            return None, None
        plain = np.zeros((len(on_air.agents), self.codec.n_symbols), np.complex64)
        for row, agent in enumerate(on_air.agents):
            if agent in kept:
                plain[row] = to_device(sensing.forward(placed(self.reference, kept[agent])), "cpu")
        wanted = shares.astype(np.float32) @ plain
        part = (shares[:, None] * active(on_air) * plain).sum(0)
        about["oracle_sent_symbol_nmse_db"] = float(nmse_db(payload.scaled, part))
        return wanted, float(nmse_db(payload.scaled, wanted))

    def give_up(self, failure: str, absent: Mapping[int, str] = NOBODY) -> Delivery:
        """Return a round in which nothing was received."""
        self.round.excluded.update(absent)
        return self._nothing(failure)

    def _nothing(self, failure: str | None) -> Delivery:
        """Return a round in which nothing was delivered: nobody fit to send, or not received."""
        on_air, n = self.round, len(self._rows)
        excluded = in_order(on_air.agents, on_air.excluded)
        self._watch(None, None)
        return Delivery(
            None, np.zeros(n, bool), excluded, self.codec.n_symbols, uses(on_air),
            failure=failure, diagnostics=of_nothing(on_air),
        )  # fmt: skip

    def _watch(self, wanted: np.ndarray | None, estimate: np.ndarray | None) -> None:
        if self.observe is not None:
            one = self.round
            heard = one.agents, one.start, one.frame, one.places, tuple(one.segments)
            self.observe(Capture(one.index, *heard, one.links, one.granted, one.payload, wanted, estimate, one.beacons))

    def state(self) -> dict[str, np.ndarray]:
        """Return what has to be kept between two rounds: tracks of the agents, and who was met."""
        tracks = [(i, t.time, *t.state, *t.covariance.ravel()) for i, t in sorted(self.station.tracks.items())]
        return {
            "tracks": np.array(tracks, np.float64).reshape(-1, 8),
            "met": np.array(sorted(self.station.met), np.int64),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`; radios whose time runs on have begun to count anew, and are met again."""
        if self.station.runs_on:
            return
        self.station.met = set(state["met"].tolist())
        self.station.tracks = {
            int(row[0]): Track(float(row[1]), row[2:4].copy(), row[4:].reshape(2, 2)) for row in state["tracks"]
        }


def _made(value: Made | None) -> Made:
    """Return what a stage before has made.

    Raises:
        RuntimeError: it has not been called.
    """
    if value is None:
        raise RuntimeError("the stages of a round were not called in the order in which they are written")
    return value
