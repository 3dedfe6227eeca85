"""Settings of flowgraphs that contradict each other, or leave out what nobody else says, for `fl.radio_conflicts`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fl.lead import Lead
from fl.pluto_conflicts import pluto_lead
from fl.usrp_conflicts import times_apart
from radio.streaming.pace import QUEUE, thread_blocks

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]

CHANNEL_HAS = {
    "carrier_hz", "gain_db", "path_loss_db", "profile", "fading", "delay_spread_s", "k_factor_db", "redraw",
    "offset_ppm", "hardware_seed",
}  # fmt: skip


def flowgraph_bench(config: "Config") -> Iterator[Conflict]:
    """Yield what is wrong with a flowgraph and the way to it; with radios behind it: `fl.radio_conflicts`."""
    about = config.radio.gnuradio
    if about.flowgraph == "channel":
        yield from _channel(config)
    elif about.flowgraph == "pluto":
        yield from _pluto(config)
    elif about.flowgraph == "usrp":
        yield from _usrp(config)
    else:
        yield from _addresses(config)
    if about.is_ours and (about.send or about.hear or about.arguments):
        yield (
            ("radio.gnuradio.flowgraph",),
            f"radio.gnuradio: send, hear and arguments are for flowgraphs of yours, {about.flowgraph} chooses its own "
            "addresses; leave them out",
        )


def flowgraph_lead(config: "Config") -> Lead:
    """Return how far ahead of time a flowgraph must be given what its radios send."""
    about = config.radio.gnuradio
    if about.flowgraph == "pluto":
        return pluto_lead(config)
    apart, uncertainty = 2 * about.block, about.timing_uncertainty
    if about.flowgraph == "usrp":
        apart, uncertainty = times_apart(config), config.radio.usrp.timing_uncertainty
    samples = (1 + thread_blocks(QUEUE)) * about.block + abs(about.delay or 0) + uncertainty
    return Lead(samples, apart, "radio.gnuradio.block", f"buffers of radio.gnuradio.block = {about.block}")


def _channel(config: "Config") -> Iterator[Conflict]:
    air, default = config.radio.loopback, type(config.radio.loopback)()
    for key in type(air).model_fields:
        if key not in CHANNEL_HAS and getattr(air, key) != getattr(default, key):
            yield (
                (f"radio.loopback.{key}", "radio.kind"),
                f"radio.loopback.{key}: the channel flowgraph has no block for it, got {getattr(air, key)}; leave it "
                "out, or set radio.kind = loopback",
            )
    if air.redraw and air.fading:
        yield (
            ("radio.loopback.redraw", "radio.kind"),
            "radio.loopback.redraw: taps of the channel flowgraph stay for the whole run; set radio.loopback.redraw = "
            "false, or radio.kind = loopback",
        )


def _pluto(config: "Config") -> Iterator[Conflict]:
    if config.radio.pluto.emulate:
        yield (
            ("radio.pluto.emulate", "radio.gnuradio.flowgraph"),
            "radio.pluto.emulate: gr-iio needs URIs; start airmeta radio emulate --real-time, and name what it prints "
            "in radio.pluto.uris",
        )
    if config.radio.pluto.trigger == "external":
        yield (
            ("radio.pluto.trigger", "radio.gnuradio.flowgraph"),
            "radio.pluto.trigger: gr-iio starts its streams at no pulse; set radio.pluto.trigger = off, or radio.kind "
            "= pluto",
        )


def _usrp(config: "Config") -> Iterator[Conflict]:
    about, needed = config.radio.usrp, 1 + config.agents.count
    if len(about.devices) < needed:
        yield (
            ("radio.usrp.devices", "agents.count"),
            f"radio.usrp.devices: behind gr-uhd each unit is a device, a server and {config.agents.count} agents need "
            f"{needed}, got {list(about.devices)}; name them all, such as serial=31FD9A5, or set radio.kind = usrp",
        )
    if about.channels:
        yield (
            ("radio.usrp.channels", "radio.gnuradio.flowgraph"),
            f"radio.usrp.channels: gr-uhd takes the first channel of each device, got {list(about.channels)}; leave "
            "them out, or set radio.kind = usrp",
        )
    if "mimo" in (about.clock_source, about.time_source):
        yield (
            ("radio.usrp.clock_source", "radio.usrp.time_source", "radio.gnuradio.flowgraph"),
            "radio.usrp.clock_source: a MIMO cable joins boards of one device, behind gr-uhd each unit is a device; "
            "set both sources to external, or radio.kind = usrp",
        )


def _addresses(config: "Config") -> Iterator[Conflict]:
    about, needed = config.radio.gnuradio, 1 + config.agents.count
    for key in ("send", "hear"):
        found = getattr(about, key)
        if len(found) < needed or len({*about.send, *about.hear}) < len(about.send) + len(about.hear):
            yield (
                (f"radio.gnuradio.{key}", "agents.count"),
                f"radio.gnuradio.{key}: a server and {config.agents.count} agents need {needed} addresses, each once, "
                f"got {list(found)}; name those of the flowgraph's ZMQ blocks, such as tcp://127.0.0.1:5555",
            )
    if about.delay is None:
        yield (
            ("radio.gnuradio.delay",),
            "radio.gnuradio.delay: only you know by how many samples your flowgraph hears later than it sends; set it "
            "(0 for a simulation without filters), airmeta calibrate latency measures what is left",
        )
