"""Calibrating a bench in the right order, one radio after the other; what fails with one leaves the others alone.

levels       first: all that follows is measured at the gains chosen here
clock        then oscillators are trimmed, where they can be
iq           at gains that stay; mixers are tuned aside for it, which begins a new session of many radios
latency      where bursts are aimed from now on
channel      through radios that are corrected
reciprocity  last: the ratio of two chains, corrections included
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from calibration import channel, clock, iq, latency, levels, reciprocity
from calibration.exchange import Signals
from calibration.level_bench import bench_of
from calibration.level_plan import plan
from calibration.measurement import CalibrationError, Measurement, NotApplicable
from calibration.rules import rule_of
from calibration.setting import take
from calibration.station import Station
from radio.base import LateError, OverrunError, Radio, RadioError
from radio.settings import Change

TRIES = 3  # of a measurement whose streams break
_log = logging.getLogger(__name__)
KINDS = "levels", "clock", "iq", "latency", "channel", "reciprocity"


@dataclass(frozen=True)
class Options:
    """What a user may decide.

    Args:
        reference_dbm: power at the server's antenna of the chirp of some agents without attenuation, by agent.
        target_db: |H|² that all agents are to have; None: the largest that all can reach.
        cutoff_db: agents weaker than the median by more than this are dropped.
        tracking: quadrature tracking of the radios; None: leave it.
        seconds: of the clock's comparison.
    """

    reference_dbm: Mapping[int, float] = field(default_factory=dict)
    target_db: float | None = None
    cutoff_db: float = 10.0
    tracking: bool | None = None
    seconds: float = 1.3


@dataclass(frozen=True)
class Step:
    """What came of one radio.

    Args:
        station: the radio.
        kind: of measurement.
        partner: the other end; None if it does not matter.
        measurement: what was found out; None when it failed.
        failure: why it failed, and what to do; "" when it did not.
        applies: False if these radios cannot be measured in this way, however well they work.
    """

    station: Station
    kind: str
    partner: Station | None
    measurement: Measurement | None
    failure: str = ""
    applies: bool = True


@dataclass(frozen=True)
class Bench:
    """What is calibrated.

    Args:
        server: the reference.
        agents: by id.
        signals: what is sent.
        corrected: the radio of a station with what is known of it taken out, for what comes last.
        begun: called when the measurement of a radio begins.
    """

    server: Station
    agents: Mapping[int, Station]
    signals: Signals
    corrected: Callable[[Station], Radio] = lambda station: station.radio
    begun: Callable[[str, Station], None] = lambda _kind, _station: None


def calibrate(kind: str, bench: Bench, options: Options) -> Iterator[Step]:
    """Measure one kind on all radios of a bench, and set what it says is to be set.

    A radio that refuses what was found for it counts as not measured.
    """
    stages = {"levels": _levels, "clock": _clock, "latency": _latency, "iq": _iq}
    yield from stages.get(kind, partial(_corrected, kind))(bench, options)


def _levels(bench: Bench, options: Options) -> Iterator[Step]:
    """All sweeps first: what one radio is set to depends on all others."""
    found: dict[int, Measurement] = {}
    for agent, station in bench.agents.items():
        step = _tried(bench, "levels", station, partial(_sweep, bench, options, agent))
        if step.measurement is None:
            yield step
        else:
            found[agent] = step.measurement
    if not found:
        return
    radios = {agent: bench.agents[agent].radio for agent in found}
    about = bench_of(bench.server.radio, radios, bench.signals)
    try:
        chosen = plan(found, about, options.target_db, options.cutoff_db)
    except CalibrationError as error:
        yield from (Step(bench.agents[agent], "levels", bench.server, None, str(error)) for agent in found)
        return
    yield _outcome("levels", bench.server, None, partial(_set, bench.server, chosen.server))
    for agent, measurement in chosen.agents.items():
        station = bench.agents[agent]
        yield _outcome("levels", station, bench.server, partial(_set, station, measurement))


def _sweep(bench: Bench, options: Options, agent: int) -> Measurement:
    radio, reference_dbm = bench.agents[agent].radio, options.reference_dbm.get(agent)
    return levels.measure(radio, bench.server.radio, bench.signals, reference_dbm)


def _set(station: Station, measurement: Measurement) -> Measurement:
    """Set a radio, and return the measurement with the trim that the radio has, the nearest to the one wished."""
    after, quantities = take(station.radio, measurement.quantities), dict(measurement.quantities)
    if "trim_ppm" in quantities:
        quantities["trim_ppm"] = replace(quantities["trim_ppm"], value=after.clock_trim_ppm)
    return replace(measurement, quantities=quantities)


def _clock(bench: Bench, options: Options) -> Iterator[Step]:
    for station in bench.agents.values():
        yield _tried(bench, "clock", station, partial(_compare, bench, options, station))


def _compare(bench: Bench, options: Options, station: Station) -> Measurement:
    found = clock.measure(bench.server.radio, station.radio, bench.signals, options.seconds)
    return _set(station, found)


def _latency(bench: Bench, _options: Options) -> Iterator[Step]:
    for station in bench.agents.values():
        yield _tried(
            bench, "latency", station,
            partial(latency.measure, bench.server.radio, station.radio, bench.signals),
        )  # fmt: skip


def _iq(bench: Bench, options: Options) -> Iterator[Step]:
    """Every exchange says something of the server too; what the first good one says is kept."""
    of_server: Measurement | None = None
    for station in bench.agents.values():
        both: list[Measurement] = []
        step = _tried(bench, "iq", station, partial(_exchange, bench, options, station, both))
        yield step
        if of_server is None and step.measurement is not None:
            of_server = both[1]
            yield Step(bench.server, "iq", None, of_server)


def _exchange(bench: Bench, options: Options, station: Station, both: list[Measurement]) -> Measurement:
    both += iq.imbalances_of(bench.server.radio, station.radio, bench.signals, options.tracking)
    return both[0]


def _corrected(kind: str, bench: Bench, _options: Options) -> Iterator[Step]:
    measure = {"channel": channel.measure, "reciprocity": reciprocity.measure}[kind]
    for station in bench.agents.values():
        yield _tried(
            bench, kind, station,
            partial(_through, measure, bench, station),
        )  # fmt: skip


def _through(measure: Callable[..., Measurement], bench: Bench, station: Station) -> Measurement:
    return measure(bench.corrected(bench.server), bench.corrected(station), bench.signals)


def _tried(bench: Bench, kind: str, station: Station, measure: Callable[[], Measurement]) -> Step:
    """Return what came of a measurement; the world's faults become part of it."""
    bench.begun(kind, station)
    partner = bench.server if rule_of(kind).has_partner else None
    others = [other.radio for other in bench.agents.values() if other is not station]
    return tried(kind, station, partner, partial(_hushed, others, measure))


def tried(kind: str, station: Station, partner: Station | None, measure: Callable[[], Measurement]) -> Step:
    """Return what came of a measurement, made up to three times if streams break."""
    return _outcome(kind, station, partner, partial(_again, measure))


def _hushed(others: Sequence[Radio], measure: Callable[[], Measurement]) -> Measurement:
    """Return a measurement during which other radios are at their largest attenuation: the carriers of mixers leak.

    One that fails must not stop those that are measured, but is not left there without a word.
    """
    before = {index: radio.settings.tx_attenuation_db for index, radio in enumerate(others)}
    for radio in others:
        with suppress(RadioError):  # its own measurement will say so
            radio.configure(Change(tx_attenuation_db=radio.limits.tx_attenuation_db.high))
    try:
        return measure()
    finally:
        for index, radio in enumerate(others):
            _restore(radio, before[index])


def _restore(radio: Radio, attenuation: float) -> None:
    """Set an attenuation again: a radio that has failed is opened by the second call, if it can be."""
    change = Change(tx_attenuation_db=attenuation)
    try:
        with suppress(RadioError):
            radio.configure(change)
            return
        radio.configure(change)
    except RadioError as error:
        _log.warning(
            "radio %s may stay at its largest attenuation, not the %g dB that it had (%s); what is measured with it "
            "from now on may be too weak; calibrate again",
            radio.serial,
            attenuation,
            error,
        )


def _again(measure: Callable[[], Measurement]) -> Measurement:
    """Return a measurement; one during which a stream broke is made again, for the radios have started it anew.

    Raises:
        LateError, OverrunError: it broke every time.
        CalibrationError, RadioError: as the measurement says.
    """
    for _ in range(TRIES - 1):
        with suppress(LateError, OverrunError):
            return measure()
    return measure()


def _outcome(kind: str, station: Station, partner: Station | None, measure: Callable[[], Measurement]) -> Step:
    try:
        return Step(station, kind, partner, measure())
    except CalibrationError as error:
        return Step(station, kind, partner, None, str(error), not isinstance(error, NotApplicable))
    except RadioError as error:
        return Step(station, kind, partner, None, f"{type(error).__name__}: {error}")
