"""All USRPs of a host, from device strings to radios whose indices are the same: checked first, then set, then tuned.

find -> open -> check ranges and sources -> synchronise -> rates, gains, filters -> mixers at one time -> streams
"""

from typing import Any

from radio.base import RadioError
from radio.safety import Authorisation
from radio.usrp import clock, mixers, tuning
from radio.usrp.device import Channel, Device, channels_of, open_device
from radio.usrp.manner import Manner
from radio.usrp.radio import UsrpRadio
from radio.usrp.tuning import Tuning


def open_radios(
    devices: list[Device], channels: list[Channel], tuned: Tuning, manner: Manner, allowed: Authorisation | None
) -> list[UsrpRadio]:
    """Return radios on channels of open devices, all of which begin to hear, with index 0, at the same device time.

    Args:
        devices: all that are to share their time, used or not.
        channels: of which to make radios.
        tuned: with what they are opened.
        manner: how they are run.
        allowed: what they may send.

    Raises:
        SettingError: a value is beyond what one of them can do; nothing was set.
        RadioError: one of them cannot be set up; those before it were closed.
    """
    for channel in channels:
        tuning.check(channel, tuned)
    clock.check_sources(devices, manner.sources)
    clock.synchronise(devices, manner.sources, manner.pause)
    for channel in channels:
        tuning.apply(channel, tuned)
    mixers.tune(channels, tuned.carrier, manner.sources.is_common, manner.pause)
    radios: list[UsrpRadio] = []
    try:
        for channel in channels:
            radios.append(UsrpRadio(channel, tuned, manner, allowed))
        for radio in radios:
            radio.prepare()
        common = max(radio.soonest() for radio in radios)
        for radio in radios:
            radio.start(common, common)
    except BaseException:
        for radio in radios:
            radio.close()
        raise
    return radios


def find_channels(uhd: Any, args: tuple[str, ...], numbers: tuple[int, ...], count: int) -> list[Channel]:
    """Return so many channels of devices, in the order of their device strings.

    Args:
        uhd: the module.
        args: device strings.
        numbers: of the channels to be used of every device; none: all.
        count: how many are needed.

    Raises:
        RadioError: a device is not there, has not got a channel, or all together have too few.
    """
    channels = [channel for text in args for channel in channels_of(open_device(uhd, text), numbers)]
    if len(channels) < count:
        raise RadioError(
            f"radios {', '.join(args)}: {count} channels are needed, got {len(channels)}: "
            f"{', '.join(channel.serial for channel in channels)}; name more in radio.usrp.devices or "
            "radio.usrp.channels, or lower agents.count"
        )
    serials = [channel.serial for channel in channels]
    twice = next((serial for serial in serials if serials.count(serial) > 1), None)
    if twice is not None:
        raise RadioError(f"radio {twice}: two device strings of radio.usrp.devices name it; leave one of them out")
    return channels[:count]
