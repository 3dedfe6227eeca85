"""All USRPs of a host, from device strings to radios whose indices are the same: checked first, then set, then tuned.

find -> open -> check ranges and sources -> lock -> rates, gains, filters -> one time -> mixers at one time -> streams
"""

import logging
from typing import Any

from radio.base import RadioError
from radio.exits import close_together
from radio.safety import Authorisation, check_signal
from radio.settings import Settings
from radio.usrp import clock, mixers, tuning
from radio.usrp.device import Channel, Device, channels_of, open_device
from radio.usrp.manner import Manner
from radio.usrp.radio import UsrpRadio
from radio.usrp.sources import check_sources
from radio.usrp.tuning import Tuning

_log = logging.getLogger(__name__)


def open_radios(
    devices: list[Device], channels: list[Channel], tuned: Tuning, manner: Manner, allowed: Authorisation | None
) -> list[UsrpRadio]:
    """Return radios on channels of open devices, all of which begin to hear at the same device time.

    That is index 0, unless hosts share their time: there, index 0 is t = 0.

    Args:
        devices: all that are to share their time, used or not.
        channels: of which to make radios.
        tuned: with what they are opened.
        manner: how they are run.
        allowed: what they may send.

    Raises:
        SettingError: a value is beyond what one of them can do; nothing was set.
        NotAuthorisedError: the carrier, with the bandwidth of what will be sent, leaves the band; nothing was set.
        RadioError: one of them cannot be set up; those before it were closed.
    """
    for channel in channels:
        tuning.check(channel, tuned)
        if allowed is not None:  # ahead of tuning: a mixer leaks
            wished = Settings(tuned.carrier, tuned.sample_rate, tuned.filters)
            check_signal(allowed, channel.label, wished, tuned.occupied)
    check_sources(devices, manner.sources)
    clock.lock(devices, manner.sources, manner.pause)
    for channel in channels:
        tuning.apply(channel, tuned)
    share = manner.share or clock.synchronise
    share(devices, manner.sources, manner.pause)  # behind the rates: a new master clock moves the time
    mixers.tune(channels, tuned.carrier, manner.sources.is_common, manner.pause)
    radios: list[UsrpRadio] = []
    try:
        for channel in channels:
            radios.append(UsrpRadio(channel, tuned, manner, allowed))
        for radio in radios:
            radio.prepare()
        common = max(radio.soonest() for radio in radios)
        for radio in radios:
            radio.start(common, common if manner.share is None else 0.0)
    except BaseException:
        _close(radios)
        raise
    return radios


def _close(radios: list[UsrpRadio]) -> None:
    """Close radios because of an error, which is the one to be raised; what goes wrong here is logged."""
    try:
        close_together(radios)
    except RadioError as error:
        _log.error("%s", error)


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
