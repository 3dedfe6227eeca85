"""The TDD controller of stock firmware 0.39 and later: from a pulse on, it holds both streams of a radio for a while.

Streams that are opened within that while start at its end, together. The pulse begins a frame, in which the channels of
both DMAs leave their polarity, that of power-up, at which streams run; so nobody is held once the frame is over, and
whichever sense the transmitter's channel has in an FPGA does not matter. See `radio.emulation.tdd` for what is known.

Attributes of the radio's own context are used, not `adi.tddn`: all objects of that class share one list of channels.
For the external pulse, the GPIO `phaser_enable` of the device `one-bit-adc-dac` has to hand the pin to the controller
first; that is not done here.
"""

import time

from radio.base import RadioError
from radio.pluto.attributes import TDD, Attributes

HOLD = 250.0  # ms in which streams must be opened
FRAME = HOLD + 1.0  # ms; over before anybody could want to start the streams again
HEARING = 1  # channel whose polarity must be 1 for streams to run
CHANNELS = (HEARING, 2)
IDLE, ARMED, RUNNING = 0, 1, 3
TOLERANCE = 1e-3  # ms
PAUSE = 0.005


def is_there(attributes: Attributes) -> bool:
    """Return whether the firmware has the controller."""
    return attributes.context.find_device(TDD) is not None


def arm(attributes: Attributes, external: bool) -> None:
    """Make the controller wait for `fire` or, if `external`, for the pulse at the pin.

    Raises:
        RadioError: the controller does not take it, or is busy.
    """
    attributes.put("tdd_enable", 0.0)
    _await(attributes, IDLE, 4 * FRAME / 1000, "a frame of somebody else has to end first; start the radio again")
    attributes.put("tdd_sync_external", float(external))
    for setting, count in (("tdd_startup_delay", 0), ("tdd_burst_count", 1)):
        attributes.put(setting, count)
    attributes.put("tdd_frame_length", FRAME, TOLERANCE)
    attributes.put(f"tdd_{HEARING}_polarity", 1.0)
    for channel in CHANNELS:
        attributes.put(f"tdd_{channel}_on", 0)
        attributes.put(f"tdd_{channel}_off", HOLD, TOLERANCE)
        attributes.put(f"tdd_{channel}_enable", 1.0)
    attributes.put("tdd_enable", 1.0)


def fire(attributes: Attributes) -> None:
    """Fire the pulse of this radio."""
    attributes.write("tdd_sync_soft", "1")


def catch(attributes: Attributes, timeout: float) -> None:
    """Return as soon as the pulse has come; it holds the streams from then on.

    Raises:
        RadioError: it does not come within `timeout` seconds.
    """
    remedy = "check its source and the pin, or set radio.pluto.trigger = auto"
    _await(attributes, RUNNING, timeout, f"no pulse came; {remedy}")


def close(attributes: Attributes) -> None:
    """Take no further pulse, when the streams are open.

    Raises:
        RadioError: they were opened too late to be held.
    """
    attributes.put("tdd_enable", 0.0)
    if (state := int(attributes.number("tdd_state"))) != RUNNING:
        raise RadioError(
            f"radio {attributes.label}: streams must be opened within {HOLD:g} ms of the pulse, got later (state "
            f"{state} of the TDD controller); take load off machine and network, or set radio.pluto.trigger = off"
        )


def free(attributes: Attributes) -> None:
    """Let streams start as they will, whatever the controller was left with.

    Raises:
        RadioError: the controller does not take it.
    """
    attributes.put("tdd_enable", 0.0)
    attributes.put(f"tdd_{HEARING}_polarity", 1.0)
    for on in (1.0, 0.0):  # a polarity holds from then on
        attributes.put("tdd_enable", on)


def _await(attributes: Attributes, state: int, timeout: float, otherwise: str) -> None:
    last = time.monotonic() + timeout
    while (found := int(attributes.number("tdd_state"))) != state:
        if time.monotonic() > last:
            raise RadioError(
                f"radio {attributes.label}: its TDD controller must reach state {state} within {timeout:g} s, got "
                f"state {found}: {otherwise}"
            )
        time.sleep(PAUSE)
