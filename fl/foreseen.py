"""What a calibration table has for radios that are not opened: whether it is of their band, and which gains it sets.

Which radios will answer is not known yet, so all count whose entries are of this experiment's band and still hold.
"""

import math
from datetime import datetime

from calibration.entry import Entry
from calibration.rules import rule_of
from calibration.table import Table, TableError, command, spelt, stale
from calibration.table_file import existing
from fl.calibrated import EXPERIMENT
from fl.config import Config

CLOSE = 1e-6  # of a frequency, by which radios round it
BOTH_ENDS = "levels", "iq"  # kinds that the server has entries of as well


def gains(config: Config, now: datetime) -> dict[str, dict[str, float]]:
    """Return the attenuation and the gain that a table sets, in dB by serial number; nothing where it sets none.

    Raises:
        TableError: there is no such table, or it has nothing that holds for a kind that is to be used.
    """
    about = config.calibration
    if about.table is None:
        return {}
    table = existing(about.table)
    kinds = [*about.use, *(["reciprocity"] if config.waveform.channel_from == "downlink" else [])]
    holding = {kind: _holding(table, kind, config, now) for kind in kinds}
    return {
        name: {
            entry.radio.serial: entry.quantities[name].value
            for entry in holding.get("levels", [])
            if name in entry.quantities
        }
        for name in ("tx_attenuation_db", "rx_gain_db")
    }


def _holding(table: Table, kind: str, config: Config, now: datetime) -> list[Entry]:
    again = command("all", f"{EXPERIMENT} --resume", table)
    judged = [(entry, _other_band(entry, config) or stale(entry, now)) for entry in table.select(kind=kind)]
    found = [entry for entry, reason in judged if not reason]
    needed = config.agents.count + (kind in BOTH_ENDS)
    serials = {entry.radio.serial for entry in found}
    if len(serials) < needed:
        refused = sorted((entry.time, entry.radio.serial, reason) for entry, reason in judged if reason)
        why = " ({1}: {2})".format(*refused[-1]) if refused else ""
        raise TableError(
            f"{table.name}: {kind} must hold for {needed} radios, does for {len(serials)}{why}; measure it with: "
            f"{again}"
        )
    return found


def _other_band(entry: Entry, config: Config) -> str:
    """Return in which setting that is known beforehand an entry is of another band; "" if in none."""
    wanted = {"carrier": config.radio.carrier, "sample_rate": config.waveform.sample_rate}
    if config.radio.table == "pluto":
        wanted["bandwidth"] = config.radio.bandwidth(config.waveform.sample_rate)
    for name in set(wanted).intersection(rule_of(entry.kind).settings):
        then = getattr(entry.radio.settings, name)
        if not math.isclose(then, wanted[name], rel_tol=CLOSE):
            return f"was measured at {name} = {spelt(then)}, this experiment has {spelt(wanted[name])}"
    return ""
