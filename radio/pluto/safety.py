"""How a Pluto is silenced: attenuation maximal, tones at scale 0, mixer without power; and whether it is.

A destroyed transmit buffer hands the converter back to the tones, whatever `raw` says: their scales must be 0.
"""

from enum import Enum, auto

from radio.base import RadioError
from radio.pluto.attributes import TONES, Attributes, ContactError

MOST_ATTENUATION_DB = 89.75


class Emission(Enum):
    """What is known of a transmitter: what it was told, until it was read back that it is silent."""

    SILENT = auto()
    SENDING = auto()
    UNSURE = auto()


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
