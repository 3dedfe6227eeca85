"""What a restart of streams has voided is measured again: latency, and the ratio of chains.

Radios whose sessions end with their streams (a PlutoSDR's always do) would have nothing to use otherwise: gains, trims
and imbalance outlive a restart, where a stream begins and the phases of mixers do not.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from calibration import sequence, use
from calibration.entry import Entry, entry_of
from calibration.exchange import Signals
from calibration.rules import RULES
from calibration.sequence import Options, Step
from calibration.station import Station
from calibration.table import Refused, Table, is_void, look_up
from radio.base import Radio


@dataclass
class Renewal:
    """What radios use of a table, and how it is measured anew.

    Args:
        server: the reference, set as measured.
        agents: by id, likewise.
        table: what was measured; holds what is measured anew, too.
        kinds: that are in use.
        signals: what is sent; None: nothing can be measured anew.
        software: version of airmeta.
        now: the time of day, with a time zone.
        renewed: what was measured anew so far.
    """

    server: Station
    agents: Mapping[int, Station]
    table: Table
    kinds: tuple[str, ...]
    signals: Signals | None
    software: str
    now: Callable[[], datetime]
    renewed: list[Entry] = field(default_factory=list)

    @property
    def bound(self) -> list[str]:
        """The kinds in use that hold for one session, in the order in which they are measured."""
        return [kind for kind in sequence.KINDS if kind in self.kinds and RULES[kind].needs_session]

    def void(self, agents: Iterable[int]) -> list[int]:
        """Return the agents of whom something is void."""
        return [agent for agent in agents if any(self._is_void(kind, self.agents[agent]) for kind in self.bound)]

    def renew(self, agents: Iterable[int]) -> dict[int, str]:
        """Measure anew what is void of some agents, and return of whom that failed, and why.

        Raises:
            ValueError: there is nothing to measure with.
        """
        if self.signals is None:
            raise ValueError("signals must be given to measure anew, got none; give those of the waveform")
        failures: dict[int, str] = {}
        due = set[int]()
        for kind in self.bound:  # what is measured through corrected radios is void with the correction
            due |= {agent for agent in agents if self._is_void(kind, self.agents[agent])}
            stations = {agent: self.agents[agent] for agent in sorted(due - failures.keys())}
            numbers = {station.name: agent for agent, station in stations.items()}
            bench = sequence.Bench(self.server, stations, self.signals, self._corrected)
            for step in sequence.calibrate(kind, bench, Options()) if stations else ():
                if step.failure:
                    failures[numbers[step.station.name]] = f"{kind} could not be measured again: {step.failure}"
                else:
                    self._keep(step)
        return failures

    def _is_void(self, kind: str, station: Station) -> bool:
        return is_void(self.table, kind, station.subject, use.partner_of(kind, station, self.server))

    def _keep(self, step: Step) -> None:
        if step.measurement is None:
            return
        partner = None if step.partner is None else step.partner.subject
        entry = entry_of(step.measurement, step.station.subject, partner, self.now(), self.software)
        self.table = self.table.updated([entry])
        self.renewed = [other for other in self.renewed if not entry.replaces(other)] + [entry]

    def _corrected(self, station: Station) -> Radio:
        """Return a radio with what is in use of latency and imbalance taken out."""
        kinds = [kind for kind in ("latency", "iq") if kind in self.kinds and self._holds(kind, station)]
        return use.correct(station, self.server, self.table, kinds, self.now())[0]

    def _holds(self, kind: str, station: Station) -> bool:
        try:
            look_up(self.table, kind, station.subject, use.partner_of(kind, station, self.server), self.now())
        except Refused:
            return kind == "latency" and station is self.server  # it has none of its own to be looked up
        return True
