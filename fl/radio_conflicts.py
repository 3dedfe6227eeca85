"""Settings of radios that contradict each other, or leave out what nobody may assume, for `fl.conflicts`.

Here is what all radios have in common; the rest is with each kind.
"""

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from fl.gnuradio_conflicts import flowgraph_bench, flowgraph_lead
from fl.lead import Lead
from fl.pluto_conflicts import pluto_bench, pluto_lead
from fl.radio_config import Loopback
from fl.radios import modem
from fl.uplink.waveform.agent import LISTENING
from fl.uplink.waveform.stations import FIRST_BEACON
from fl.usrp_conflicts import usrp_bench, usrp_lead

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]
BENCHES: dict[str, Callable[["Config"], Iterator[Conflict]]] = {
    "pluto": pluto_bench,
    "usrp": usrp_bench,
    "gnuradio": flowgraph_bench,
}
LEADS: dict[str, Callable[["Config"], Lead]] = {
    "pluto": pluto_lead,
    "usrp": usrp_lead,
    "gnuradio": flowgraph_lead,
}


def radio_conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield every conflict of a configuration whose radios are no loopback."""
    radio = config.radio
    if radio.kind == "loopback":
        return
    for kind in dict.fromkeys((radio.kind, radio.table)):  # a flowgraph, and what is behind it
        if kind in BENCHES:
            yield from BENCHES[kind](config)
    if radio.table == "loopback":
        return
    yield from _assumed(config)
    if radio.kind == "gnuradio" and not radio.gnuradio.radiates:
        return
    yield from _permission(config)
    if not math.isnan(radio.carrier):
        yield from _band(config)
    yield from _times(config, LEADS[radio.kind](config))


def _assumed(config: "Config") -> Iterator[Conflict]:
    """Yield what nobody may assume, and what only a simulation of ours has."""
    table = config.radio.table
    if math.isnan(config.radio.carrier):
        yield (
            (f"radio.{table}.carrier_hz",),
            f"radio.{table}.carrier_hz: there is no default; set the frequency in Hz that you may use",
        )
    if config.radio.is_simulated:
        return
    is_theirs = table == "gnuradio"  # whatever is behind a flowgraph
    if _impairments(config.radio.loopback) != _impairments(Loopback()):
        whose = "this flowgraph has its own" if is_theirs else "these radios are real"
        or_emulate = ", or set radio.pluto.emulate = true" if config.radio.kind == "pluto" else ""
        yield (
            ("radio.loopback", "radio.kind"),
            f"radio.loopback: impairments are of a simulated air, {whose}; leave the table out{or_emulate}",
        )
    default = type(config.uplink).model_fields["snr_db"].default
    if config.uplink.snr_db != default:
        whose = "this flowgraph has the SNR that it has" if is_theirs else "real radios have the SNR that they have"
        and_attenuation = "" if is_theirs else f" and radio.{table}.tx_attenuation_db"
        yield (
            ("uplink.snr_db", "radio.kind"),
            f"uplink.snr_db: {whose}, got {config.uplink.snr_db:g}; leave it out and set waveform.level_dbfs"
            f"{and_attenuation}",
        )


def _impairments(air: Loopback) -> dict[str, object]:
    """Return what a simulated air is told to do; when channels are drawn anew, or who hangs, does no harm elsewhere."""
    return air.model_dump(exclude={"redraw", "step_timeout_s"})


def _permission(config: "Config") -> Iterator[Conflict]:
    """Yield what is missing before anything may be sent."""
    for key in ("medium", "authorised_band"):
        if getattr(config.radio.tx, key) is None:
            yield (
                (f"radio.tx.{key}",),
                f"radio.tx.{key}: nothing is transmitted without; set radio.tx.medium to cable or antenna, and "
                "radio.tx.authorised_band to the [low, high] in Hz in which you may transmit",
            )


def _band(config: "Config") -> Iterator[Conflict]:
    band, table = config.radio.tx.authorised_band, config.radio.table
    if band is None:
        return
    if not band[0] < band[1]:
        yield (
            ("radio.tx.authorised_band",),
            f"radio.tx.authorised_band: must rise from low to high, got [{band[0]:.12g}, {band[1]:.12g}]; write the "
            "lower frequency first",
        )
        return
    keys = f"radio.{table}.carrier_hz", f"radio.{table}.bandwidth_hz", "waveform.sample_rate", "waveform.half_width"
    filters, occupied = config.radio.bandwidth(config.waveform.sample_rate), _occupied(config)
    if filters < occupied:
        yield (
            keys[1:],
            f"radio.{table}.bandwidth_hz: filters must let through the {occupied / 1e6:.6g} MHz that the subcarriers "
            f"occupy, got {filters / 1e6:.6g} MHz; widen them, or lower waveform.half_width or waveform.sample_rate",
        )
    width = max(filters, occupied)
    low, high = config.radio.carrier - width / 2, config.radio.carrier + width / 2
    if not band[0] <= low < high <= band[1]:
        yield (
            ("radio.tx.authorised_band", *keys),
            f"radio.{table}.carrier_hz: a signal from {low / 1e6:.6g} to {high / 1e6:.6g} MHz must lie inside "
            f"radio.tx.authorised_band, {band[0] / 1e6:.6g} to {band[1] / 1e6:.6g} MHz; choose another carrier, or "
            f"make the signal narrower (waveform.half_width, waveform.sample_rate) and then radio.{table}.bandwidth_hz",
        )


def _occupied(config: "Config") -> float:
    """Return the width in Hz of the subcarriers; one more than the sample rate is reported with the waveform."""
    wave = config.waveform
    return min((2 * wave.half_width + 1) / wave.n_fft, 1.0) * wave.sample_rate


def _times(config: "Config", lead: Lead) -> Iterator[Conflict]:
    """Yield spans that are shorter than it takes to hear a block, and to have samples ready for the transmitter."""
    wave = config.waveform
    try:
        found = modem(wave, config.radio.carrier)
    except ValueError:
        return  # reported with the waveform
    spans = {"response_s": (found.response, lead.samples + LISTENING)}
    if found.trigger_lead is not None:
        spans["trigger_lead_s"] = (found.trigger_lead, lead.samples)
    spans["turnaround_s"] = (found.turnaround, lead.samples)
    spans["search_s"] = (found.search, lead.apart)
    spans["round_period_s"] = (round(FIRST_BEACON * found.period), lead.samples)
    for key, (samples, needed) in spans.items():
        if samples < needed:
            least = needed / wave.sample_rate / (FIRST_BEACON if key == "round_period_s" else 1)
            share = "a fifth of it " if key == "round_period_s" else ""
            yield (
                (f"waveform.{key}", lead.block, "waveform.sample_rate"),
                f"waveform.{key}: {share}must leave {needed} samples for {lead.reason}, got {samples}; set it to "
                f"{math.ceil(1e4 * least) / 1e4:g} or more, or {lead.remedy}",
            )
