"""Who may send where: nothing is sent without somebody having named the medium and the band."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from radio.base import RadioError
from radio.settings import Settings


class NotAuthorisedError(RadioError):
    """Nobody said that this may be sent."""


class Emission(Enum):
    """What is known of a transmitter: what it was told, until it was read back that it is silent."""

    SILENT = auto()
    SENDING = auto()
    UNSURE = auto()


@dataclass(frozen=True)
class Authorisation:
    """What may be sent.

    Args:
        medium: what is at the connector: a cable with attenuators, or an antenna.
        low: edge of the band, in Hz.
        high: edge of the band, in Hz.

    Raises:
        ValueError: the band is empty.
    """

    medium: Literal["cable", "antenna"]
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise ValueError(f"radio.tx.authorised_band must be [low, high] in Hz, got [{self.low:g}, {self.high:g}]")


def check_band(allowed: Authorisation | None, label: str, carrier: float, bandwidth: float) -> None:
    """Return if a signal of a bandwidth around a carrier, both in Hz, may be sent.

    Raises:
        NotAuthorisedError: no medium or band was named, or the signal leaves the band.
    """
    if allowed is None:
        raise NotAuthorisedError(
            f"radio {label}: transmitting needs radio.tx.medium and radio.tx.authorised_band, got none; name what is "
            "at the connector (cable or antenna) and the band, [low, high] in Hz, in which you may transmit"
        )
    low, high = carrier - bandwidth / 2, carrier + bandwidth / 2
    if low < allowed.low or high > allowed.high:
        raise NotAuthorisedError(
            f"radio {label}: a signal must lie inside radio.tx.authorised_band, {allowed.low / 1e6:.6g} to "
            f"{allowed.high / 1e6:.6g} MHz, got {low / 1e6:.6g} to {high / 1e6:.6g} MHz with its bandwidth; choose "
            "another carrier_hz, or make the signal narrower (waveform.half_width, waveform.sample_rate) and then the "
            "filters (bandwidth_hz)"
        )


def check_signal(allowed: Authorisation | None, label: str, settings: Settings, occupied: float | None) -> None:
    """Return if signals may be sent with these settings.

    Filters that are too narrow make no signal narrower: what leaves the antenna is as wide as the wider of both.

    Args:
        allowed: what may be sent; None: nothing.
        label: what errors call the radio.
        settings: of the radio.
        occupied: bandwidth of what will be sent, in Hz; None: the sample rate, which nothing can exceed.

    Raises:
        NotAuthorisedError: no medium or band was named, or the signal leaves the band.
    """
    width = max(settings.bandwidth, settings.sample_rate if occupied is None else occupied)
    check_band(allowed, label, settings.carrier + settings.lo_offset_hz, width)
