"""Who may send where, and how a Pluto is silenced: attenuation maximal, tones at scale 0, mixer without power.

A destroyed transmit buffer hands the converter back to the tones, whatever `raw` says: their scales must be 0.
"""

from dataclasses import dataclass
from typing import Literal

from radio.base import RadioError
from radio.pluto.attributes import TONES, Attributes, ContactError

MOST_ATTENUATION_DB = 89.75


class NotAuthorisedError(RadioError):
    """Nobody said that this may be sent."""


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
            "another radio.pluto.carrier_hz or a smaller radio.pluto.bandwidth_hz"
        )


def silence(attributes: Attributes) -> None:
    """Silence a radio, whatever it was doing, and read back that it is; each step is tried if another one fails.

    Raises:
        RadioError: it may still be sending.
    """
    failures: list[RadioError] = []
    wanted = [("tx_gain_db", -MOST_ATTENUATION_DB), ("tx_lo_powerdown", 1.0)]
    for setting, value in wanted + [(f"tone_{tone}_scale", 0.0) for tone in range(TONES)]:
        try:
            attributes.put(setting, value)
        except ContactError as error:
            raise unsure(attributes.label, [*failures, error]) from error
        except RadioError as error:
            failures.append(error)
    if failures:
        raise unsure(attributes.label, failures) from failures[0]


def unsure(label: str, failures: list[RadioError]) -> RadioError:
    """Return the error that a radio may not be silent, with the reasons."""
    reasons = "; ".join(str(failure) for failure in failures)
    kind = ContactError if isinstance(failures[-1], ContactError) else RadioError
    return kind(f"radio {label} may still be transmitting, take its power away ({reasons})")
