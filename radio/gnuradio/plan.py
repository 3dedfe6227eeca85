"""What flowgraph is to be run, and what nobody else says about it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """What is to be run, and what nobody else says about it.

    Args:
        label: what errors call it.
        units: how many.
        sample_rate: in Hz.
        command: interpreter, script and arguments; empty: somebody else runs it.
        wanted: what one of ours is told; None: it is not ours, and says nothing.
        send: addresses at which it fetches what is to be sent; empty for one of ours: chosen here.
        hear: addresses at which it hands over what is heard.
        real_time: whether it has a clock of its own: a radio, or a throttle.
        delay: samples heard less samples sent at the same instant; None: to be learned.
        held: samples that one without a clock keeps back.
        block: samples handed over at a time.
        timeout: seconds without samples after which it has stalled.
    """

    label: str
    units: int
    sample_rate: float
    command: tuple[str, ...] = ()
    wanted: dict[str, Any] | None = None
    send: tuple[str, ...] = ()
    hear: tuple[str, ...] = ()
    real_time: bool = False
    delay: int | None = 0
    held: int = 0
    block: int = 4096
    timeout: float = 5.0
