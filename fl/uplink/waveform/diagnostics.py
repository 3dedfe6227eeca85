"""What the history says about a round on the air besides its outcome."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dsp.channel_estimation import strongest_delay
from dsp.metrics import db
from fl.uplink.roles import TransmitReport
from fl.uplink.waveform.round import MOST_CLIPPED, Round
from fl.uplink.waveform.server import Payload


def of_round(
    on_air: Round, payload: Payload, fraction: np.ndarray, sent: Mapping[int, TransmitReport]
) -> dict[str, Any]:
    """Return what there is to say of a round that was received.

    Args:
        on_air: the round.
        payload: as received.
        fraction: c_i of each agent, shape (n,).
        sent: what the agents report.
    """
    return _reception(on_air) | {
        "noise_db": float(db(payload.element_noise)),
        "agents": {
            agent: _agent(on_air, row, payload, float(fraction[row]), sent.get(agent))
            for row, agent in enumerate(on_air.agents)
            if on_air.granted is not None and on_air.granted.grant.heard[row]
        },
        "masked_fraction": float(1 - active(on_air)[payload.heard].mean()),
    }


def of_nothing(on_air: Round) -> dict[str, Any]:
    """Return what there is to say of a round in which nothing was received."""
    agents = {agent: {"cfo_hz": on_air.corrected(agent)} for agent in sorted(on_air.reports)}
    return _reception(on_air) | {"agents": agents}


def uses(on_air: Round) -> int:
    """Return channel uses of a round: payload with pilots and silent elements, beacon, markers, soundings."""
    places = on_air.places
    return places.data.size + places.pilots.size + places.silent.size + on_air.frame.sounding_uses


def active(on_air: Round) -> np.ndarray:
    """Return on which of its symbols each agent was not truncated, shape (n, M)."""
    width = on_air.modem.numerology.n_subcarriers
    if on_air.granted is None:
        return np.zeros((len(on_air.agents), on_air.places.data.size), bool)
    weights = np.broadcast_to(on_air.granted.grant.weights != 0, (len(on_air.agents), width))
    return weights[:, on_air.places.data % width]


def _reception(on_air: Round) -> dict[str, Any]:
    """Return what the history says of the samples themselves, and a warning where the converter limited them."""
    clipped = on_air.clipped_fraction
    about: dict[str, Any] = {"clipped_fraction": clipped}
    if on_air.station.runs_on:
        about["broken_streams"] = on_air.station.new_breaks()
    if clipped > MOST_CLIPPED:
        about["warning"] = (
            f"{100 * clipped:.2g} % of the server's samples are at full scale; lower its gain "
            "(radio.loopback.gain_db) or waveform.level_dbfs"
        )
    return about


def _agent(on_air: Round, row: int, payload: Payload, fraction: float, sent: TransmitReport | None) -> dict[str, Any]:
    agent = on_air.agents[row]
    link, seen = on_air.links[agent], payload.alignments[row]
    about = {
        "cfo_hz": on_air.corrected(agent),
        "residual_hz": link.residual.frequency,
        "channel_db": float(db(float(np.mean(np.abs(link.channel) ** 2)))),
        "delay_samples": strongest_delay(link.channel, on_air.modem.numerology),
        "papr_db": None if sent is None else sent.papr_db,
        "sent_fraction": fraction,
    }
    if sent is not None and sent.innovation is not None:
        about["trigger_deg"] = float(np.degrees(sent.innovation))
    if seen is not None:
        about |= {
            "pilot_gain_db": seen.gain_db,
            "pilot_phase_deg": seen.phase_deg,
            "pilot_delay_samples": seen.delay_samples,
        }
    return about
