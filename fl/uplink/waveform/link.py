"""A round over the waveform, in the order in which it happens on the air.

    beacon -> agents follow -> soundings -> channels -> grant -> trigger -> payload of all -> sum, who was there

Agents and server meet in two places only: the air, and the reports and grants of the control plane (mean|s_i|², the
correction an agent applied, the weights). What goes wrong with one agent leaves it out of the round; what goes wrong
with the server's reception fails the round, and no agent loses its update.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dsp.frame import Frame, PayloadMap, beacon, map_payload, marker, sounding
from dsp.metrics import db, nmse_db, papr_db
from dsp.ofdm import modulate
from dsp.phase_tracking import Track, begin
from dsp.sync import NotDetected
from fl.streams import Purpose, stream
from fl.uplink.base import Delivery, Offer
from fl.uplink.codec import Codec, like, mean_power, real_like
from fl.uplink.grant import PowerControl
from fl.uplink.waveform import agent as agents_side
from fl.uplink.waveform import server as server_side
from fl.uplink.waveform.agent import Clock, Correction, Follower
from fl.uplink.waveform.oracle import Oracle
from fl.uplink.waveform.server import Granted, Link, Payload
from fl.uplink.waveform.settings import Modem, check_radio
from radio.base import Radio, RadioError, Samples

FIRST_BEACON = 0.2  # of a period, before the first round's beacon
PEAK = 0.999
UNKNOWN_OFFSET = 1.5  # an agent's own figure for its CFO is for a flat channel: be wider


@dataclass(frozen=True)
class Capture:
    """What the server received in a round, and what it knew: enough to decode it again.

    Args:
        round_index: of the run.
        agents: ids, in the order of the rows of `granted`.
        segments: label and samples of each reception.
        granted: the decision in force.
        places: map of the payload.
        frame: where everything lies, from `start` on.
        start: index of the beacon.
    """

    round_index: int
    agents: tuple[int, ...]
    segments: tuple[tuple[str, Samples], ...]
    granted: Granted | None
    places: PayloadMap
    frame: Frame
    start: int


@dataclass
class WaveformUplink:
    """Analog transmission as a waveform, through radios.

    Args:
        codec: from updates to symbols and back.
        kept_entries: k of top-k.
        power_control: the rule; its σ² is replaced by what the server measures.
        modem: the waveform.
        server: the server's radio.
        radio_of: the radio of an agent.
        oracle: for the genie of a bench; None: everything is estimated.
        observe: called with the capture of every round; None: nobody watches.
    """

    codec: Codec
    kept_entries: int
    power_control: PowerControl
    modem: Modem
    server: Radio
    radio_of: Callable[[int], Radio]
    oracle: Oracle | None = None
    observe: Callable[[Capture], None] | None = None
    _clocks: dict[int, Clock] = field(default_factory=dict)
    _tracks: dict[int, Track] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_radio(
            self.modem, self.server.timing_uncertainty, self.server.timing_repeatability, self.power_control.rule
        )

    @property
    def n_symbols(self) -> int:
        """M, complex channel uses of a round for data."""
        return self.codec.n_symbols

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return what the server recovers from the superposed payloads of this round."""
        try:
            return _Round(self, offer, round_index).run()
        except RadioError as error:
            n = len(offer.agents)
            return Delivery(None, np.zeros(n, bool), np.ones(n), failure=f"{type(error).__name__}: {error}")

    def state(self) -> dict[str, np.ndarray]:
        """Return what has to be kept between two rounds: clocks of the agents, tracks of the server."""
        clocks = [(i, c.own, c.server, c.offset) for i, c in sorted(self._clocks.items())]
        tracks = [(i, t.time, *t.state, *t.covariance.ravel()) for i, t in sorted(self._tracks.items())]
        return {
            "clocks": np.array(clocks, np.float64).reshape(-1, 4),
            "tracks": np.array(tracks, np.float64).reshape(-1, 8),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`."""
        self._clocks = {int(row[0]): Clock(row[1], int(row[2]), row[3]) for row in state["clocks"]}
        self._tracks = {int(row[0]): Track(row[1], row[2:4].copy(), row[4:].reshape(2, 2)) for row in state["tracks"]}


class _Round:
    """The steps of one round; every step reads what the ones before it left."""

    def __init__(self, uplink: WaveformUplink, offer: Offer, round_index: int) -> None:
        self.uplink, self.offer, self.index = uplink, offer, round_index
        self.modem, self.server, self.codec = uplink.modem, uplink.server, uplink.codec
        self.symbols = uplink.codec.sensing_of(round_index).forward(offer.kept)
        n = len(offer.agents)
        first = any(agent not in uplink._tracks for agent in offer.agents)
        self.frame = self.modem.frame(n, uplink.n_symbols, first)
        if self.frame.end > self.modem.period:
            fs = self.modem.sample_rate
            raise ValueError(
                f"a round of {n} agents lasts {self.frame.end / fs:.3f} s, more than round_period "
                f"({self.modem.period / fs:.3f} s); set waveform.round_period_s >= {1.25 * self.frame.end / fs:.2f}"
            )
        self.start = round(self.modem.period * (round_index + FIRST_BEACON))
        rng = stream(self.codec.seed, Purpose.PILOTS, round_index)
        self.places = map_payload(self.modem.numerology, uplink.n_symbols, n, self.modem.pilots, rng)
        self.excluded: dict[int, str] = {}
        self.followers: dict[int, Follower] = {}
        self.segments: list[tuple[str, Samples]] = []
        self.corrections: dict[int, Correction] = {}
        self.clipped = self.received = 0

    def run(self) -> Delivery:
        self._downlink()
        self._follow()
        if not self.followers:
            return self._failed("no agent heard the beacon: " + next(iter(self.excluded.values())))
        links = self._sound()
        granted = self._grant(links)
        if not granted.grant.heard.any():
            self._show(granted)
            return self._failed(None, granted.grant.excluded)
        sent, fraction = self._send(links, granted)
        payload = self._receive(granted)
        return self._deliver(links, granted, payload, sent, fraction)

    def _downlink(self) -> None:
        """Queue beacon, markers and trigger."""
        amplitude, numerology = self.modem.level, self.modem.numerology
        at = self.start
        self.server.transmit((amplitude * beacon(numerology)).astype(np.complex64), at)
        for offset in self.frame.markers[0 if self.frame.cycles > 1 else 1 :]:
            self.server.transmit((amplitude * marker(numerology)).astype(np.complex64), at + offset)

    def _follow(self) -> None:
        """Let every agent find the beacon and answer with its soundings."""
        wave = (self.modem.level * sounding(self.modem.numerology)).astype(np.complex64)
        for row, agent in enumerate(self.offer.agents):
            radio = self.uplink.radio_of(agent)
            try:
                follower = self._follower(agent, radio)
                for cycle in range(self.frame.cycles):
                    samples, first = agents_side.on_air(
                        self.modem, follower, wave, self.start + self.frame.slot(cycle, row)
                    )
                    radio.transmit(self._turned(agent, samples, first), first)
                self.followers[agent] = follower
                self.uplink._clocks[agent] = follower.clock
            except (NotDetected, RadioError) as error:
                self.excluded[agent] = f"{type(error).__name__}: {error}"
                self.uplink._clocks.pop(agent, None)

    def _follower(self, agent: int, radio: Radio) -> Follower:
        if self.uplink.oracle is not None:
            return self.uplink.oracle.follower(_unit(radio), self.start, self.frame)
        return agents_side.follow(radio, self.modem, self.start, self.uplink._clocks.get(agent))

    def _turned(self, agent: int, samples: np.ndarray, first: int) -> np.ndarray:
        if self.uplink.oracle is None:
            return samples
        return self.uplink.oracle.turn(_unit(self.uplink.radio_of(agent)), samples, first).astype(np.complex64)

    def _sound(self) -> dict[int, Link]:
        """Receive all cycles; return the link of every agent that follows."""
        cycles = []
        for cycle in range(self.frame.cycles):
            count = len(self.offer.agents) * self.frame.slot_length
            cycles.append(self._hear(f"soundings {cycle}", count, self.start + self.frame.slot(cycle, 0)))
        links = {}
        for row, agent in enumerate(self.offer.agents):
            if agent not in self.followers:
                continue
            middles = [
                self.start + server_side.slot_middle(self.modem, self.frame, cycle, row)
                for cycle in range(self.frame.cycles)
            ]
            soundings = server_side.read_soundings(cycles, self.modem, self.frame, row)
            start = self._residual(agent, middles[0] / self.modem.sample_rate)
            links[agent], _ = server_side.follow_link(soundings, middles, self.modem, start)
            if self.uplink.oracle is not None:
                links[agent] = self._true_link(agent, links[agent])
        return links

    def _residual(self, agent: int, time: float) -> Track:
        """Return what is known of an agent's residual frequency from its report and from earlier rounds."""
        follower, tracked = self.followers[agent], self.uplink._tracks.get(agent)
        if tracked is None:
            return begin(time, 0.0, UNKNOWN_OFFSET * follower.cfo_std + 1.0)
        return server_side.residual_track(tracked, -follower.cfo, time, self.modem)

    def _true_link(self, agent: int, link: Link) -> Link:
        oracle, radio = self.uplink.oracle, self.uplink.radio_of(agent)
        assert oracle is not None  # noqa: S101
        still = begin(link.sounded_at / self.modem.sample_rate, 0.0, 1e-6)
        return replace(link, channel=oracle.channel(_unit(radio), self.start + self.frame.payload), residual=still)

    def _grant(self, links: dict[int, Link]) -> Granted:
        """Decide on all rows of the offer; who has no link has no channel."""
        n, width = len(self.offer.agents), self.modem.numerology.n_subcarriers
        channels = np.zeros((n, width), complex)
        for row, agent in enumerate(self.offer.agents):
            if agent in links:
                channels[row] = links[agent].channel
        noise_var = max(float(np.mean([link.noise_var for link in links.values()])), 1e-30)
        control = replace(self.uplink.power_control, noise_var=noise_var)
        powers = np.where(channels.any(1), mean_power(self.symbols), 0.0)
        granted = server_side.decide(control, self.modem, self.offer.agents, powers, channels)
        granted.grant.excluded.update(self.excluded)
        return granted

    def _send(self, links: dict[int, Link], granted: Granted) -> tuple[np.ndarray, np.ndarray]:
        """Let the granted agents send; return s_i as NumPy, shape (n, M), and c_i <= 1, shape (n,)."""
        s = np.asarray(self.symbols.tolist()) if not hasattr(self.symbols, "numpy") else self.symbols.cpu().numpy()
        rows = np.flatnonzero(granted.grant.heard)
        fraction = granted.grant.sent_fraction.copy()
        grid = self._grid(s, granted, rows, fraction)
        energy = np.sqrt(np.mean(np.abs(grid[:, self._data_elements()]) ** 2, axis=-1))
        fraction[rows] /= np.maximum(1.0, energy)
        grid /= np.maximum(1.0, energy)[:, None].astype(np.float32)
        waves = self.modem.level * modulate(
            grid.reshape(len(rows), self.places.symbols, -1), self.modem.numerology
        ).astype(np.complex64)
        at = self.start + self.frame.payload
        agents = [self.offer.agents[row] for row in rows]
        followers = [self.followers[agent] for agent in agents]
        samples, firsts = agents_side.on_air_together(self.modem, followers, waves, at)
        self.papr = dict(zip(agents, papr_db(waves).tolist(), strict=True))
        self.sent_power = dict(zip(agents, (np.minimum(1.0, energy) ** 2).tolist(), strict=True))
        for place, (row, agent) in enumerate(zip(rows, agents, strict=True)):
            radio = self.uplink.radio_of(agent)
            try:
                burst = self._phased(agent, links[agent], samples[place], firsts[place])
                peak = float(np.abs(burst).max())
                if peak > PEAK:  # scale down, never clip, and say so
                    fraction[row] *= PEAK / peak
                    burst = burst * np.float32(PEAK / peak)
                radio.transmit(burst, firsts[place])
            except RadioError as error:
                granted.grant.excluded[agent] = f"{type(error).__name__}: {error}"
        return s, fraction

    def _data_elements(self) -> np.ndarray:
        return self.places.data

    def _grid(self, s: np.ndarray, granted: Granted, rows: np.ndarray, fraction: np.ndarray) -> np.ndarray:
        """Return the resource elements of the agents in `rows`, in units of √P, shape (len(rows), elements)."""
        width = self.modem.numerology.n_subcarriers
        grid = np.zeros((len(rows), self.places.symbols * width), np.complex64)
        weights = np.broadcast_to(granted.grant.weights, (len(granted.grant.heard), width))
        where = self.places.data % width
        grid[:, self.places.data] = (weights[rows] * fraction[rows, None])[:, where] * s[rows]
        for place, row in enumerate(rows):
            held = self.places.pilots[row]
            grid[place, held] = granted.pilot_weights[row, held % width] * self.places.pilot_values[row]
        return grid

    def _phased(self, agent: int, link: Link, samples: np.ndarray, first: int) -> np.ndarray:
        """Return the payload turned back by what the uplink's phase has moved since the sounding."""
        follower, oracle = self.followers[agent], self.uplink.oracle
        if oracle is not None:
            unit = _unit(self.uplink.radio_of(agent))
            turned = oracle.turn(unit, samples, first)
            return (turned / oracle.front_end_gain(unit, turned)).astype(np.complex64)
        closing_at = self.start + self.frame.markers[1]
        radio = self.uplink.radio_of(agent)
        closing = agents_side.listen(radio, self.modem, follower, closing_at), closing_at
        trigger = None
        if len(self.frame.markers) > 2:
            at = self.start + self.frame.markers[2]
            trigger = agents_side.listen(radio, self.modem, follower, at), at
        if self.frame.cycles > 1:
            at = self.start + self.frame.markers[0]
            follower = replace(follower, opening=agents_side.listen(radio, self.modem, follower, at), opened=at)
        found = agents_side.correct(self.modem, follower, link.residual, link.sounded_at, closing, trigger)
        self.corrections[agent] = found
        offset = replace(found.track, state=np.array([0.0, found.track.frequency - follower.cfo]))
        self.uplink._tracks[agent] = offset
        server = (first + np.arange(samples.size) - follower.clock.own) * (1 + follower.clock.offset) + self.start
        phase = found.phase + 2 * np.pi * found.frequency / self.modem.sample_rate * (server - found.at)
        return (samples * np.exp(-1j * phase)).astype(np.complex64)

    def _receive(self, granted: Granted) -> Payload:
        samples = self._hear("payload", self.frame.payload_length, self.start + self.frame.payload)
        self._show(granted)
        return server_side.read_payload(samples, self.modem, granted, self.places)

    def _hear(self, label: str, count: int, at: int) -> np.ndarray:
        heard = self.server.receive(count, at)
        self.segments.append((label, heard))
        self.clipped += heard.clipped
        self.received += count
        return heard.data

    def _show(self, granted: Granted | None) -> None:
        if self.uplink.observe is not None:
            segments = tuple(self.segments)
            self.uplink.observe(
                Capture(self.index, self.offer.agents, segments, granted, self.places, self.frame, self.start)
            )

    def _failed(self, reason: str | None, excluded: dict[int, str] | None = None) -> Delivery:
        n = len(self.offer.agents)
        return Delivery(
            None, np.zeros(n, bool), np.ones(n), excluded or self.excluded, self.uplink.n_symbols,
            self.uplink.n_symbols + self.frame.sounding_uses, failure=reason,
        )  # fmt: skip

    def _deliver(
        self, links: dict[int, Link], granted: Granted, payload: Payload, s: np.ndarray, fraction: np.ndarray
    ) -> Delivery:
        """Recover the sum over the agents heard, and compare with the truth what only a simulation can compare."""
        grant, excluded = granted.grant, dict(granted.grant.excluded)
        for row in np.flatnonzero(grant.heard & ~payload.heard):
            excluded.setdefault(self.offer.agents[row], "silent: granted, but none of its pilots arrived")
        if not payload.heard.any():
            return self._failed("the air was silent: no granted agent's pilots arrived", excluded)
        recovery = self.codec.recover(
            like(self.symbols, payload.scaled), real_like(self.symbols, payload.noise_var), self.index
        )
        share = (fraction * payload.heard)[:, None]
        width = self.modem.numerology.n_subcarriers
        active = np.broadcast_to(grant.weights != 0, (len(fraction), width))[:, self.places.data % width]
        full, untruncated = (share * s).sum(0), (share * active * s).sum(0)
        elements = len(self.places.pilots.ravel()) + len(self.places.silent)
        about = {
            "oracle_sent_symbol_nmse_db": float(nmse_db(payload.scaled, untruncated)),
            "masked_fraction": float(1 - active[payload.heard].mean()),
            "noise_db": float(db(payload.element_noise)),
            "clipped_fraction": self.clipped / max(self.received, 1),
            "agents": {
                agent: self._agent(row, agent, links, payload)
                for row, agent in enumerate(self.offer.agents)
                if agent in links and grant.heard[row]
            },
        }
        return Delivery(
            total=recovery.estimate,
            heard=payload.heard,
            sent_fraction=fraction,
            excluded=excluded,
            channel_uses=self.uplink.n_symbols,
            channel_uses_total=self.uplink.n_symbols + elements + self.frame.sounding_uses,
            common_scale=grant.common_scale,
            receive_snr_db=float(db(payload.receive_snr)),
            transmit_power={a: p for a, p in self.sent_power.items() if payload.heard[self.offer.agents.index(a)]},
            predicted_nmse_db=float(db(float(recovery.predicted_nmse))),
            oracle_symbol_nmse_db=float(nmse_db(payload.scaled, full)),
            diagnostics=about,
        )

    def _agent(self, row: int, agent: int, links: dict[int, Link], payload: Payload) -> dict[str, Any]:
        follower, link, seen = self.followers[agent], links[agent], payload.alignments[row]
        correction = self.corrections.get(agent)
        about = {
            "cfo_hz": follower.cfo,
            "residual_hz": link.residual.frequency,
            "channel_db": float(db(float(np.mean(np.abs(link.channel) ** 2)))),
            "delay_samples": link.delay,
            "papr_db": self.papr.get(agent),
        }
        if correction is not None and correction.innovation is not None:
            about["trigger_deg"] = float(np.degrees(correction.innovation))
        if seen is not None:
            about |= {
                "pilot_gain_db": seen.gain_db,
                "pilot_phase_deg": seen.phase_deg,
                "pilot_delay_samples": seen.delay_samples,
            }
        return about


def _unit(radio: Radio) -> int:
    """Return the unit of a loopback radio on its air; only the oracle asks."""
    unit: int = radio.unit  # type: ignore[attr-defined]
    return unit
