"""The server's part of a round over the waveform, in the order in which it happens on the air.

    beacon -> agents follow -> soundings -> channels -> grant -> trigger -> payload of all -> sum, who was there

Agents and server meet in two places only: the air, and what `fl.uplink.roles` lets pass (mean|s_i|², the correction an
agent applied, the weights). What goes wrong with one agent leaves it out of the round; what goes wrong with the
server's reception raises a `RadioError`, the round fails, and no agent loses its update.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dsp.frame import Frame, PayloadMap, beacon, marker
from dsp.phase_tracking import Track, begin, slope_var
from dsp.sync import USED_REPEATS
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.roles import BeaconReport, SoundingSlot
from fl.uplink.waveform import server as server_side
from fl.uplink.waveform.payload import places_of
from fl.uplink.waveform.reported import Report
from fl.uplink.waveform.server import Granted, Link, Payload
from fl.uplink.waveform.stations import ServerStation
from radio.base import OverrunError, RadioError, Samples

MOST_CLIPPED = 1e-3
UNKNOWN_OFFSET = 1.5  # an agent's own figure for its CFO is for a flat channel: be wider


class Round:
    """The server's stages of one round; call them in the order in which they are written.

    Args:
        station: radio and memory.
        codec: says M, and the seed from which server and agents draw the same map of the payload.
        agents: ids that are scheduled.
        index: of the round.

    Raises:
        ValueError: the round is longer than the period.
    """

    def __init__(self, station: ServerStation, codec: Codec, agents: tuple[int, ...], index: int) -> None:
        self.station, self.modem, self.agents, self.index = station, station.modem, agents, index
        self.is_first = not station.met.issuperset(agents)
        self.frame = self._frame(codec.n_symbols)
        self.modem.check_period(self.frame)
        self.start = station.due(index)
        self.places: PayloadMap = places_of(self.modem, codec, len(agents), index)
        self.excluded: dict[int, str] = {}
        self.reports: dict[int, BeaconReport] = {}
        self.links: dict[int, Link] = {}
        self.granted: Granted | None = None
        self.payload: Payload | None = None
        self.segments: list[tuple[str, Samples]] = []

    def _frame(self, n_symbols: int) -> Frame:
        return self.modem.frame(len(self.agents), n_symbols, self.is_first)

    @property
    def clipped_fraction(self) -> float:
        """Samples at the limit of the server's converter, among all that it has received."""
        received = [samples for _, samples in self.segments]
        return sum(samples.clipped for samples in received) / max(sum(samples.data.size for samples in received), 1)

    @property
    def beacons(self) -> dict[int, Report]:
        """What agents that measured the beacon in place of sounding have reported, and how it is read."""
        return {}

    def call(self) -> dict[int, SoundingSlot]:
        """Send beacon, markers and trigger, and return where the soundings of each agent lie.

        Raises:
            RadioError: the server cannot send.
        """
        self.start = self.station.begin(self.index, self.agents)
        self.station.met.update(self.agents)
        amplitude, numerology = self.modem.level, self.modem.numerology
        radio = self.station.radio()
        radio.transmit((amplitude * beacon(numerology)).astype(np.complex64), self.start)
        for offset in self.frame.markers[0 if self.frame.cycles > 1 else 1 :]:
            radio.transmit((amplitude * marker(numerology)).astype(np.complex64), self.start + offset)
        about = len(self.agents), self.is_first, radio.session
        return {agent: SoundingSlot(self.start, row, *about) for row, agent in enumerate(self.agents)}

    def sound(self) -> None:
        """Receive the soundings.

        Raises:
            RadioError: the reception failed.
        """
        count = len(self.agents) * self.frame.slot_length
        for cycle in range(self.frame.cycles):
            self._hear(f"soundings {cycle}", count, self.start + self.frame.slot(cycle, 0))

    def meet(self, reports: Mapping[int, BeaconReport], absent: Mapping[int, str]) -> None:
        """Find the link of every agent whose soundings the server heard.

        Args:
            reports: of the agents that follow, by id.
            absent: why the others do not, by id.

        Raises:
            RadioError: nobody follows, or the air was silent.
        """
        self.excluded |= absent
        self.reports = {agent: reports[agent] for agent in self.agents if agent in reports and agent not in absent}
        for agent in self.agents:
            if agent not in reports:
                self.excluded.setdefault(agent, "absent: it did not say what it made of the beacon")
        first = self.agents[0]
        if not self.reports:
            self._check_radio()
            raise RadioError(f"no agent heard the beacon; agent {first}: {self.excluded[first]}")
        self.links = self._links()
        if not self.links:
            reason = self.excluded.get(first, "")
            raise RadioError(f"the air was silent: no agent's sounding was heard; agent {first}: {reason}")

    def _check_radio(self) -> None:
        """Check that it is not the server's radio that has failed since the call.

        Raises:
            RadioError: it is.
        """
        radio = self.station.radio()
        at = radio.now()
        if self.station.runs_on:
            radio.receive(1, at)

    def _links(self) -> dict[int, Link]:
        links, cycles = {}, [samples.data for _, samples in self.segments]
        for row, agent in enumerate(self.agents):
            if agent in self.reports:
                soundings = server_side.read_soundings(cycles, self.modem, self.frame, row)
                silence = server_side.silence(soundings[-1], self.modem)
                if silence is None:
                    links[agent] = self._link(row, agent, soundings)
                else:
                    self.excluded[agent] = silence
        return links

    def _link(self, row: int, agent: int, soundings: list[server_side.Sounding]) -> Link:
        middles = [self.start + server_side.slot_middle(self.modem, self.frame, c, row) for c in range(len(soundings))]
        cfo, cfo_std = self.reports[agent].cfo, self.reports[agent].cfo_std
        tracked, time = self.station.tracks.get(agent), middles[0] / self.modem.sample_rate
        if tracked is None:
            span = USED_REPEATS * self.modem.numerology.n_fft / self.modem.sample_rate
            wander = slope_var(self.modem.linewidth, span) ** 0.5
            before = begin(time, 0.0, UNKNOWN_OFFSET * cfo_std + wander + 1.0)
        else:
            before = server_side.residual_track(tracked, -cfo, time, self.modem)
        link = server_side.follow_link(soundings, middles, self.modem, before)
        self.follow(agent, link.residual)
        return link

    def corrected(self, agent: int) -> float:
        """Return the carrier offset in Hz that an agent takes back."""
        return self.reports[agent].cfo

    def follow(self, agent: int, residual: Track) -> None:
        """Note what an agent's own correction has left of its carrier offset."""
        state = np.array([0.0, residual.frequency - self.corrected(agent)])
        self.station.tracks[agent] = replace(residual, state=state)

    def grant(self, control: PowerControl, symbol_power: np.ndarray) -> Granted:
        """Return the decision on all agents; who has no link has no channel.

        Args:
            control: the rule; its σ² is replaced by what the server measured.
            symbol_power: mean|s_i|² as the agents report it, shape (n,).
        """
        channels = np.zeros((len(self.agents), self.modem.numerology.n_subcarriers), complex)
        for row, agent in enumerate(self.agents):
            if agent in self.links:
                channels[row] = self.links[agent].channel
        noise_var = max(float(np.mean([link.noise_var for link in self.links.values()])), 1e-30)
        power = np.where(channels.any(1), symbol_power, 0.0)
        control = replace(control, noise_var=noise_var)
        granted = server_side.decide(control, self.modem, self.agents, power, channels, self._misalignment())
        granted.grant.excluded.update(self.excluded)
        self.granted, self.excluded = granted, granted.grant.excluded
        return granted

    def _misalignment(self) -> np.ndarray | None:
        return server_side.misalignment(self.links, self.agents, self.modem, self.frame)

    def receive(self, granted: Granted) -> Payload:
        """Return the superposed symbols and who was there.

        Raises:
            RadioError: the reception failed, or no granted agent was there.
        """
        samples = self._hear("payload", self.frame.payload_length, self.start + self.frame.payload)
        self.payload = payload = server_side.read_payload(samples, self.modem, granted, self.places)
        for row in np.flatnonzero(granted.grant.heard & ~payload.heard):
            self.excluded.setdefault(self.agents[row], "silent: granted, but none of its pilots arrived")
        if not payload.heard.any():
            raise RadioError("the air was silent: of all granted agents, no pilots arrived; look at the agents' radios")
        return payload

    def _hear(self, label: str, count: int, at: int) -> np.ndarray:
        heard = self.station.radio().receive(count, at)
        self.segments.append((label, heard))
        if heard.lost:
            raise OverrunError(
                f"the server lost {heard.lost} of {count} samples of the {label}; lower the sample rate or the load of "
                "the machine"
            )
        return heard.data
