"""Settings of PlutoSDRs that contradict each other, or leave out what nobody may assume, for `fl.conflicts`."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fl.radios import modem
from fl.uplink.waveform.agent import LISTENING
from fl.uplink.waveform.stations import FIRST_BEACON
from radio.pluto.pace import LOCK_STEP_BLOCKS, thread_blocks

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]


def radio_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield every conflict of a configuration whose radios are PlutoSDRs."""
    if config.radio.kind != "pluto":
        return
    yield from _bench(config)
    yield from _permission(config)
    if config.radio.pluto.carrier_hz is not None:
        yield from _band(config)
    yield from _times(config)


def _bench(config: "Config") -> Iterator[Conflict]:
    about, needed = config.radio.pluto, 1 + config.agents.count
    if about.carrier_hz is None:
        yield (
            ("radio.pluto.carrier_hz",),
            "radio.pluto.carrier_hz: there is no default; set the frequency in Hz that you may use",
        )
    if about.emulate and about.uris:
        yield (
            ("radio.pluto.uris", "radio.pluto.emulate"),
            "radio.pluto.uris: virtual radios are started in this process, got URIs as well; leave one of both out",
        )
    if not about.emulate and len(about.uris) < needed:
        yield (
            ("radio.pluto.uris", "agents.count"),
            f"radio.pluto.uris: a server and {config.agents.count} agents need {needed} radios, got "
            f"{len(about.uris)}; name them all, lower agents.count, or set radio.pluto.emulate = true",
        )
    if len(set(about.uris)) < len(about.uris):
        yield ("radio.pluto.uris",), "radio.pluto.uris: every radio can be named once only; remove the one named twice"
    if not config.radio.is_simulated and config.radio.loopback != type(config.radio.loopback)():
        yield (
            ("radio.loopback", "radio.kind"),
            "radio.loopback: impairments are of a simulated air, these radios are real; leave the table out, or set "
            "radio.pluto.emulate = true",
        )
    default = type(config.uplink).model_fields["snr_db"].default
    if not about.emulate and config.uplink.snr_db != default:
        yield (
            ("uplink.snr_db", "radio.kind"),
            f"uplink.snr_db: real radios have the SNR that they have, got {config.uplink.snr_db:g}; leave it out and "
            "set waveform.level_dbfs and radio.pluto.tx_attenuation_db",
        )


def _permission(config: "Config") -> Iterator[Conflict]:
    for key in ("medium", "authorised_band"):
        if getattr(config.radio.tx, key) is None:
            yield (
                (f"radio.tx.{key}",),
                f"radio.tx.{key}: nothing is transmitted without; set radio.tx.medium to cable or antenna, and "
                "radio.tx.authorised_band to the [low, high] in Hz in which you may transmit",
            )


def _band(config: "Config") -> Iterator[Conflict]:
    band, about = config.radio.tx.authorised_band, config.radio.pluto
    if band is None:
        return
    width = about.bandwidth_hz or config.waveform.sample_rate
    low, high = config.radio.carrier - width / 2, config.radio.carrier + width / 2
    if not band[0] <= low < high <= band[1]:
        yield (
            ("radio.tx.authorised_band", "radio.pluto.carrier_hz", "radio.pluto.bandwidth_hz", "waveform.sample_rate"),
            f"radio.pluto.carrier_hz: a signal from {low / 1e6:.6g} to {high / 1e6:.6g} MHz must lie inside "
            f"radio.tx.authorised_band, {band[0] / 1e6:.6g} to {band[1] / 1e6:.6g} MHz; choose another carrier or a "
            "smaller radio.pluto.bandwidth_hz",
        )


def _times(config: "Config") -> Iterator[Conflict]:
    """Yield spans that are shorter than it takes to hear a block, and to have one ready for the transmitter."""
    about, wave = config.radio.pluto, config.waveform
    blocks = LOCK_STEP_BLOCKS if about.waits else thread_blocks(about.queue)
    lead = (1 + blocks) * about.block + about.antenna_delay + about.timing_uncertainty
    try:
        found = modem(wave, config.radio.carrier)
    except ValueError:
        return  # reported with the waveform
    spans = {"response_s": (found.response, lead + LISTENING)}
    if found.trigger_lead is not None:
        spans["trigger_lead_s"] = (found.trigger_lead, lead)
    spans["turnaround_s"] = (found.turnaround, lead)
    if not about.emulate:  # counters of virtual ones are set exactly
        spans["search_s"] = (found.search, 2 * about.block)
    spans["round_period_s"] = (round(FIRST_BEACON * found.period), lead)
    for key, (samples, needed) in spans.items():
        if samples < needed:
            least = needed / wave.sample_rate / (FIRST_BEACON if key == "round_period_s" else 1)
            yield (
                (f"waveform.{key}", "radio.pluto.block", "waveform.sample_rate"),
                f"waveform.{key}: must leave {needed} samples for buffers of radio.pluto.block = {about.block}, got "
                f"{samples}; set it to {math.ceil(1e4 * least) / 1e4:g} or more, or use a smaller block",
            )
