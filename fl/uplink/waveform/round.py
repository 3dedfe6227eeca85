"""A round over the waveform, in the order in which it happens on the air.

    beacon -> agents follow -> soundings -> channels -> grant -> trigger -> payload of all -> sum, who was there

Agents and server meet in two places only: the air, and the reports and grants of the control plane (mean|s_i|², the
correction an agent applied, the weights). What goes wrong with one agent leaves it out of the round; what goes wrong
with the server's reception raises a `RadioError`, the round fails, and no agent loses its update.
"""

from dataclasses import dataclass, replace

import numpy as np

from dsp.frame import Frame, PayloadMap, beacon, map_payload, marker, sounding
from dsp.metrics import papr_db
from dsp.ofdm import modulate
from dsp.phase_tracking import Track, begin, slope_var
from dsp.sync import USED_REPEATS, NotDetected, Reference
from fl.streams import Purpose, stream
from fl.uplink.grant import PowerControl
from fl.uplink.waveform import agent as agent_side
from fl.uplink.waveform import server as server_side
from fl.uplink.waveform.agent import Correction, Follower
from fl.uplink.waveform.reported import Report
from fl.uplink.waveform.server import Granted, Link, Payload
from fl.uplink.waveform.stations import Stations
from radio.base import OverrunError, RadioError, Samples

PEAK = 0.999
MOST_CLIPPED = 1e-3
UNKNOWN_OFFSET = 1.5  # an agent's own figure for its CFO is for a flat channel: be wider


@dataclass(frozen=True)
class Sent:
    """What the agents did with their symbols.

    Args:
        fraction: c_i <= 1, what of each update was sent, shape (n,).
        power: mean |x_i|² of the data over P, by id.
        papr_db: of each payload, by id.
    """

    fraction: np.ndarray
    power: dict[int, float]
    papr_db: dict[int, float]


class Round:
    """The stages of one round; call them in the order in which they are written.

    Args:
        stations: radios and memory.
        agents: ids that are scheduled.
        n_symbols: M.
        index: of the round.
        seed: of the run; server and agents draw the same map of the payload from it.

    Raises:
        ValueError: the round is longer than the period.
    """

    def __init__(self, stations: Stations, agents: tuple[int, ...], n_symbols: int, index: int, seed: int) -> None:
        self.stations, self.modem, self.agents, self.index = stations, stations.modem, agents, index
        self.frame = self._frame(n_symbols)
        self.modem.check_period(self.frame)
        self.start = stations.due(index)
        rng = stream(seed, Purpose.PILOTS, index)
        self.places: PayloadMap = map_payload(self.modem.numerology, n_symbols, len(agents), self.modem.pilots, rng)
        self.excluded: dict[int, str] = {}
        self.followers: dict[int, Follower] = {}
        self.corrections: dict[int, Correction] = {}
        self.segments: list[tuple[str, Samples]] = []
        self.reports: dict[int, Report] = {}

    def _frame(self, n_symbols: int) -> Frame:
        first = not self.stations.met.issuperset(self.agents)
        return self.modem.frame(len(self.agents), n_symbols, first)

    @property
    def clipped_fraction(self) -> float:
        """Samples at the limit of the server's converter, among all that it has received."""
        received = [samples for _, samples in self.segments]
        return sum(samples.clipped for samples in received) / max(sum(samples.data.size for samples in received), 1)

    def call(self) -> None:
        """Let the server send beacon, markers and trigger, and every agent find the beacon and answer.

        Raises:
            RadioError: the server cannot send, or nobody heard the beacon.
        """
        self.start = self.stations.begin(self.index, self.agents)
        self.stations.met.update(self.agents)
        amplitude, numerology = self.modem.level, self.modem.numerology
        server = self.stations.server
        server.transmit((amplitude * beacon(numerology)).astype(np.complex64), self.start)
        for offset in self.frame.markers[0 if self.frame.cycles > 1 else 1 :]:
            server.transmit((amplitude * marker(numerology)).astype(np.complex64), self.start + offset)
        for row in self._in_turn():
            agent = self.agents[row]
            try:
                self._answer(row, agent)
            except NotDetected as error:  # its clock runs on: look for the next beacon where it is due
                self.excluded[agent] = f"{type(error).__name__}: {error}"
            except RadioError as error:
                self.excluded[agent] = f"{type(error).__name__}: {error}"
                self.stations.clocks.pop(agent, None)
        if not self.followers:
            at = server.now()  # if the server's radio has failed meanwhile, that is why
            if self.stations.runs_on:
                server.receive(1, at)
            raise RadioError(f"no agent heard the beacon; agent {self.agents[0]}: {self.excluded[self.agents[0]]}")

    def _in_turn(self) -> list[int]:
        """Return the rows, agents of a known clock first.

        On a simulated air time stands still but for who listens, and a newcomer listens long if it hears nothing. Who
        is first among the newcomers changes, so that a deaf one keeps the others out for a round at most.
        """
        known = [row for row, agent in enumerate(self.agents) if agent in self.stations.clocks]
        new = [row for row, agent in enumerate(self.agents) if agent not in self.stations.clocks]
        turn = self.index % len(new) if new else 0
        return known + new[turn:] + new[:turn]

    def _answer(self, row: int, agent: int) -> None:
        radio = self.stations.radio_of(agent)
        follower = self._follow(agent)
        wave = (self.modem.level * sounding(self.modem.numerology)).astype(np.complex64)
        for cycle in range(self.frame.cycles):
            samples, first = agent_side.on_air(self.modem, follower, wave, self.start + self.frame.slot(cycle, row))
            radio.transmit(self._turn_sounding(agent, samples, first), first)
        self.followers[agent] = follower
        self.stations.learn_clock(agent, follower.clock)

    def _follow(self, agent: int) -> Follower:
        return agent_side.follow(self.stations.radio_of(agent), self.modem, self.start, self.stations.clock(agent))

    def _turn_sounding(self, _agent: int, samples: np.ndarray, _first: int) -> np.ndarray:
        return samples

    def sound(self) -> dict[int, Link]:
        """Return the link of every agent whose soundings the server heard.

        Raises:
            RadioError: the reception failed, or the air was silent.
        """
        count = len(self.agents) * self.frame.slot_length
        cycles = [
            self._hear(f"soundings {cycle}", count, self.start + self.frame.slot(cycle, 0))
            for cycle in range(self.frame.cycles)
        ]
        links = {}
        for row, agent in enumerate(self.agents):
            if agent in self.followers:
                soundings = server_side.read_soundings(cycles, self.modem, self.frame, row)
                silence = server_side.silence(soundings[-1], self.modem)
                if silence is None:
                    links[agent] = self._link(row, agent, soundings)
                else:
                    self.excluded[agent] = silence
        if not links:
            reason = self.excluded[self.agents[0]]
            raise RadioError(f"the air was silent: no agent's sounding was heard; agent {self.agents[0]}: {reason}")
        return links

    def _link(self, row: int, agent: int, soundings: list[server_side.Sounding]) -> Link:
        middles = [self.start + server_side.slot_middle(self.modem, self.frame, c, row) for c in range(len(soundings))]
        cfo, cfo_std = self.followers[agent].cfo, self.followers[agent].cfo_std
        tracked, time = self.stations.tracks.get(agent), middles[0] / self.modem.sample_rate
        if tracked is None:
            span = USED_REPEATS * self.modem.numerology.n_fft / self.modem.sample_rate
            wander = slope_var(self.modem.linewidth, span) ** 0.5
            before = begin(time, 0.0, UNKNOWN_OFFSET * cfo_std + wander + 1.0)
        else:
            before = server_side.residual_track(tracked, -cfo, time, self.modem)
        link = server_side.follow_link(soundings, middles, self.modem, before)
        self.stations.tracks[agent] = _absolute(link.residual, cfo)
        return link

    def grant(self, control: PowerControl, symbol_power: np.ndarray, links: dict[int, Link]) -> Granted:
        """Return the decision on all agents; who has no link has no channel.

        Args:
            control: the rule; its σ² is replaced by what the server measured.
            symbol_power: mean|s_i|² as the agents report it, shape (n,).
            links: of the agents that were heard.
        """
        channels = np.zeros((len(self.agents), self.modem.numerology.n_subcarriers), complex)
        for row, agent in enumerate(self.agents):
            if agent in links:
                channels[row] = links[agent].channel
        noise_var = max(float(np.mean([link.noise_var for link in links.values()])), 1e-30)
        power = np.where(channels.any(1), symbol_power, 0.0)
        control = replace(control, noise_var=noise_var)
        granted = server_side.decide(control, self.modem, self.agents, power, channels, self._misalignment(links))
        granted.grant.excluded.update(self.excluded)
        return granted

    def _misalignment(self, links: dict[int, Link]) -> np.ndarray | None:
        return server_side.misalignment(links, self.agents, self.modem, self.frame)

    def send(self, symbols: np.ndarray, links: dict[int, Link], granted: Granted) -> Sent:
        """Let the granted agents put their payload on the air, and return what they report.

        An agent scales down, never clips: to its power if the exact energy exceeds it, to full scale if a peak does.

        Args:
            symbols: s_i, shape (n, M).
            links: of the agents that were heard.
            granted: the decision.
        """
        rows = np.flatnonzero(granted.grant.heard)
        agents = [self.agents[row] for row in rows]
        fraction = granted.grant.sent_fraction.copy()
        grid = server_side.payload_grid(symbols, self.modem, granted, self.places, rows)
        energy = np.sqrt(np.mean(np.abs(grid[:, self.places.data]) ** 2, axis=-1))
        excess = np.maximum(1.0, energy)
        fraction[rows] /= excess
        grid /= excess[:, None].astype(np.float32)
        shape = len(rows), self.places.symbols, self.modem.numerology.n_subcarriers
        waves = modulate(grid.reshape(shape), self.modem.numerology) * np.float32(self.modem.level)
        followers = [self.followers[agent] for agent in agents]
        at = self.start + self.frame.payload
        samples, firsts = agent_side.on_air_together(self.modem, followers, waves, at)
        for place, (row, agent) in enumerate(zip(rows, agents, strict=True)):
            try:
                burst = self._turn_payload(agent, links[agent], samples[place], firsts[place])
                scale = min(1.0, PEAK / float(np.abs(burst).max()))
                fraction[row] *= scale
                self.stations.radio_of(agent).transmit(burst * np.float32(scale), firsts[place])
            except RadioError as error:
                granted.grant.excluded[agent] = f"{type(error).__name__}: {error}"
        power = (energy / excess) ** 2
        return Sent(fraction, dict(zip(agents, power.tolist(), strict=True)),
                    dict(zip(agents, papr_db(waves).tolist(), strict=True)))  # fmt: skip

    def _turn_payload(self, agent: int, link: Link, samples: np.ndarray, first: int) -> np.ndarray:
        """Return the payload turned back by what the uplink's phase has moved since the sounding."""
        follower, markers = self.followers[agent], [self.start + offset for offset in self.frame.markers]
        opening = (follower.opening, follower.opened)
        if markers[0] != follower.opened:
            opening = self._listen(agent, markers[0])
        closing = self._listen(agent, markers[1])
        trigger = self._listen(agent, markers[2]) if len(markers) > 2 else None
        found = agent_side.correct(self.modem, link.residual, link.sounded_at, opening, closing, trigger)
        self.corrections[agent] = found
        self.stations.tracks[agent] = _absolute(found.track, follower.cfo)
        server = self.start + (first + np.arange(samples.size) - follower.clock.own) * (1 + follower.clock.offset)
        cycles = found.phase / (2 * np.pi) + found.frequency / self.modem.sample_rate * (server - found.at)
        return agent_side.turn(samples, -cycles)

    def _listen(self, agent: int, at: int) -> tuple[Reference, int]:
        """Return the marker that leaves the server at index `at`, and that index."""
        return agent_side.listen(self.stations.radio_of(agent), self.modem, self.followers[agent], at), at

    def receive(self, granted: Granted) -> Payload:
        """Return the superposed symbols and who was there.

        Raises:
            RadioError: the reception failed, or no granted agent was there.
        """
        samples = self._hear("payload", self.frame.payload_length, self.start + self.frame.payload)
        payload = server_side.read_payload(samples, self.modem, granted, self.places)
        for row in np.flatnonzero(granted.grant.heard & ~payload.heard):
            granted.grant.excluded.setdefault(self.agents[row], "silent: granted, but none of its pilots arrived")
        if not payload.heard.any():
            raise RadioError("the air was silent: of all granted agents, no pilots arrived; look at the agents' radios")
        return payload

    def _hear(self, label: str, count: int, at: int) -> np.ndarray:
        heard = self.stations.server.receive(count, at)
        self.segments.append((label, heard))
        if heard.lost:
            raise OverrunError(
                f"the server lost {heard.lost} of {count} samples of the {label}; lower the sample rate or the load of "
                "the machine"
            )
        return heard.data


def _absolute(residual: Track, corrected: float) -> Track:
    """Return the track of a carrier offset before correction: what was left, less what was taken."""
    return replace(residual, state=np.array([0.0, residual.frequency - corrected]))
