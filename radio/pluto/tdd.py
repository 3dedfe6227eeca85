"""The TDD controller of stock firmware 0.39 and later: it holds both streams of a radio until a pulse.

Channel 1 low keeps the receiver's DMA from starting, channel 2 high keeps the transmitter in reset; see
`radio.emulation.tdd` for what of this is known. Attributes of the radio's own context are used, not `adi.tddn`: all
objects of that class share one list of channels. For the external pulse, the GPIO `phaser_enable` of the device
`one-bit-adc-dac` has to hand the pin to the controller first; that is not done here.
"""

from radio.pluto.attributes import TDD, Attributes

FOREVER = (1 << 32) - 1
FREE = {1: 1.0, 2: 0.0}  # polarity of a channel that lets its stream run
CHANNELS = tuple(FREE)


def is_there(attributes: Attributes) -> bool:
    """Return whether the firmware has the controller."""
    return attributes.context.find_device(TDD) is not None


def arm(attributes: Attributes, external: bool) -> None:
    """Hold both streams, which are not open yet, until `fire` or, if `external`, the pulse at the pin.

    Raises:
        RadioError: the controller does not take it.
    """
    attributes.put("tdd_enable", 0.0)
    attributes.put("tdd_sync_external", float(external))
    for setting, ticks in (("tdd_startup_delay", 0), ("tdd_burst_count", 0), ("tdd_frame_length", FOREVER - 1)):
        attributes.put(setting, ticks)
    for channel in CHANNELS:
        attributes.put(f"tdd_{channel}_polarity", 1.0 - FREE[channel])
        attributes.put(f"tdd_{channel}_on", 0)
        attributes.put(f"tdd_{channel}_off", FOREVER)
        attributes.put(f"tdd_{channel}_enable", 1.0)
    attributes.put("tdd_enable", 1.0)


def fire(attributes: Attributes) -> None:
    """Fire the pulse of this radio."""
    attributes.write("tdd_sync_soft", "1")


def free(attributes: Attributes) -> None:
    """Let streams start as they will, whatever the controller was left with.

    Raises:
        RadioError: the controller does not take it.
    """
    attributes.put("tdd_enable", 0.0)
    for channel, polarity in FREE.items():
        attributes.put(f"tdd_{channel}_polarity", polarity)
