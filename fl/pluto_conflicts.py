"""Settings of PlutoSDRs that contradict each other, for `fl.radio_conflicts`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fl.lead import Lead
from radio.pluto.uris import is_uri, malformed
from radio.streaming.lock_step import LOCK_STEP_BLOCKS
from radio.streaming.pace import thread_blocks

if TYPE_CHECKING:
    from fl.config import Config

Conflict = tuple[tuple[str, ...], str]


def pluto_bench(config: "Config") -> Iterator[Conflict]:
    """Yield what is wrong with URIs, and with how streams are started."""
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


def pluto_lead(config: "Config") -> Lead:
    """Return how far ahead of time PlutoSDRs must be told what to send."""
    about = config.radio.pluto
    blocks = LOCK_STEP_BLOCKS if about.waits else thread_blocks(about.queue)
    samples = (1 + blocks) * about.block + about.antenna_delay + about.timing_uncertainty
    apart = 0 if about.emulate else 2 * about.block  # counters of virtual ones are set exactly
    return Lead(samples, apart, "radio.pluto.block", f"buffers of radio.pluto.block = {about.block}")
