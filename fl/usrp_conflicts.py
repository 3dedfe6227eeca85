"""Settings of USRPs that contradict each other, for `fl.radio_conflicts`."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fl.lead import Lead

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]
UNSYNCHRONISED = 0.02  # seconds by which the times of devices differ that are only set one after the other


def usrp_bench(config: "Config") -> Iterator[Conflict]:
    """Yield what is wrong with device strings, channels and sources of clock and time."""
    about = config.radio.usrp
    if not about.devices:
        yield (
            ("radio.usrp.devices",),
            "radio.usrp.devices: at least one device string is needed, got none; uhd_find_devices lists what can be "
            "reached",
        )
    if len(set(about.devices)) < len(about.devices):
        yield (
            ("radio.usrp.devices",),
            "radio.usrp.devices: every device can be named once only; remove the one named twice",
        )
    if len(set(about.channels)) < len(about.channels) or any(channel < 0 for channel in about.channels):
        yield (
            ("radio.usrp.channels",),
            f"radio.usrp.channels: channels are numbers from 0 on, each named once, got {list(about.channels)}; name "
            "each once",
        )
    yield from _sources(config)


def _sources(config: "Config") -> Iterator[Conflict]:
    about, keys = config.radio.usrp, ("radio.usrp.clock_source", "radio.usrp.time_source")
    if (about.clock_source == "mimo") != (about.time_source == "mimo"):
        yield (
            keys,
            f"radio.usrp.time_source: a MIMO cable carries clock and time, got clock_source = {about.clock_source}, "
            f"time_source = {about.time_source}; set both to mimo",
        )
    elif about.clock_source == "mimo" and len(about.devices) > 1:
        yield (
            (*keys, "radio.usrp.devices"),
            f"radio.usrp.clock_source: a MIMO cable joins two motherboards of one device string, got "
            f"{len(about.devices)} strings; write addr0=…,addr1=…",
        )


def usrp_lead(config: "Config") -> Lead:
    """Return how far ahead of time USRPs must be told what to send."""
    about, rate = config.radio.usrp, config.waveform.sample_rate
    samples = math.ceil(about.lead_s * rate) + 3 * about.block + about.timing_uncertainty
    reason = f"radio.usrp.lead_s = {about.lead_s:g} and blocks of radio.usrp.block = {about.block}"
    remedy = "use a shorter lead, a smaller block, or a common time_source"
    return Lead(samples, times_apart(config), "radio.usrp.block", reason, remedy)


def times_apart(config: "Config") -> int:
    """Return by how many samples the times of two devices may differ."""
    about = config.radio.usrp
    alone = about.time_source == "internal" and len(about.devices) > 1
    return math.ceil(UNSYNCHRONISED * config.waveform.sample_rate) if alone else 0
