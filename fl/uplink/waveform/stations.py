"""The radios of a run, and what server and agents remember of them from round to round.

On a simulated air, time stands while agents learn: the beacon of a round leaves at an instant of its own. Radios whose
time runs on may be past that instant; then the beacon leaves in the next period that can still be reached. Their
streams are looked after ahead of the beacon: one that broke while agents learned is started again and costs no round.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dsp.phase_tracking import Track
from fl.uplink.waveform.agent import Clock
from fl.uplink.waveform.settings import Modem
from radio.base import Radio, RadioError

FIRST_BEACON = 0.2  # of a period, before the beacon in it


@dataclass
class Stations:
    """The radios of a run, and what server and agents remember from round to round.

    Args:
        modem: the waveform.
        server: the server's radio.
        radio_of: the radio of an agent.
        runs_on: whether their time runs on while nobody sends or receives.
        breaks: how often streams of these radios have broken so far.
        renew: measures anew what restarts have voided of some agents, and returns whether anything was.
        clocks: of the agents beside the server's.
        tracks: the server's, of each agent's carrier offset before correction.
        met: agents that have been called before, heard or not.
    """

    modem: Modem
    server: Radio
    radio_of: Callable[[int], Radio]
    runs_on: bool = False
    breaks: Callable[[], int] = lambda: 0
    renew: Callable[[Sequence[int]], bool] = lambda _agents: False
    clocks: dict[int, Clock] = field(default_factory=dict)
    tracks: dict[int, Track] = field(default_factory=dict)
    met: set[int] = field(default_factory=set)
    _period: int = -1
    _passed: int = 0
    _counted: int = 0
    _sessions: dict[int, tuple[str, str]] = field(default_factory=dict)

    def begin(self, round_index: int, agents: Sequence[int]) -> int:
        """Return the index of the server at which the beacon of a round leaves.

        Raises:
            RadioError: the server's radio has failed, and cannot be opened again.
        """
        if not self.runs_on:
            if self.renew(agents):
                self.catch_up(round_index)
            return self.due(round_index + self._passed)
        for agent in agents:
            try:
                _look_after(self.radio_of(agent))
            except RadioError:
                continue  # the round says why, when it calls that agent
        _look_after(self.server)
        self.renew(agents)
        self._period = max(self._period + 1, self._reachable())
        return self.due(self._period)

    def catch_up(self, round_index: int) -> None:
        """Let a round, and all after it, be as many periods later as it takes to reach its beacon."""
        self._passed = max(self._passed, self._reachable() - round_index)

    def _reachable(self) -> int:
        """Return the next period whose beacon can still be handed over."""
        return math.ceil((self.server.now() + self.server.lead_time) / self.modem.period - FIRST_BEACON)

    def due(self, period: int) -> int:
        """Return the index of the server at which the beacon of a period leaves."""
        return round(self.modem.period * (period + FIRST_BEACON))

    def clock(self, agent: int) -> Clock | None:
        """Return what is known of an agent's clock; nothing, if its streams or the server's were started again.

        Nothing either of an agent that calibration leaves out, or whose radio cannot be had.
        """
        session = self._session(agent)
        if session is None or self._sessions.get(agent) != session:
            self.clocks.pop(agent, None)
        return self.clocks.get(agent)

    def learn_clock(self, agent: int, clock: Clock) -> None:
        """Note an agent's clock, unless it is left out: when it comes back, its clock is another one."""
        session = self._session(agent)
        if session is not None:
            self.clocks[agent], self._sessions[agent] = clock, session

    def new_breaks(self) -> int:
        """Return how often streams have broken since this was asked last."""
        before, self._counted = self._counted, self.breaks()
        return self._counted - before

    def _session(self, agent: int) -> tuple[str, str] | None:
        try:
            return self.server.session, self.radio_of(agent).session
        except RadioError:
            return None


def _look_after(radio: Radio) -> None:
    """Open a radio again if its streams have broken.

    Raises:
        RadioError: it cannot be opened.
    """
    try:
        radio.receive(1, radio.now())
    except RadioError:
        radio.now()
