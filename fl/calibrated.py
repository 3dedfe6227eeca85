"""The radios of a run as calibration makes them: set and corrected from a table, or refused with what is missing.

What was used is kept: its digest goes into every line of the history, the entries into the folder of the run.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from calibration.entry import Entry, digest
from calibration.ratio import Ratio
from calibration.station import Station
from calibration.table import Refused, Table, TableError
from calibration.table_file import load
from calibration.use import correct, prepare, ratio
from fl.radio_config import Calibration
from fl.radios import Bench
from radio.base import Radio

SHOWN = 5


@dataclass(frozen=True)
class Used:
    """What of a table is in use.

    Args:
        entries: for all radios.
        ratios: chain ratio of each agent, for channels from the downlink; empty if they come from the uplink.
    """

    entries: tuple[Entry, ...]
    ratios: dict[int, Ratio] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Short hash of the entries, for the history."""
        return digest(self.entries)[:16]


def calibrated(
    bench: Bench, agents: int, config: Calibration, now: datetime, with_ratios: bool = False
) -> tuple[Bench, Used | None]:
    """Return a bench whose radios are set and corrected as measured, and what was used for it.

    Args:
        bench: radios as they come.
        agents: how many there are.
        config: table and kinds; without a table the bench is returned as it is.
        now: with a time zone.
        with_ratios: whether every agent must have its chain ratio.

    Raises:
        TableError: the table cannot be read, or does not hold for these radios; names what to measure again.
    """
    if config.table is None:
        return bench, None
    table = _table(config.table)
    uris = {end.serial: end.uri for entry in table.entries for end in entry.ends}

    def station(name: str, radio: Radio) -> Station:
        return Station(name, uris.get(radio.serial, "CONFIG"), radio)

    server = station("server", bench.server)
    stations = [server, *(station(f"agent {agent}", bench.radio_of(agent)) for agent in range(agents))]
    radios: list[Radio] = []
    used: list[Entry] = []
    refused: list[Refused] = []
    ratios: dict[int, Ratio] = {}
    for number, one in enumerate(stations):
        try:
            used += prepare(one, server, table, config.use, now)
            radio, entries = correct(one, server, table, config.use, now)
            radios.append(radio)
            used += entries
            if with_ratios and one is not server:
                found = ratio(one, server, table, used, now)
                ratios[number - 1] = Ratio.of(found.quantities)
                used.append(found)
        except Refused as reason:
            refused.append(reason)
    if refused:
        raise TableError(_summary(config.table, refused, len(stations)))
    return replace(bench, server=radios[0], radio_of=radios[1:].__getitem__), Used(tuple(used), ratios)


def _table(path: Path) -> Table:
    if not path.exists():
        raise TableError(f"{path}: no such table; make it with: airmeta calibrate all CONFIG --table {path}")
    return load(path)


def _summary(path: Path, refused: list[Refused], radios: int) -> str:
    lines = "\n".join(f"  {reason}" for reason in refused[:SHOWN])
    more = f"\n  and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
    return f"{path}: {len(refused)} of {radios} radios have no calibration that holds:\n{lines}{more}"
