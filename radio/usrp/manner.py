"""How the radios of a host are run."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from radio.usrp.device import Device
from radio.usrp.pace import Pace
from radio.usrp.sources import Sources


@dataclass(frozen=True)
class Manner:
    """How radios are run, all of a host alike.

    Args:
        pace: what keeps their streams running.
        sources: of clock and time.
        block: samples that are fetched at once.
        lead: seconds by which a burst must be handed over ahead of time, beside two blocks.
        timing_uncertainty: samples by which a burst may leave early or late.
        epoch: with which names of sessions begin; "" for one that nobody else has.
        pause: waits so many seconds.
        share: gives devices the time that all hosts share, in which index 0 is 0 s; None: this host has its own.
    """

    pace: Pace
    sources: Sources
    block: int = 2048
    lead: float = 0.01
    timing_uncertainty: int = 1
    epoch: str = ""
    pause: Callable[[float], None] = time.sleep
    share: Callable[[list[Device], Sources, Callable[[float], None]], None] | None = None
