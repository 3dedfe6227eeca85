"""The mixers of USRPs: all tuned at one command time.

So their phases to each other are the same after every retune, where the daughterboard can do that (SBX, UBX and
TwinRX, as their maker says; not the AD9361 of a B200 or E310). The mixer's step is made up for by the digital one.
"""

import time
from collections.abc import Callable
from typing import Any

from radio.settings import SettingError
from radio.usrp.device import Channel

TOLERANCE = 1.0  # Hz; the digital mixer's step is the master clock over 2³²
AHEAD = 0.1  # seconds from now to a command time,
PER_CHANNEL = 0.05  # and more for each channel: a command that comes after its time is carried out at once
LOCK_TRIES = 20


def tune(
    channels: list[Channel], frequency: float, is_common: bool, pause: Callable[[float], None] = time.sleep
) -> None:
    """Tune both mixers of every channel, and wait until they hold.

    Args:
        channels: of any devices.
        frequency: in Hz.
        is_common: whether the devices have one time, so that one instant can be named to all of them.
        pause: waits so many seconds.

    Raises:
        SettingError: a mixer reads back differently, or does not lock.
        RadioError: UHD failed.
    """
    now = {}
    for channel in channels:
        with channel.device.asking("its time", channel.label):
            now[channel.device.args] = channel.device.usrp.get_time_now(channel.board).get_real_secs()
    latest, ahead = max(now.values()), AHEAD + PER_CHANNEL * len(channels)
    for channel in channels:
        _tune_at(channel, frequency, (latest if is_common else now[channel.device.args]) + ahead)
    pause(ahead + AHEAD)
    for channel in channels:
        _check(channel, frequency, pause)


def _tune_at(channel: Channel, frequency: float, at: float) -> None:
    device, number = channel.device, channel.number
    request = device.uhd.types.TuneRequest(frequency)
    with device.asking("carrier_hz", channel.label):
        device.usrp.set_command_time(device.uhd.types.TimeSpec(at), channel.board)
        try:
            device.usrp.set_rx_freq(request, number)
            device.usrp.set_tx_freq(request, number)
        finally:
            device.usrp.clear_command_time(channel.board)


def _check(channel: Channel, frequency: float, pause: Callable[[float], None]) -> None:
    usrp = channel.device.usrp
    ways = (
        ("rx", usrp.get_rx_freq, usrp.get_rx_sensor_names, usrp.get_rx_sensor),
        ("tx", usrp.get_tx_freq, usrp.get_tx_sensor_names, usrp.get_tx_sensor),
    )
    for way, read, names, sensor in ways:
        with channel.device.asking(f"{way} frequency", channel.label):
            found = float(read(channel.number))
            has_sensor = "lo_locked" in names(channel.number)
        if abs(found - frequency) > TOLERANCE:
            raise SettingError(
                f"radio {channel.label}: the {way} mixer must read back {frequency:.10g} Hz within {TOLERANCE:g}, got "
                f"{found:.10g} Hz; choose a radio.usrp.carrier_hz that it can reach"
            )
        if has_sensor and not _locks(channel, sensor, pause):
            raise SettingError(
                f"radio {channel.label}: lo_locked of the {way} mixer must be true at {frequency:.10g} Hz, got false; "
                "check its reference, or choose another radio.usrp.carrier_hz"
            )


def _locks(channel: Channel, sensor: Callable[[str, int], Any], pause: Callable[[float], None]) -> bool:
    for _ in range(LOCK_TRIES):
        with channel.device.asking("lo_locked", channel.label):
            if sensor("lo_locked", channel.number).to_bool():
                return True
        pause(AHEAD / 2)
    return False
