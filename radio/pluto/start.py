"""How the streams of a radio are started: as they come, at a pulse of its own, or at one that comes from outside.

Stock firmware starts each stream at some instant of its own; where there is a TDD controller, both start at one pulse.
Either way the offset between them is learned, not assumed.
"""

import logging
from typing import Literal, Protocol

from radio.base import RadioError
from radio.pluto import tdd
from radio.pluto.attributes import Attributes

PRIMED = 2  # blocks handed over ahead of a pulse

Trigger = Literal["auto", "external", "off"]

_log = logging.getLogger(__name__)


class Startable(Protocol):
    """A radio that is connected and set."""

    uri: str

    @property
    def attributes(self) -> Attributes:
        """Of the radio."""
        ...

    def run(self, primed: int) -> None:
        """Open the streams and keep them running, so many blocks being handed over first."""
        ...

    def settle(self) -> None:
        """Wait until they run, and learn their offset."""
        ...

    def reconnect(self) -> None:
        """Drop streams and context, and make another one."""
        ...


def start(radio: Startable, trigger: Trigger) -> bool:
    """Start the streams, and return whether they run; if not, `catch` waits for the pulse from outside.

    Raises:
        RadioError: they do not start, or a pulse from outside needs another firmware.
    """
    has_tdd = tdd.is_there(radio.attributes)
    if trigger == "external":
        if not has_tdd:
            raise RadioError(
                f"radio {radio.uri}: radio.pluto.trigger = external needs the TDD controller {tdd.TDD}, which its "
                "firmware does not have; update the firmware to 0.39 or later, or set radio.pluto.trigger = auto"
            )
        tdd.arm(radio.attributes, external=True)
        return False
    if not (has_tdd and trigger == "auto" and _at_own_pulse(radio)):
        if has_tdd:  # somebody may have left it waiting
            tdd.free(radio.attributes)
        radio.run(0)
        radio.settle()
    return True


def catch(radio: Startable, timeout: float) -> None:
    """Open the streams as soon as the pulse from outside has come, which holds them for a while.

    Raises:
        RadioError: it does not come within `timeout` seconds, or the streams are opened too late.
    """
    tdd.catch(radio.attributes, timeout)
    radio.run(PRIMED)
    tdd.close(radio.attributes)


def _at_own_pulse(radio: Startable) -> bool:
    """Start both streams at one pulse, and return whether that worked: whether the marker comes back."""
    try:
        tdd.arm(radio.attributes, external=False)
        tdd.fire(radio.attributes)
        radio.run(PRIMED)
        tdd.close(radio.attributes)
        radio.settle()
    except RadioError as error:
        _log.warning(
            "radio %s: its TDD controller does not start the streams (%s); they start as they come; set "
            "radio.pluto.trigger = off for that",
            radio.uri,
            error,
        )
        radio.reconnect()
        return False
    return True
