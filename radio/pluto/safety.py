"""How a Pluto is silenced: attenuation maximal, tones at scale 0, mixer without power; and whether it is.

A destroyed transmit buffer hands the converter back to the tones, whatever `raw` says: their scales must be 0.
"""

from radio.base import ContactError, RadioError
from radio.pluto.attributes import TONES, Attributes

MOST_ATTENUATION_DB = 89.75


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


def raise_level(attributes: Attributes, attenuation_db: float) -> None:
    """Give the mixer power at the largest attenuation, then set the one that is wished.

    Raises:
        RadioError: the radio does not take it; it has to be silenced.
    """
    attributes.put("tx_gain_db", -MOST_ATTENUATION_DB)
    attributes.put("tx_lo_powerdown", 0.0)
    attributes.put("tx_gain_db", -attenuation_db)


def unsure(label: str, failures: list[RadioError]) -> RadioError:
    """Return the error that a radio may not be silent, with the reasons."""
    reasons = "; ".join(str(failure) for failure in failures)
    kind = ContactError if isinstance(failures[-1], ContactError) else RadioError
    return kind(f"radio {label} may still be transmitting, take its power away ({reasons})")
