"""Both sides of an uplink in one process, and between them what `fl.uplink.roles` lets pass."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dsp.sync import NotDetected
from fl.uplink.base import Array
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.roles import BeaconReport, Decision, SoundingSlot, TransmitReport, reason_of
from fl.uplink.waveform.agent_role import WaveformAgent
from fl.uplink.waveform.manner import Manner
from fl.uplink.waveform.server_role import WaveformServer
from fl.uplink.waveform.stations import ServerStation, Stations
from radio.base import RadioError


@dataclass
class BothSides:
    """A server and agents on the air.

    Args:
        codec: from updates to symbols and back.
        kept_entries: k of top-k.
        power_control: the rule; its σ² is replaced by what the server measures.
        stations: the radios; one that is exchanged counts from the next round on.
        manner: how rounds are made; `downlink` has its own, the genie of `oracle` too.
        server: the server's side.
        agents: the agents' sides, by id; each is made when it first takes part.
        carried: what payloads carried of their updates, by id, when agents sent last.
    """

    codec: Codec
    kept_entries: int
    power_control: PowerControl
    stations: Stations
    manner: Manner = field(default_factory=Manner)
    server: WaveformServer = field(init=False)
    agents: dict[int, WaveformAgent] = field(default_factory=dict, init=False)
    carried: dict[int, Array] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        stations = self.stations
        station = ServerStation(
            stations.modem, lambda: stations.server, stations.runs_on, stations.breaks, stations.renew
        )
        self.server = WaveformServer(self.codec, self.power_control, station, round_of=self.manner.round_of)

    def agent(self, agent: int) -> WaveformAgent:
        """Return an agent's side."""
        if agent not in self.agents:
            stations = self.stations
            plain = WaveformAgent(
                self.codec, self.kept_entries, stations.modem, lambda: stations.radio_of(agent), stations.runs_on, True
            )
            self.agents[agent] = self.manner.agent_of(agent, plain)
        return self.agents[agent]

    def meet(self, agents: tuple[int, ...], round_index: int, absent: dict[int, str]) -> dict[int, BeaconReport]:
        """Let the server call, and agents answer and sound; return their reports.

        Args:
            agents: ids.
            round_index: of the run.
            absent: gets the reason of each agent that cannot follow.

        Raises:
            RadioError: the server's radio has failed.
        """
        reports, slots = {}, self.server.call(agents, round_index)
        for agent in self._in_turn(slots, round_index):
            try:
                reports[agent] = self.agent(agent).follow(slots[agent])
            except (NotDetected, RadioError) as error:
                absent[agent] = reason_of(error)
        if reports:
            self.server.sound()
        return reports

    def _in_turn(self, slots: Mapping[int, SoundingSlot], round_index: int) -> list[int]:
        """Return the agents, those of a known clock first.

        On a simulated air time stands still but for who listens, and a newcomer listens long if it hears nothing. Who
        is first among the newcomers changes, so that a deaf one keeps the others out for a round at most.
        """
        known = [agent for agent in slots if self.agent(agent).clock is not None]
        new = [agent for agent in slots if self.agent(agent).clock is None]
        turn = round_index % len(new) if new else 0
        return known + new[turn:] + new[:turn]

    def send(self, decision: Decision, absent: dict[int, str]) -> dict[int, TransmitReport]:
        """Let the granted agents put their payload on the air, and return what they report.

        Args:
            decision: the server's.
            absent: gets the reason of each agent that cannot send.
        """
        sent: dict[int, TransmitReport] = {}
        self.carried = {agent: self.agent(agent).prepare(grant) for agent, grant in decision.grants.items()}
        for agent in decision.grants:
            try:
                sent[agent] = self.agent(agent).transmit()
            except RadioError as error:
                absent[agent] = reason_of(error)
        return sent
