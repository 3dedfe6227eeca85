"""Whether radios can do a round: one beacon, one set of soundings, and what each says of an agent. No payload."""

from dataclasses import dataclass, replace

import numpy as np

from dsp.channel_estimation import strongest_delay
from dsp.metrics import db
from fl.uplink.codec import Codec
from fl.uplink.grant import PowerControl
from fl.uplink.roles import reason_of
from fl.uplink.waveform.both_sides import BothSides
from fl.uplink.waveform.round import MOST_CLIPPED, Round
from fl.uplink.waveform.settings import Modem
from fl.uplink.waveform.stations import Stations
from radio.base import RadioError


@dataclass(frozen=True)
class Finding:
    """What a probe says of an agent; None where it did not get so far.

    Args:
        agent: id.
        verdict: "good", "no beacon", "silent", "too strong", "prefix too short" or "too weak".
        reason: of a verdict that is not good, and what to change.
        cfo_hz: of the server's carrier as the agent receives it.
        cfo_ppm: the same over the carrier.
        delay_samples: of the strongest path of its sounding, against the server's clock.
        channel_db: mean |H|² over the subcarriers.
        snr_db: the same over the noise of a resource element.
        residual_hz: of its carrier at the server, after its own correction.
    """

    agent: int
    verdict: str
    reason: str = ""
    cfo_hz: float | None = None
    cfo_ppm: float | None = None
    delay_samples: float | None = None
    channel_db: float | None = None
    snr_db: float | None = None
    residual_hz: float | None = None

    @property
    def was_heard(self) -> bool:
        """Whether beacon and sounding arrived."""
        return self.snr_db is not None


def probe(
    stations: Stations, agents: tuple[int, ...], control: PowerControl, seed: int, round_index: int = 0
) -> list[Finding]:
    """Return what the server finds out about agents in one round that ends after the soundings.

    Args:
        stations: radios and memory.
        agents: ids, no more than fit a round.
        control: the rule by which they would be granted a payload, all with the same update.
        seed: of the run.
        round_index: when: beacons of two rounds are a period apart.
    """
    sides = BothSides(Codec(1, 1, "identity", "lmmse", "bernoulli_gaussian", seed), 1, control, stations)
    absent: dict[int, str] = {}
    failure = ""
    try:
        reports = sides.meet(agents, round_index, absent)
        refused = dict(sides.server.decide(agents, round_index, dict.fromkeys(agents, 1.0), reports, absent).excluded)
    except RadioError as error:
        failure, refused = reason_of(error), absent
    on_air = sides.server.round
    return [_finding(on_air, agent, refused.get(agent, failure)) for agent in agents]


def _finding(on_air: Round, agent: int, reason: str) -> Finding:
    if agent not in on_air.reports:
        return Finding(agent, "no beacon", reason)
    cfo, link = on_air.reports[agent].cfo, on_air.links.get(agent)
    found = Finding(agent, "silent", reason, cfo, 1e6 * cfo / on_air.modem.carrier)
    if link is None:
        return found
    gain, delay = float(np.mean(np.abs(link.channel) ** 2)), strongest_delay(link.channel, on_air.modem.numerology)
    found = replace(
        found,
        delay_samples=delay,
        channel_db=float(db(gain)),
        snr_db=float(db(gain / max(link.noise_var, 1e-30))),
        residual_hz=link.residual.frequency,
    )
    if on_air.clipped_fraction > MOST_CLIPPED:
        strong = (
            f"{100 * on_air.clipped_fraction:.2g} % of the server's samples are at full scale; lower its gain "
            "(radio.loopback.gain_db) or waveform.level_dbfs"
        )
        return replace(found, verdict="too strong", reason=strong)
    outside = outside_prefix(delay, link.delay + on_air.modem.delay_spread, on_air.modem)
    if outside is not None:
        return replace(found, verdict="prefix too short", reason=outside)
    if reason:
        remedy = (
            "; bring it nearer or raise a gain, in a simulation raise uplink.snr_db or lower "
            "radio.loopback.path_loss_db; a notch costs headroom, P/(σ²·mean 1/|H|²), that the SNR does not show: "
            "uplink.min_headroom_db"
        )
        return replace(found, verdict="too weak", reason=reason + remedy)
    return replace(found, verdict="good")


def outside_prefix(strongest: float, end: float, modem: Modem) -> str | None:
    """Return why symbols of a channel would run into one another; None if the window sees one at a time.

    Args:
        strongest: delay of the strongest path, in samples.
        end: of the delays that the receiver allows for.
        modem: the waveform.
    """
    lead, prefix = modem.numerology.window_lead, modem.numerology.cyclic_prefix
    if strongest < -lead:
        needed = int(np.ceil(-strongest))
        return (
            f"it arrives {-strongest:g} samples early, the window allows for {lead}; set waveform.window_lead >= "
            f"{needed} and waveform.cyclic_prefix >= {prefix + needed - lead}"
        )
    if end > prefix - lead:
        return (
            f"its last echoes may come {end:g} samples late, the window allows for {prefix - lead}; set "
            f"waveform.cyclic_prefix >= {int(np.ceil(end)) + lead}, or measure its latency"
        )
    return None
