"""Settings of radios that contradict each other, or leave out what nobody may assume, for `fl.conflicts`."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fl.radio_config import Loopback
from fl.radios import modem
from fl.uplink.waveform.agent import LISTENING
from fl.uplink.waveform.stations import FIRST_BEACON
from fl.usrp_conflicts import usrp_bench, usrp_needs
from radio.pluto.pace import LOCK_STEP_BLOCKS, thread_blocks
from radio.pluto.uris import is_uri, malformed

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]


def radio_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield every conflict of a configuration whose radios are PlutoSDRs or USRPs."""
    kind = config.radio.kind
    if kind == "loopback":
        return
    yield from _assumed(config)
    yield from _bench(config) if kind == "pluto" else usrp_bench(config)
    yield from _permission(config)
    if not math.isnan(config.radio.carrier):
        yield from _band(config)
    yield from _times(config)


def _assumed(config: "Config") -> Iterator[Conflict]:
    """Yield what nobody may assume, and what only a simulation has."""
    kind = config.radio.kind
    if math.isnan(config.radio.carrier):
        yield (
            (f"radio.{kind}.carrier_hz",),
            f"radio.{kind}.carrier_hz: there is no default; set the frequency in Hz that you may use",
        )
    if config.radio.is_simulated:
        return
    or_emulate = ", or set radio.pluto.emulate = true" if kind == "pluto" else ""
    if _impairments(config.radio.loopback) != _impairments(Loopback()):
        yield (
            ("radio.loopback", "radio.kind"),
            "radio.loopback: impairments are of a simulated air, these radios are real; leave the table "
            f"out{or_emulate}",
        )
    default = type(config.uplink).model_fields["snr_db"].default
    if config.uplink.snr_db != default:
        yield (
            ("uplink.snr_db", "radio.kind"),
            f"uplink.snr_db: real radios have the SNR that they have, got {config.uplink.snr_db:g}; leave it out and "
            f"set waveform.level_dbfs and radio.{kind}.tx_attenuation_db",
        )


def _bench(config: "Config") -> Iterator[Conflict]:
    about, needed = config.radio.pluto, 1 + config.agents.count
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
    yield from _uris(about.uris)
    if about.trigger == "external" and about.emulate and not about.waits:
        yield (
            ("radio.pluto.trigger", "radio.pluto.clock"),
            "radio.pluto.trigger: nobody fires the external pulse of virtual radios in real time; set "
            "radio.pluto.clock = lock-step, or radio.pluto.trigger = auto",
        )


def _uris(uris: tuple[str, ...]) -> Iterator[Conflict]:
    wrong = [uri for uri in uris if not is_uri(uri)]
    if wrong:
        yield ("radio.pluto.uris",), f"radio.pluto.uris: {malformed(wrong[0])}"
    twice = dict.fromkeys(uri for uri in uris if uris.count(uri) > 1)
    if twice:
        yield (
            ("radio.pluto.uris",),
            f"radio.pluto.uris: every radio can be named once only, got {', '.join(twice)} more often; name each once",
        )


def _impairments(air: Loopback) -> dict[str, object]:
    """Return what a simulated air is told to do; when its channels are drawn anew does no harm where it is real."""
    return air.model_dump(exclude={"redraw"})


def _permission(config: "Config") -> Iterator[Conflict]:
    for key in ("medium", "authorised_band"):
        if getattr(config.radio.tx, key) is None:
            yield (
                (f"radio.tx.{key}",),
                f"radio.tx.{key}: nothing is transmitted without; set radio.tx.medium to cable or antenna, and "
                "radio.tx.authorised_band to the [low, high] in Hz in which you may transmit",
            )


def _band(config: "Config") -> Iterator[Conflict]:
    band, kind = config.radio.tx.authorised_band, config.radio.kind
    if band is None:
        return
    if not band[0] < band[1]:
        yield (
            ("radio.tx.authorised_band",),
            f"radio.tx.authorised_band: must rise from low to high, got [{band[0]:.12g}, {band[1]:.12g}]; write the "
            "lower frequency first",
        )
        return
    keys = f"radio.{kind}.carrier_hz", f"radio.{kind}.bandwidth_hz", "waveform.sample_rate", "waveform.half_width"
    filters, occupied = _filters(config), _occupied(config)
    if filters < occupied:
        yield (
            keys[1:],
            f"radio.{kind}.bandwidth_hz: filters must let through the {occupied / 1e6:.6g} MHz that the subcarriers "
            f"occupy, got {filters / 1e6:.6g} MHz; widen them, or lower waveform.half_width or waveform.sample_rate",
        )
    width = max(filters, occupied)
    low, high = config.radio.carrier - width / 2, config.radio.carrier + width / 2
    if not band[0] <= low < high <= band[1]:
        yield (
            ("radio.tx.authorised_band", *keys),
            f"radio.{kind}.carrier_hz: a signal from {low / 1e6:.6g} to {high / 1e6:.6g} MHz must lie inside "
            f"radio.tx.authorised_band, {band[0] / 1e6:.6g} to {band[1] / 1e6:.6g} MHz; choose another carrier, or "
            f"make the signal narrower (waveform.half_width, waveform.sample_rate) and then radio.{kind}.bandwidth_hz",
        )


def _filters(config: "Config") -> float:
    """Return the width in Hz of the analogue filters; the digital ones of USRPs keep within the sample rate."""
    rate = config.waveform.sample_rate
    if config.radio.kind == "usrp":
        return min(config.radio.usrp.bandwidth_hz or math.inf, rate)
    return config.radio.pluto.bandwidth_hz or rate


def _occupied(config: "Config") -> float:
    """Return the width in Hz of the subcarriers; one more than the sample rate is reported with the waveform."""
    wave = config.waveform
    return min((2 * wave.half_width + 1) / wave.n_fft, 1.0) * wave.sample_rate


def _times(config: "Config") -> Iterator[Conflict]:
    """Yield spans that are shorter than it takes to hear a block, and to have samples ready for the transmitter."""
    wave, (lead, search, remedy) = config.waveform, _needs(config)
    try:
        found = modem(wave, config.radio.carrier)
    except ValueError:
        return  # reported with the waveform
    spans = {"response_s": (found.response, lead + LISTENING)}
    if found.trigger_lead is not None:
        spans["trigger_lead_s"] = (found.trigger_lead, lead)
    spans["turnaround_s"] = (found.turnaround, lead)
    spans["search_s"] = (found.search, search)
    spans["round_period_s"] = (round(FIRST_BEACON * found.period), lead)
    for key, (samples, needed) in spans.items():
        if samples < needed:
            least = needed / wave.sample_rate / (FIRST_BEACON if key == "round_period_s" else 1)
            share = "a fifth of it " if key == "round_period_s" else ""
            yield (
                (f"waveform.{key}", f"radio.{config.radio.kind}.block", "waveform.sample_rate"),
                f"waveform.{key}: {share}must leave {needed} samples for {remedy[0]}, got {samples}; set it to "
                f"{math.ceil(1e4 * least) / 1e4:g} or more, or {remedy[1]}",
            )


def _needs(config: "Config") -> tuple[int, int, tuple[str, str]]:
    """Return samples by which bursts must be handed over early, those by which counters differ, for what, a remedy."""
    if config.radio.kind == "usrp":
        return usrp_needs(config)
    about = config.radio.pluto
    blocks = LOCK_STEP_BLOCKS if about.waits else thread_blocks(about.queue)
    lead = (1 + blocks) * about.block + about.antenna_delay + about.timing_uncertainty
    search = 0 if about.emulate else 2 * about.block  # counters of virtual ones are set exactly
    return lead, search, (f"buffers of radio.pluto.block = {about.block}", "use a smaller block")
