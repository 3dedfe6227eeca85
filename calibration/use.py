"""What was measured, put to use: gains and clock are set, delays and imbalance taken out of what is sent and heard.

    levels -> gains      clock -> trim      latency -> bursts leave earlier      iq -> samples corrected digitally

An entry is looked up for a radio as it is at that moment, so gains and trim are set first, and the rest is looked up
for them. What is missing or no longer holds is refused with the command that renews it, never skipped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from calibration.corrected import CorrectedRadio
from calibration.entry import Entry, Subject
from calibration.iq import imbalances
from calibration.iq_correction import Imbalance
from calibration.level_plan import TARGET
from calibration.ratio import Ratio
from calibration.setting import take
from calibration.station import Station
from calibration.table import Refused, Table, look_up, renewal
from radio.base import Radio
from radio.settings import Change

ORDER = "levels", "clock", "latency", "iq"
SERVER_HAS = "levels", "iq"
SETTING = "levels", "clock"  # kinds that say how a radio is to be set
RESIDUAL = 1  # samples by which a burst may still be early or late: half of one from rounding, and the measurement


@dataclass(frozen=True)
class Ready:
    """A radio that is set and corrected.

    Args:
        radio: to be used.
        entries: what was used for it.
        ratio: of its chains and the server's; None: not asked for.
        dropped: why calibration left it out; "" if it did not.
    """

    radio: Radio
    entries: tuple[Entry, ...]
    ratio: Ratio | None
    dropped: str


def make_ready(
    station: Station, server: Station, table: Table, kinds: Sequence[str], now: datetime, with_ratio: bool = False
) -> Ready:
    """Return a radio that is set and corrected as measured; the server first, then its agents.

    Raises:
        Refused: an entry is missing, or does not hold for these radios as they are.
        SettingError: the radio refused a value.
    """
    if "levels" in kinds and station is not server:
        levels = look_up(table, "levels", station.subject, server.subject, now)
        if dropped := _dropped(levels, look_up(table, "levels", server.subject, None, now), table):
            return Ready(station.radio, (levels,), None, dropped)
    set_by = prepare(station, server, table, kinds, now)
    radio, corrected_by = correct(station, server, table, kinds, now)
    used = [*set_by, *corrected_by]
    if not with_ratio or station is server:
        return Ready(radio, tuple(used), None, "")
    found = ratio(station, server, table, kinds, now)
    return Ready(radio, (*used, found), Ratio.of(found.quantities), "")


def _dropped(levels: Entry, of_server: Entry, table: Table) -> str:
    """Return why an agent is to be left out; "" if it is not."""
    if "tx_attenuation_db" not in levels.quantities:
        return levels.verdict.reason
    plans = [entry.quantities.get(TARGET) for entry in (levels, of_server)]
    if plans[0] == plans[1]:
        return ""
    return f"its levels are of an earlier plan than the server's; {renewal('levels', levels.radio, table)}"


def track(station: Station, table: Table) -> None:
    """Set quadrature tracking as it was when the imbalance of a radio was last measured, where the radio has it."""
    if not station.radio.limits.has_tracking:
        return
    known = [entry for entry in table.entries if entry.kind == "iq" and entry.radio.serial == station.radio.serial]
    if known:
        last = max(known, key=lambda entry: entry.time)
        station.radio.configure(Change(quadrature_tracking=last.radio.settings.quadrature_tracking))


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
    if "iq" in kinds:
        track(station, table)
    for kind in SETTING:
        if kind in kinds and (station is not server or kind in SERVER_HAS):
            entry = look_up(table, kind, station.subject, partner_of(kind, station, server), now)
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
    latency, residual, sent, heard = 0, radio.timing_uncertainty, Imbalance(), Imbalance()
    if "latency" in kinds and station is not server:
        entry = look_up(table, "latency", station.subject, server.subject, now)
        delay = entry.quantities["delay_samples"]
        latency, residual = round(delay.value), math.ceil(0.5 + delay.uncertainty)
        used.append(entry)
    elif "latency" in kinds:  # agents' delays at the server hold its own
        residual = RESIDUAL
    if "iq" in kinds:
        entry = look_up(table, "iq", station.subject, None, now)
        sent, heard = imbalances(entry.quantities)
        used.append(entry)
    if not used:
        return radio, used
    return CorrectedRadio(radio, latency, sent, heard, residual), used


def ratio(station: Station, server: Station, table: Table, kinds: Sequence[str], now: datetime) -> Entry:
    """Return the entry of the chain ratio of a radio, measured with the same corrections in use.

    Args:
        station: the radio, prepared.
        server: the other end, prepared.
        table: what was measured.
        kinds: that are in use.
        now: with a time zone.

    Raises:
        Refused: there is none that holds, something was measured after it, or what it was measured with is not used.
    """
    entry = look_up(table, "reciprocity", station.subject, server.subject, now)
    again = renewal("reciprocity", station.subject, table)
    for kind, one in [*((kind, station) for kind in ORDER), *((kind, server) for kind in SERVER_HAS)]:
        try:
            other = look_up(table, kind, one.subject, partner_of(kind, one, server), now)
        except Refused:
            continue
        if kind in kinds and other.time > entry.time:
            reason = (
                f"reciprocity of {station.radio.serial} is void: {kind} of {one.radio.serial} was measured after it"
            )
            raise Refused(reason, again)
        if kind not in kinds and other.time <= entry.time:
            reason = (
                f"reciprocity of {station.radio.serial} was measured with {kind} in use, which calibration.use omits"
            )
            raise Refused(reason, again)
    return entry


def partner_of(kind: str, station: Station, server: Station) -> Subject | None:
    """Return the other end of a measurement; None for what is about one radio."""
    return None if station is server or kind == "iq" else server.subject
