"""The settings of USRPs: checked against what the device can do, set, read back, compared.

UHD sets what is nearest and says so on a log that nobody reads: what is not read back is not set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from radio.base import RadioError
from radio.settings import Limits, Range, SettingError, Settings
from radio.usrp.device import Channel

RATE_TOLERANCE = 1e-3  # Hz: a burst that leaves by another rate would drift away from its index
GAIN_TOLERANCE = 0.05  # dB, beside half a step
MOST_LO_OFFSET = 10e6  # Hz


@dataclass(frozen=True)
class Tuning:
    """What radios are opened with.

    Args:
        carrier: in Hz.
        sample_rate: in Hz.
        bandwidth: of the analogue filters, in Hz; None: as they are.
        tx_attenuation_db: below the largest gain, while it sends; None: the largest attenuation.
        rx_gain_db: set by hand; no automatic control.
        tx_antenna: connector; "": the device's own choice.
        rx_antenna: the same for receiving.
        occupied: bandwidth of what will be sent, in Hz; None: the sample rate, which nothing can exceed.
    """

    carrier: float
    sample_rate: float
    bandwidth: float | None = None
    tx_attenuation_db: float | None = None
    rx_gain_db: float = 0.0
    tx_antenna: str = ""
    rx_antenna: str = ""
    occupied: float | None = None

    @property
    def filters(self) -> float:
        """Bandwidth in Hz of what the filters will let through, at most the sample rate."""
        return self.sample_rate if self.bandwidth is None else min(self.bandwidth, self.sample_rate)


def limits_of(channel: Channel) -> Limits:
    """Return what a radio can do; attenuation counts down from its largest gain.

    Raises:
        RadioError: UHD does not say.
    """
    usrp = channel.device.usrp
    with channel.device.asking("its ranges", channel.label):
        send = as_range(usrp.get_tx_gain_range(channel.number))
        hear = as_range(usrp.get_rx_gain_range(channel.number))
    return Limits(
        tx_attenuation_db=Range(0.0, send.high - send.low, send.step),
        rx_gain_db=hear,
        lo_offset_hz=Range(-MOST_LO_OFFSET, MOST_LO_OFFSET),
    )


def send_gains(channel: Channel) -> Range:
    """Return the gains in dB with which it can send; at the largest, its attenuation is 0."""
    with channel.device.asking("tx_gain", channel.label):
        return as_range(channel.device.usrp.get_tx_gain_range(channel.number))


def check(channel: Channel, tuning: Tuning) -> None:
    """Return if a radio can do what it is to be opened with; nothing is set.

    Raises:
        SettingError: it cannot.
    """
    usrp, number = channel.device.usrp, channel.number
    with channel.device.asking("its ranges", channel.label):
        found = [
            ("carrier_hz", tuning.carrier, usrp.get_rx_freq_range(number), " Hz"),
            ("carrier_hz", tuning.carrier, usrp.get_tx_freq_range(number), " Hz"),
            ("rx_gain_db", tuning.rx_gain_db, usrp.get_rx_gain_range(number), " dB"),
        ]
        if tuning.bandwidth is not None:
            found += [("bandwidth_hz", tuning.bandwidth, usrp.get_rx_bandwidth_range(number), " Hz"),
                      ("bandwidth_hz", tuning.bandwidth, usrp.get_tx_bandwidth_range(number), " Hz")]  # fmt: skip
        ranges = [(key, value, as_range(about), unit) for key, value, about, unit in found]
        antennas = usrp.get_tx_antennas(number), usrp.get_rx_antennas(number)
    if tuning.tx_attenuation_db is not None:
        ranges.append(("tx_attenuation_db", tuning.tx_attenuation_db, limits_of(channel).tx_attenuation_db, " dB"))
    for key, value, allowed, unit in ranges:
        if not allowed.holds(value):
            raise SettingError(
                f"radio {channel.label}: radio.usrp.{key} must lie between {allowed.low:.10g} and "
                f"{allowed.high:.10g}{unit}, got {value:.10g}{unit}; choose a value inside"
            )
    for key, wanted, known in zip(("tx_antenna", "rx_antenna"), (tuning.tx_antenna, tuning.rx_antenna), antennas,
                                  strict=True):  # fmt: skip
        if wanted and wanted not in known:
            raise SettingError(
                f"radio {channel.label}: radio.usrp.{key} must be one of {', '.join(known)}, got {wanted}; choose one"
            )


def apply(channel: Channel, tuning: Tuning) -> None:
    """Set all that needs no command time: least gain to send with, rate, filters, antennas, gain to hear with.

    Raises:
        SettingError: something reads back differently.
        RadioError: UHD failed.
    """
    usrp = channel.device.usrp
    send(channel, send_gains(channel).low)
    _put(channel, "sample_rate", usrp.set_rx_rate, usrp.get_rx_rate, tuning.sample_rate, RATE_TOLERANCE)
    _put(channel, "sample_rate", usrp.set_tx_rate, usrp.get_tx_rate, tuning.sample_rate, RATE_TOLERANCE)
    if tuning.bandwidth is not None:
        near = 0.01 * tuning.bandwidth
        _put(channel, "bandwidth_hz", usrp.set_rx_bandwidth, usrp.get_rx_bandwidth, tuning.bandwidth, near)
        _put(channel, "bandwidth_hz", usrp.set_tx_bandwidth, usrp.get_tx_bandwidth, tuning.bandwidth, near)
    if tuning.tx_antenna:
        _choose(channel, "tx_antenna", usrp.set_tx_antenna, usrp.get_tx_antenna, tuning.tx_antenna)
    if tuning.rx_antenna:
        _choose(channel, "rx_antenna", usrp.set_rx_antenna, usrp.get_rx_antenna, tuning.rx_antenna)
    hear(channel, tuning.rx_gain_db)


def send(channel: Channel, gain: float) -> float:
    """Set the gain to send with, in dB, and return what it is.

    Raises:
        SettingError: it reads back differently.
        RadioError: UHD failed.
    """
    usrp = channel.device.usrp
    return _put_gain(channel, "tx_gain", (usrp.get_tx_gain_range, usrp.set_tx_gain, usrp.get_tx_gain), gain)


def hear(channel: Channel, gain: float) -> float:
    """Set the gain to hear with, in dB, and return what it is.

    Raises:
        SettingError: it reads back differently.
        RadioError: UHD failed.
    """
    usrp = channel.device.usrp
    return _put_gain(channel, "rx_gain_db", (usrp.get_rx_gain_range, usrp.set_rx_gain, usrp.get_rx_gain), gain)


def _put_gain(channel: Channel, setting: str, calls: tuple[Callable[..., Any], ...], gain: float) -> float:
    """Set a gain by calls that say its range, set it, and read it; return it as it reads back, within half a step."""
    about, write, read = calls
    with channel.device.asking(setting, channel.label):
        step = as_range(about(channel.number)).step
    return _put(channel, setting, write, read, gain, step / 2 + GAIN_TOLERANCE)


def read_settings(channel: Channel, wished: Settings) -> Settings:
    """Return the settings as the radio says them; carrier and attenuation are the wish, read back when they were set.

    What is sent is as wide as the sample rate, or as the analogue filter where that is narrower.
    """
    usrp, number = channel.device.usrp, channel.number
    with channel.device.asking("its settings", channel.label):
        rate, width, gain = usrp.get_rx_rate(number), usrp.get_tx_bandwidth(number), usrp.get_rx_gain(number)
    return Settings(
        carrier=wished.carrier,
        sample_rate=rate,
        bandwidth=min(rate, width),
        tx_attenuation_db=wished.tx_attenuation_db,
        rx_gain_db=gain,
        lo_offset_hz=wished.lo_offset_hz,
    )


def as_range(found: Any) -> Range:
    """Return a range of UHD as ours."""
    return Range(found.start(), found.stop(), found.step())


def _put(
    channel: Channel, setting: str, write: Callable[..., Any], read: Callable[..., float], value: float, near: float
) -> float:
    """Set a number, read it back, and return it.

    Raises:
        SettingError: it reads back differently by more than `near`.
    """
    with channel.device.asking(setting, channel.label):
        write(value, channel.number)
        found = float(read(channel.number))
    if abs(found - value) > near:
        unit = " dB" if "gain" in setting else " Hz"
        raise SettingError(
            f"radio {channel.label}: {setting} must read back {value:.10g}{unit} within {near:g}, got "
            f"{found:.10g}{unit}; {REMEDIES.get(setting, 'choose a value that the radio takes')}"
        )
    return found


def _choose(channel: Channel, setting: str, write: Callable[..., Any], read: Callable[..., str], value: str) -> None:
    with channel.device.asking(setting, channel.label):
        write(value, channel.number)
        found = read(channel.number)
    if found != value:
        raise RadioError(
            f"radio {channel.label}: {setting} must read back {value}, got {found}; choose another radio.usrp.{setting}"
        )


REMEDIES = {"sample_rate": "choose a waveform.sample_rate that divides its master clock by an even number"}
