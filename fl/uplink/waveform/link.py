"""The uplink `waveform`: updates to symbols, a round on the air, the received sum back to an update."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import to_device

from dsp.channel_estimation import strongest_delay
from dsp.metrics import db, nmse_db
from dsp.phase_tracking import Track
from fl.uplink.base import Delivery, Offer
from fl.uplink.codec import Codec, like, mean_power, real_like
from fl.uplink.grant import PowerControl
from fl.uplink.waveform.agent import Clock
from fl.uplink.waveform.capture import Capture
from fl.uplink.waveform.round import MOST_CLIPPED, Round, Sent
from fl.uplink.waveform.server import Granted, Link, Payload
from fl.uplink.waveform.settings import check_radio
from fl.uplink.waveform.stations import Stations
from radio.base import RadioError


@dataclass
class WaveformUplink:
    """Analog transmission as a waveform, through radios.

    Args:
        codec: from updates to symbols and back.
        kept_entries: k of top-k.
        power_control: the rule; its σ² is replaced by what the server measures.
        stations: radios and memory.
        observe: called with the capture of every round; None: nobody watches.
        round_of: how a round is made; `downlink` has its own, the genie of `oracle` too.
    """

    codec: Codec
    kept_entries: int
    power_control: PowerControl
    stations: Stations
    observe: Callable[[Capture], None] | None = None
    round_of: Callable[[Stations, tuple[int, ...], int, int, int], Round] = Round

    def __post_init__(self) -> None:
        server = self.stations.server
        check_radio(self.stations.modem, server.timing_uncertainty, server.timing_repeatability)

    @property
    def n_symbols(self) -> int:
        """M, complex channel uses of a round for data."""
        return self.codec.n_symbols

    def deliver(self, offer: Offer, round_index: int) -> Delivery:
        """Return what the server recovers from the superposed payloads of this round."""
        on_air = self.round_of(self.stations, offer.agents, self.n_symbols, round_index, self.codec.seed)
        symbols = self.codec.sensing_of(round_index).forward(offer.kept)
        plain = np.asarray(to_device(symbols, "cpu"))
        links: dict[int, Link] = {}
        granted = payload = wanted = estimate = None
        try:
            on_air.call()
            links = on_air.sound()
            granted = on_air.grant(self.power_control, mean_power(symbols), links)
            if not granted.grant.heard.any():
                return self._nothing(on_air, granted.grant.excluded, None)
            sent = on_air.send(plain, links, granted)
            payload = on_air.receive(granted)
            shares = sent.fraction * payload.heard
            wanted = shares.astype(np.float32) @ plain
            recovery = self.codec.recover(
                like(symbols, payload.scaled), real_like(symbols, payload.noise_var), round_index
            )
            estimate = np.asarray(to_device(recovery.estimate, "cpu"))
            active = _active(on_air, granted)
            return Delivery(
                total=recovery.estimate,
                heard=payload.heard,
                sent_fraction=sent.fraction,
                excluded=dict(granted.grant.excluded),
                channel_uses=self.n_symbols,
                channel_uses_total=_uses(on_air),
                common_scale=granted.grant.common_scale,
                receive_snr_db=float(db(payload.receive_snr)),
                transmit_power=_of_heard(sent.power, on_air.agents, payload),
                predicted_nmse_db=float(db(float(recovery.predicted_nmse))),
                oracle_symbol_nmse_db=float(nmse_db(payload.scaled, wanted)),
                diagnostics=_diagnostics(on_air, links, granted, sent, payload)
                | {
                    "masked_fraction": float(1 - active[payload.heard].mean()),
                    "oracle_sent_symbol_nmse_db": float(
                        nmse_db(payload.scaled, (shares[:, None] * active * plain).sum(0))
                    ),
                },
            )
        except RadioError as error:
            excluded = on_air.excluded if granted is None else granted.grant.excluded
            return self._nothing(on_air, excluded, f"{type(error).__name__}: {error}")
        finally:
            if self.observe is not None:
                heard = on_air.agents, on_air.start, on_air.frame, on_air.places, tuple(on_air.segments)
                self.observe(Capture(round_index, *heard, links, granted, payload, wanted, estimate, on_air.reports))

    def _nothing(self, on_air: Round, excluded: dict[int, str], failure: str | None) -> Delivery:
        """Return a round in which nothing was delivered: nobody fit to send, or not received."""
        n = len(on_air.agents)
        about = _reception(on_air) | {
            "agents": {agent: {"cfo_hz": follower.cfo} for agent, follower in sorted(on_air.followers.items())}
        }
        return Delivery(
            None, np.zeros(n, bool), np.ones(n), dict(excluded), self.n_symbols, _uses(on_air),
            failure=failure, diagnostics=about,
        )  # fmt: skip

    def state(self) -> dict[str, np.ndarray]:
        """Return what has to be kept between two rounds: clocks of the agents, tracks of the server, who was met."""
        clocks = [(i, c.own, c.server, c.offset) for i, c in sorted(self.stations.clocks.items())]
        tracks = [(i, t.time, *t.state, *t.covariance.ravel()) for i, t in sorted(self.stations.tracks.items())]
        return {
            "clocks": np.array(clocks, np.float64).reshape(-1, 4),
            "tracks": np.array(tracks, np.float64).reshape(-1, 8),
            "met": np.array(sorted(self.stations.met), np.int64),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a `state`; radios whose time runs on have begun to count anew, and are met again."""
        stations = self.stations
        if stations.runs_on:
            return
        stations.met = set(state["met"].tolist())
        stations.clocks = {int(row[0]): Clock(row[1], int(row[2]), row[3]) for row in state["clocks"].tolist()}
        stations.tracks = {
            int(row[0]): Track(float(row[1]), row[2:4].copy(), row[4:].reshape(2, 2)) for row in state["tracks"]
        }


def _uses(on_air: Round) -> int:
    """Return channel uses of a round: payload with pilots and silent elements, beacon, markers, soundings."""
    places = on_air.places
    return places.data.size + places.pilots.size + places.silent.size + on_air.frame.sounding_uses


def _active(on_air: Round, granted: Granted) -> np.ndarray:
    """Return on which of its symbols each agent was not truncated, shape (n, M)."""
    width = on_air.modem.numerology.n_subcarriers
    active = np.broadcast_to(granted.grant.weights != 0, (len(on_air.agents), width))
    return active[:, on_air.places.data % width]


def _of_heard(values: dict[int, float], agents: tuple[int, ...], payload: Payload) -> dict[int, float]:
    return {agent: values[agent] for agent, heard in zip(agents, payload.heard, strict=True) if heard}


def _diagnostics(
    on_air: Round, links: dict[int, Link], granted: Granted, sent: Sent, payload: Payload
) -> dict[str, Any]:
    """Return what the history says about a round on the air besides its outcome."""
    return _reception(on_air) | {
        "noise_db": float(db(payload.element_noise)),
        "agents": {
            agent: _agent(on_air, row, links[agent], sent, payload)
            for row, agent in enumerate(on_air.agents)
            if granted.grant.heard[row]
        },
    }


def _reception(on_air: Round) -> dict[str, Any]:
    """Return what the history says of the samples themselves, and a warning where the converter limited them."""
    clipped = on_air.clipped_fraction
    about: dict[str, Any] = {"clipped_fraction": clipped}
    if on_air.stations.runs_on:
        about["broken_streams"] = on_air.stations.new_breaks()
    if clipped > MOST_CLIPPED:
        about["warning"] = (
            f"{100 * clipped:.2g} % of the server's samples are at full scale; lower its gain "
            "(radio.loopback.gain_db) or waveform.level_dbfs"
        )
    return about


def _agent(on_air: Round, row: int, link: Link, sent: Sent, payload: Payload) -> dict[str, Any]:
    agent = on_air.agents[row]
    seen, correction = payload.alignments[row], on_air.corrections.get(agent)
    about = {
        "cfo_hz": on_air.followers[agent].cfo,
        "residual_hz": link.residual.frequency,
        "channel_db": float(db(float(np.mean(np.abs(link.channel) ** 2)))),
        "delay_samples": strongest_delay(link.channel, on_air.modem.numerology),
        "papr_db": sent.papr_db.get(agent),
        "sent_fraction": float(sent.fraction[row]),
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
