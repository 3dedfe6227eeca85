"""The radios of a run as calibration makes them: set and corrected from a table, or refused with what is missing.

What was used is kept: its digest goes into every line of the history, the entries into the folder of the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from calibration.entry import Entry, digest
from calibration.ratio import Ratio
from calibration.station import Station
from calibration.table import Refused, Table, TableError, remedy
from calibration.table_file import load
from calibration.use import Ready, make_ready
from fl.radio_config import Calibration
from fl.radios import Bench
from radio.base import Radio, RadioError

SHOWN = 5
EXPERIMENT = "CONFIG"  # on the command line


class Dropped(RadioError):  # noqa: N818 - a decision, not a fault
    """Calibration found that an agent cannot take part."""


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

    @property
    def doubtful(self) -> list[str]:
        """What is used although its verdict is not good, one line each."""
        return [
            f"{entry.kind} of {entry.radio.serial} is {entry.verdict.word}: {entry.verdict.reason}"
            for entry in self.entries
            if entry.verdict.word != "good"
        ]


def calibrated(
    bench: Bench, agents: int, config: Calibration, now: datetime, with_ratios: bool = False
) -> tuple[Bench, Used | None]:
    """Return a bench whose radios are set and corrected as measured, and what was used for it.

    An agent that calibration dropped as too weak, or too strong, is left out of every round with the reason.

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
    server, *stations = _stations(bench, agents)
    ready: list[Ready] = []
    refused: list[Refused] = []
    for station in (server, *stations):
        try:
            ready.append(make_ready(station, server, table, config.use, now, with_ratios))
        except Refused as reason:
            refused.append(reason)
    if refused:
        raise TableError(_summary(table, refused, 1 + len(stations)))
    own, *others = ready
    entries = tuple(entry for one in ready for entry in one.entries)
    ratios = {agent: one.ratio for agent, one in enumerate(others) if one.ratio is not None}
    return replace(bench, server=own.radio, radio_of=partial(_radio_of, others)), Used(entries, ratios)


def check_lead(bench: Bench, agents: int, slack: int, sample_rate: float) -> None:
    """Check that agents whose bursts have to leave early can still answer a beacon.

    Args:
        bench: calibrated.
        agents: how many there are.
        slack: samples from the beacon's end, heard, to the first sounding.
        sample_rate: in Hz.

    Raises:
        TableError: the delay of one is too long.
    """
    for agent in range(agents):
        try:
            lead = bench.radio_of(agent).lead_time
        except Dropped:
            continue
        if lead > slack:
            raise TableError(
                f"agent {agent} has to hand over its bursts {lead} samples early, because they leave late, and has "
                f"{slack} after a beacon; raise waveform.response_s by {(lead - slack) / sample_rate:.2g} or more"
            )


def _stations(bench: Bench, agents: int) -> list[Station]:
    """Return the server and all agents, called as those of the experiment, however they were measured."""
    return [Station("server", EXPERIMENT, bench.server)] + [
        Station(f"agent {agent}", f"{EXPERIMENT} --agent {agent}", bench.radio_of(agent)) for agent in range(agents)
    ]


def _radio_of(ready: Sequence[Ready], agent: int) -> Radio:
    if reason := ready[agent].dropped:
        raise Dropped(f"left out by calibration: {reason}")
    return ready[agent].radio


def _table(path: Path) -> Table:
    if not path.exists():
        raise TableError(f"{path}: no such table; make it with: airmeta calibrate all CONFIG --table {path}")
    return load(path)


def _summary(table: Table, refused: list[Refused], radios: int) -> str:
    """Return what does not hold; of several radios with the one command that renews all of it."""
    lines = "\n".join(f"  {one.reason if len(refused) > 1 else one}" for one in refused[:SHOWN])
    more = f"\n  and {len(refused) - SHOWN} more" if len(refused) > SHOWN else ""
    again = f"\n{remedy(EXPERIMENT, table)}" if len(refused) > 1 else ""
    return (
        f"{table.name}: {len(refused)} of {radios} radios have no calibration that holds:\n{lines}{more}{again}\n"
        f"({EXPERIMENT}: the file of this experiment, with the same --set)"
    )
