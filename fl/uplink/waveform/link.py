"""The uplink `waveform` in one process: a round of both sides, and what they remember of it."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from fl.uplink.base import Delivery, Offer
from fl.uplink.roles import reason_of
from fl.uplink.waveform.agent import Clock
from fl.uplink.waveform.both_sides import BothSides
from fl.uplink.waveform.capture import Capture
from fl.uplink.waveform.settings import check_radio
from radio.base import LostRadioError, RadioError

SILENT = "silent:"  # how a reason begins that only the agent could explain


@dataclass
class WaveformUplink(BothSides):
    """Analog transmission as a waveform, through radios."""

    def __post_init__(self) -> None:
        super().__post_init__()
        radio = self.stations.server
        check_radio(self.stations.modem, radio.timing_uncertainty, radio.timing_repeatability)

    @property
    def n_symbols(self) -> int:
        """M, complex channel uses of a round for data."""
        return self.codec.n_symbols

    @property
    def observe(self) -> Callable[[Capture], None] | None:
        """What is called with the capture of every round; None: nobody watches."""
        return self.server.observe

    @observe.setter
    def observe(self, observer: Callable[[Capture], None] | None) -> None:
        self.server.observe = observer

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return what the server recovers from the superposed payloads of this round.

        Raises:
            LostRadioError: the server's radio had failed, and cannot be opened again.
        """
        delivery = self._exchange(offer, round_index)
        excluded = {agent: self._explained(agent, reason) for agent, reason in delivery.excluded.items()}
        return replace(delivery, excluded=excluded)

    def _explained(self, agent: int, reason: str) -> str:
        """Return why an agent was left out; one that was silent says what its radio says of its last burst."""
        trouble = self.agent(agent).trouble() if reason.startswith(SILENT) else ""
        return f"{reason}; {trouble}" if trouble else reason

    def _exchange(self, offer: Offer, round_index: int) -> Delivery:
        self.server.reference = offer.kept
        absent: dict[int, str] = {}
        powers = {
            agent: self.agent(agent).offer(kept, round_index)
            for agent, kept in zip(offer.agents, offer.kept, strict=True)
        }
        try:
            reports = self.meet(offer.agents, round_index, absent)
            decision = self.server.decide(offer.agents, round_index, powers, reports, absent)
            if not decision.grants:
                return self.server.decode({})
            sent = self.send(decision, absent)
            self.server.receive()
            return replace(self.server.decode(sent, absent), carried=self.carried)
        except RadioError as error:
            delivery = self.server.give_up(reason_of(error), absent)
            if isinstance(error, LostRadioError):
                raise
            return delivery

    def state(self) -> dict[str, np.ndarray]:
        """Return what has to be kept between two rounds: clocks of the agents, and what the server remembers."""
        session = self.stations.server.session
        clocks = []
        for agent, side in sorted(self.agents.items()):
            with suppress(RadioError):  # of an agent whose radio cannot be had nothing is known
                side.forget_unless(session)
            if side.clock is not None:
                clocks.append((agent, side.clock.own, side.clock.server, side.clock.offset))
        return {
            "clocks": np.array(clocks, np.float64).reshape(-1, 4),
            **self.server.state(),
            "session": np.frombuffer(session.encode(), np.uint8).copy(),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`; radios whose time runs on have begun to count anew, and are met again."""
        self.server.restore(state)
        session = self.stations.server.session
        if self.stations.runs_on or state["session"].tobytes().decode() != session:
            return  # counters have begun anew
        for row in state["clocks"].tolist():
            with suppress(RadioError):
                self.agent(int(row[0])).remember(Clock(row[1], int(row[2]), row[3]), session)
