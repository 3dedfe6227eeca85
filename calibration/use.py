"""What was measured, put to use: gains and clock are set, delays and imbalance taken out of what is sent and heard.

    levels -> gains      clock -> trim      latency -> bursts leave earlier      iq -> samples corrected digitally

An entry is looked up for a radio as it is at that moment, so gains and trim are set first, and the rest is looked up
for them. What is missing or no longer holds is refused with the command that renews it, never skipped.
"""

from collections.abc import Sequence
from datetime import datetime

from calibration.corrected import CorrectedRadio
from calibration.entry import Entry, Subject
from calibration.iq import imbalances
from calibration.iq_correction import Imbalance
from calibration.setting import take
from calibration.station import Station
from calibration.table import Refused, Table, look_up, renewal
from radio.base import Radio

ORDER = "levels", "clock", "latency", "iq"
SERVER_HAS = "levels", "iq"
SETTING = "levels", "clock"  # kinds that say how a radio is to be set
RESIDUAL = 1  # samples by which a burst may still be early or late: half of one from rounding, and the measurement


def prepare(station: Station, server: Station, table: Table, kinds: Sequence[str], now: datetime) -> list[Entry]:
    """Set gains and clock of a radio as measured, and return the entries used.

    Args:
        station: the radio; the server itself has no clock of its own to be compared.
        server: the other end, prepared before its agents.
        table: what was measured.
        kinds: that are to be used; those that set nothing are left to `correct`.
        now: with a time zone.

    Raises:
        Refused: an entry is missing, or does not hold for these radios as they are.
        SettingError: the radio refused a value.
    """
    used = []
    for kind in SETTING:
        if kind in kinds and (station is not server or kind in SERVER_HAS):
            entry = look_up(table, kind, station.subject, _partner(kind, station, server), now)
            take(station.radio, entry.quantities)
            used.append(entry)
    return used


def correct(
    station: Station, server: Station, table: Table, kinds: Sequence[str], now: datetime
) -> tuple[Radio, list[Entry]]:
    """Return a radio whose delay and imbalance are taken out, and the entries used.

    Raises:
        Refused: as in `prepare`.
    """
    radio, used = station.radio, []
    latency, sent, heard = 0, Imbalance(0.0, 0.0, 0j), Imbalance(0.0, 0.0, 0j)
    if "latency" in kinds and station is not server:
        entry = look_up(table, "latency", station.subject, server.subject, now)
        latency = round(entry.quantities["delay_samples"].value)
        used.append(entry)
    if "iq" in kinds:
        entry = look_up(table, "iq", station.subject, None, now)
        sent, heard = imbalances(entry.quantities)
        used.append(entry)
    if not used:
        return radio, used
    uncertainty = RESIDUAL if latency or "latency" in kinds else radio.timing_uncertainty
    return CorrectedRadio(radio, latency, sent, heard, uncertainty), used


def ratio(station: Station, server: Station, table: Table, others: Sequence[Entry], now: datetime) -> Entry:
    """Return the entry of the chain ratio of a radio, measured with all other corrections in use.

    Args:
        station: the radio, prepared.
        server: the other end, prepared.
        table: what was measured.
        others: entries in use, of both radios.
        now: with a time zone.

    Raises:
        Refused: there is none that holds, or something was measured after it.
    """
    entry = look_up(table, "reciprocity", station.subject, server.subject, now)
    ends = {station.radio.serial, server.radio.serial}
    later = [other for other in others if other.radio.serial in ends and other.time > entry.time]
    if later:
        raise Refused(
            f"reciprocity of {station.radio.serial} holds for the corrections it was measured with, {later[0].kind} of "
            f"{later[0].radio.serial} was measured after it",
            renewal("reciprocity", station.subject),
        )
    return entry


def _partner(kind: str, station: Station, server: Station) -> Subject | None:
    return None if station is server or kind == "iq" else server.subject
