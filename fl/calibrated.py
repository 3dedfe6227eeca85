"""The radios of a run as calibration makes them: set and corrected from a table, or refused with what is missing.

What was used is kept: its digest goes into every line of the history, the entries into the folder of the run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from calibration.entry import Entry, digest
from calibration.exchange import Signals
from calibration.ratio import Ratio
from calibration.renewal import Renewal
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


@dataclass
class Used:
    """What of a table is in use, and what of it was measured anew.

    Args:
        config: table and kinds.
        renewal: the radios, set as measured, and the table.
        server: the server's radio, set and corrected.
        agents: those of the agents, by id.
        ratios: chain ratio of each agent, for channels from the downlink; empty if they come from the uplink.
        left_out: agents of whom something is void and could not be measured anew, with the reason.
    """

    config: Calibration
    renewal: Renewal
    server: Ready
    agents: dict[int, Ready]
    ratios: dict[int, Ratio] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for agent, ready in self.agents.items():
            self._take(agent, ready)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """For all radios."""
        return tuple(entry for ready in (self.server, *self.agents.values()) for entry in ready.entries)

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

    @property
    def renewed(self) -> list[str]:
        """What was measured anew because streams were started again, one line for each kind."""
        kinds = [entry.kind for entry in self.renewal.renewed]
        return [
            f"{kind} of {kinds.count(kind)} agent(s) measured again: their streams were started anew"
            for kind in dict.fromkeys(kinds)
        ]

    def radio_of(self, agent: int) -> Radio:
        """Return the radio of an agent.

        Raises:
            Dropped: calibration left it out, or does not hold any more.
        """
        if reason := self.agents[agent].dropped or self.left_out.get(agent):
            raise Dropped(f"left out by calibration: {reason}")
        return self.agents[agent].radio

    def renew(self, agents: Iterable[int]) -> bool:
        """Measure anew what restarts have voided of some agents, and return whether anything was.

        Of whom that fails is left out until it succeeds.
        """
        taking_part = [agent for agent in agents if not self.agents[agent].dropped]
        void = self.renewal.void(taking_part)
        self.left_out = {agent: reason for agent, reason in self.left_out.items() if agent in void}
        if not void:
            return False
        if not self.config.renew:
            reason = "its streams were started again, and calibration.renew is off"
            self.left_out |= dict.fromkeys(void, reason)
            return False
        failures = self.renewal.renew(void)
        self.left_out = {agent: reason for agent, reason in self.left_out.items() if agent not in void} | failures
        for agent in void:
            if agent not in failures:
                self._make_ready(agent)
        return True

    def _make_ready(self, agent: int) -> None:
        about = self.renewal
        kinds, with_ratio = self.config.use, "reciprocity" in about.kinds
        try:
            ready = make_ready(about.agents[agent], about.server, about.table, kinds, about.now(), with_ratio)
        except RadioError as error:
            self.left_out[agent] = str(error)
        else:
            self._take(agent, ready)

    def _take(self, agent: int, ready: Ready) -> None:
        self.agents[agent] = ready
        if ready.ratio is not None:
            self.ratios[agent] = ready.ratio


def calibrated(
    bench: Bench,
    agents: int,
    config: Calibration,
    now: datetime,
    with_ratios: bool = False,
    signals: Signals | None = None,
) -> tuple[Bench, Used | None]:
    """Return a bench whose radios are set and corrected as measured, and what was used for it.

    An agent that calibration dropped as too weak, or too strong, is left out of every round with the reason.

    Args:
        bench: radios as they come.
        agents: how many there are.
        config: table and kinds; without a table the bench is returned as it is.
        now: with a time zone.
        with_ratios: whether every agent must have its chain ratio.
        signals: with which to measure again what a restart has voided; None: that is refused.

    Raises:
        TableError: the table cannot be read, or does not hold for these radios; names what to measure again.
    """
    if config.table is None:
        return bench, None
    table = _table(config.table)
    server, *stations = _stations(bench, agents)
    ready, refused = _ready((server, *stations), table, config, now, with_ratios)
    kinds = (*config.use, *(("reciprocity",) if with_ratios else ()))
    renewal = Renewal(server, dict(enumerate(stations)), table, kinds, signals, software(), _now)
    if refused and config.renew and signals is not None:
        failures = renewal.renew(renewal.void(agent for agent in range(agents) if 1 + agent in refused))
        if failures:
            raise TableError(_failed(failures))
        ready, refused = _ready((server, *stations), renewal.table, config, max(now, _now()), with_ratios)
    if refused:
        raise TableError(_summary(table, list(refused.values()), 1 + len(stations)))
    used = Used(config, renewal, ready[0], {agent: ready[1 + agent] for agent in range(agents)})
    return replace(bench, server=used.server.radio, radio_of=used.radio_of), used


def _ready(
    stations: Sequence[Station], table: Table, config: Calibration, now: datetime, with_ratios: bool
) -> tuple[dict[int, Ready], dict[int, Refused]]:
    """Return the radios that could be set and corrected, the server first, and what was refused of the others."""
    ready: dict[int, Ready] = {}
    refused: dict[int, Refused] = {}
    for place, station in enumerate(stations):
        try:
            ready[place] = make_ready(station, stations[0], table, config.use, now, with_ratios)
        except Refused as reason:
            refused[place] = reason
    return ready, refused


def software() -> str:
    """Return the version of airmeta."""
    try:
        return metadata.version("airmeta")
    except metadata.PackageNotFoundError:  # run from a checkout, without an install
        return "not installed"


def _now() -> datetime:
    return datetime.now(UTC)


def _failed(failures: dict[int, str]) -> str:
    lines = "\n".join(f"  agent {agent}: {reason}" for agent, reason in sorted(failures.items())[:SHOWN])
    return (
        f"what a restart of streams has voided must be measured again, and {len(failures)} agent(s) could not be (set "
        f"calibration.renew = false for the commands that measure it):\n{lines}"
    )


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
