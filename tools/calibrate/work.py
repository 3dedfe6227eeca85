"""What `airmeta calibrate` does with a bench: measure kind by kind, keep every result at once, use it for the rest."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from calibration import alone, sequence, use
from calibration.entry import Entry, entry_of
from calibration.measurement import Measurement
from calibration.sequence import Options, Step
from calibration.setting import take
from calibration.station import Station
from calibration.table import Refused, Table, command, look_up, spoken
from calibration.table_file import load, store
from fl.calibrated import software
from radio.base import Radio
from tools.calibrate.done import Done
from tools.calibrate.opening import Bench
from tools.paths import default_table


@dataclass
class Work:
    """A calibration under way.

    Args:
        bench: the radios.
        path: of the table.
        options: what the user decides.
        say: what to do with a remark.
        begun: called when the measurement of a radio begins.
        held: called with what need not be measured, as the table has it.
        now: the time of day.
    """

    bench: Bench
    path: Path
    options: Options
    say: Callable[[str], None]
    begun: Callable[[str, Station], None] = lambda _kind, _station: None
    held: Callable[[Done], None] = lambda _done: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    table: Table = field(init=False)
    _watch: "StopWatch" = field(init=False)

    def __post_init__(self) -> None:
        self.table = load(self.path, default_table())
        self._watch = StopWatch()

    def run(self, kinds: tuple[str, ...], resume: bool) -> Iterator[Done]:
        """Yield what came of each radio, as soon as it is stored.

        Args:
            kinds: in their order.
            resume: leave out what the table still holds.

        Raises:
            TableError: the table cannot be read or written.
            SettingError: a radio did not take what it was to be set to.
        """
        if not self.bench.agents:
            yield from self._alone(kinds)
            return
        first = sequence.KINDS.index(kinds[0])
        for kind in sequence.KINDS[:first]:
            self._use(kind)
        for kind in kinds:
            yield from self._measure(kind, resume)

    def _alone(self, kinds: tuple[str, ...]) -> Iterator[Done]:
        """Yield what can be said of the server's radio without another one."""
        server = self.bench.server
        for kind in kinds:
            self._begun(kind, server)
            step = sequence.tried(kind, server, None, partial(alone.measure, kind, server.radio, self.bench.signals))
            failure = step.failure or self._keep(step)
            measurement = None if failure else step.measurement
            yield Done(server.name, kind, measurement, failure, self._watch.read(server.name), step.applies)

    def _measure(self, kind: str, resume: bool) -> Iterator[Done]:
        agents = self.bench.agents
        due = {agent: one for agent, one in agents.items() if not (resume and self._done(kind, one))}
        if resume and kind in use.SERVER_HAS and not self._done(kind, self.bench.server):
            due = due or dict(list(agents.items())[:1])  # the server is measured with an agent
        if kind == "levels" and due:
            due = agents
        for agent, station in agents.items():
            if agent not in due:
                self.say(f"{kind}: {station.name} is fresh, not measured again")
                self._take_over(station, kind)
        if kind in use.SERVER_HAS and not due:
            self._take_over(self.bench.server, kind)
        bench = sequence.Bench(self.bench.server, due, self.bench.signals, self._corrected, self._begun)
        for step in sequence.calibrate(kind, bench, self.options):
            name = step.station.name
            failure = step.failure or self._keep(step)
            measurement = None if failure else step.measurement
            yield Done(name, kind, measurement, failure, self._watch.read(name), step.applies)

    def _begun(self, kind: str, station: Station) -> None:
        self._watch.start(station.name)
        self.begun(kind, station)

    def _keep(self, step: Step) -> str:
        """Store what was measured, and return why not; a good measurement that holds is not replaced by a doubtful one.

        Levels are of one plan, good or not.
        """
        if step.measurement is None:
            return step.failure
        partner = None if step.partner is None else step.partner.subject
        entry = entry_of(step.measurement, step.station.subject, partner, self.now(), software())
        known = self._held(step.kind, step.station)
        verdict = entry.verdict
        if known is not None and known.verdict.word == "good" != verdict.word and step.kind != "levels":
            return (
                f"{verdict.word}: {verdict.reason}; the earlier measurement, which is good, is kept (to replace it: "
                f"{command('expire', f'--kind {step.kind} --serial {step.station.radio.serial}', self.table)})"
            )
        self.table = replace(store(self.path, [entry]), option=self.table.option)
        return ""

    def _held(self, kind: str, station: Station) -> Entry | None:
        """Return the entry that holds for a radio as it is now; None if there is none."""
        partner = use.partner_of(kind, station, self.bench.server)
        try:
            return look_up(self.table, kind, station.subject, partner, self.now())
        except Refused:
            return None

    def _done(self, kind: str, station: Station) -> bool:
        """Return whether a radio need not be measured again; levels are of one plan, which may leave out a radio."""
        entry = self._held(kind, station)
        return entry is not None and (kind == "levels" or entry.verdict.word == "good")

    def _use(self, kind: str) -> None:
        """Set all radios to what is known of them, and say what is not."""
        stations = [self.bench.server, *self.bench.agents.values()]
        if kind not in use.SERVER_HAS:
            stations = stations[1:]
        unknown = [station.name for station in stations if not self._apply(station, kind)]
        if unknown:
            self.say(
                f"{kind}: the table holds nothing for {', '.join(unknown)}; what follows is measured without it "
                "(airmeta calibrate all measures everything in order)"
            )

    def _take_over(self, station: Station, kind: str) -> None:
        """Use what is known of a radio in place of a measurement."""
        entry = self._held(kind, station)
        self._apply(station, kind)
        if entry is not None:
            partner = entry.ends[1].serial if len(entry.ends) > 1 else None
            known = Measurement(kind, station.radio.serial, partner, entry.quantities, entry.verdict)
            age = spoken(self.now() - entry.time)
            self.held(Done(station.name, kind, known, "", 0.0, origin=f"from the table, {age} old"))

    def _apply(self, station: Station, kind: str) -> bool:
        if kind == "iq":
            use.track(station, self.table)
        entry = self._held(kind, station)
        if entry is not None and kind in use.SETTING:
            take(station.radio, entry.quantities)
        return entry is not None

    def _corrected(self, station: Station) -> Radio:
        """Return a radio with its delay and imbalance taken out, as far as they are known."""
        kinds = [kind for kind in ("latency", "iq") if self._held(kind, station)]
        return use.correct(station, self.bench.server, self.table, kinds, self.now())[0]


class StopWatch:
    """How long each of several things took that were done one after the other."""

    def __init__(self) -> None:
        self._spent: dict[str, float] = {}
        self._running: tuple[str, float] | None = None

    def start(self, name: str) -> None:
        """Begin with one thing, and end the one before."""
        self._stop()
        self._running = (name, time.perf_counter())

    def read(self, name: str) -> float:
        """Return the seconds of a thing, and forget them; 0 if it was never begun."""
        if self._running is not None and self._running[0] == name:
            self._stop()
        return self._spent.pop(name, 0.0)

    def _stop(self) -> None:
        if self._running is not None:
            name, begun = self._running
            self._spent[name] = time.perf_counter() - begun
            self._running = None
