"""What `airmeta doctor --radio` says of radios: whether they answer, and whether their calibration holds."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from math import log10
from pathlib import Path
from typing import NamedTuple

import numpy as np

from calibration import use
from calibration.entry import Entry
from calibration.setting import take
from calibration.station import Station
from calibration.table import COMMAND, Refused, Table, is_void, look_up, remedy, renewal, spoken
from calibration.table_file import load
from fl import config as configuration
from radio.base import RadioError
from tools.calibrate.opening import Bench, open_bench
from tools.paths import default_table

LISTENED = 0.5  # seconds, in which streams show whether they keep up
SIMULATED = 4096  # samples, of radios that cannot lose any


class Row(NamedTuple):
    """One thing that was looked at.

    Args:
        name: of it.
        good: whether it is well.
        seen: what was found.
        remedy: what to do; "" where another row says it.
        grave: whether a run stops, if it is not well.
    """

    name: str
    good: bool
    seen: str
    remedy: str = ""
    grave: bool = True


def radios(config: Path | None, uris: tuple[str, ...], overrides: tuple[str, ...], path: Path | None) -> Iterator[Row]:
    """Yield a row for every radio and each kind that a run needs of it.

    Args:
        config: of an experiment, or None.
        uris: of radios.
        overrides: `key=value`.
        path: of the table; None: that of the experiment, else this user's.

    Raises:
        ConfigError: something of the arguments is wrong.
        TableError: the table cannot be read.
    """
    try:
        bench = open_bench(config, uris, overrides)
    except RadioError as error:
        yield Row("radios", False, str(error), "the others are not looked at before this one answers")
        return
    with ExitStack() as stack:
        for station in (bench.server, *bench.agents.values()):
            stack.callback(station.radio.close)
        path = path or bench.config.calibration.table or default_table()
        experiment, problems = _experiment(config, overrides, path)
        if experiment is not None and experiment.uplink.kind != "waveform" and not uris:
            yield Row("radios", True, f"none in this experiment: uplink.kind = {experiment.uplink.kind}")
            return
        yield from problems
        table = load(path, default_table())
        yield Row("calibration table", True, f"{path}: {len(table.entries)} entries")
        kinds: list[str] = [kind for kind in use.ORDER if kind in bench.config.calibration.use]
        if experiment is not None and experiment.waveform.channel_from == "downlink":
            kinds.append("reciprocity")
        yield from _with_one_remedy(list(_bench(bench, table, kinds)), bench, table)


def _experiment(
    config: Path | None, overrides: tuple[str, ...], path: Path
) -> tuple[configuration.Config | None, list[Row]]:
    """Return an experiment as it would be run with a table, or why it would not; nothing where there is none."""
    if config is None:
        return None, []
    try:
        return configuration.load(config, (*overrides, f"calibration.table={json.dumps(str(path))}")), []
    except configuration.ConfigError as error:
        return None, [Row("experiment", False, problem, "a run refuses this") for problem in error.problems]


def _bench(bench: Bench, table: Table, kinds: list[str]) -> Iterator[Row]:
    for station in (bench.server, *bench.agents.values()):
        answer = _answer(station, bench.config.radio.is_simulated)
        yield answer
        if not answer.good:
            continue
        if any(entry.radio.serial == station.radio.serial for entry in table.entries):
            yield from _calibration(station, bench, table, kinds)
        else:
            yield Row(
                f"{station.name}, calibration", False, "was never measured", renewal("all", station.subject, table)
            )


def _with_one_remedy(rows: list[Row], bench: Bench, table: Table) -> Iterator[Row]:
    """Yield rows; if several entries do not hold, one command for all of them follows, instead of one for each."""
    refused = [row for row in rows if row.remedy.startswith(COMMAND) and row.grave]
    if len(refused) <= 1:
        yield from rows
        return
    yield from (row._replace(remedy="") if row in refused else row for row in rows)
    yield Row("calibration", False, "what a run needs does not hold", remedy(bench.again, table))


def _answer(station: Station, is_simulated: bool) -> Row:
    radio = station.radio
    count = SIMULATED if is_simulated else round(LISTENED * radio.sample_rate)
    try:
        heard = radio.receive(count, radio.now())
    except RadioError as error:
        return Row(station.name, False, str(error), "look at its power, cable and address")
    if heard.lost:
        seen = f"{radio.serial} lost {heard.lost} of {count} samples"
        return Row(station.name, False, seen, "lower the sample rate or the load of the machine")
    settings = radio.settings
    seen = (
        f"{radio.serial}, {settings.carrier / 1e9:g} GHz, {settings.sample_rate / 1e6:g} MS/s, attenuation "
        f"{settings.tx_attenuation_db:g} dB, gain {settings.rx_gain_db:g} dB; {count} samples without a gap, rms "
        f"{10 * log10(max(float(np.mean(np.abs(heard.data) ** 2)), 1e-30)):.1f} dBFS"
    )
    return Row(station.name, True, seen)


def _calibration(station: Station, bench: Bench, table: Table, kinds: list[str]) -> Iterator[Row]:
    """Yield a row for each kind, in the order in which they are used, because gains decide what holds."""
    server, now = bench.server, datetime.now(UTC)
    for kind in kinds:
        if station is server and kind not in use.SERVER_HAS:
            continue
        name = f"{station.name}, {kind}"
        try:
            entry = _entry(kind, station, server, table, kinds, now)
        except Refused as refused:
            renews = bench.config.calibration.renew
            if renews and is_void(table, kind, station.subject, use.partner_of(kind, station, server)):
                seen = "void since streams were started again; a run measures it again before it starts"
                yield Row(name, True, seen)
                continue
            yield Row(name, False, refused.reason, refused.command)
        except RadioError as error:
            yield Row(name, False, str(error), renewal(kind, station.subject, table))
        else:
            word = entry.verdict.word
            seen = f"{word}, measured {spoken(now - entry.time)} ago, holds for {spoken(entry.expires - now)} more"
            yield Row(name, word == "good", seen, f"{entry.verdict.reason}; a run uses it as it is", grave=False)


def _entry(kind: str, station: Station, server: Station, table: Table, kinds: list[str], now: datetime) -> Entry:
    """Return the entry that a run would use, and set the radio by it as a run would."""
    if kind == "reciprocity":
        return use.ratio(station, server, table, [one for one in kinds if one != kind], now)
    if kind == "iq":
        use.track(station, table)
    entry = look_up(table, kind, station.subject, use.partner_of(kind, station, server), now)
    if kind in use.SETTING:
        take(station.radio, entry.quantities)
    return entry
