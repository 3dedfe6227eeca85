"""What `airmeta doctor --radio` says of radios: whether they answer, and whether their calibration holds."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from math import log10
from pathlib import Path

import numpy as np

from calibration import use
from calibration.setting import take
from calibration.station import Station
from calibration.table import Refused, Table, is_void, look_up, spoken
from calibration.table_file import load
from fl import config as configuration
from radio.base import RadioError
from tools.calibrate.opening import Bench, open_bench
from tools.paths import default_table

LISTENED = 0.5  # seconds, in which streams show whether they keep up
SIMULATED = 4096  # samples, of radios that cannot lose any

Row = tuple[str, bool, str, str]


def radios(config: Path | None, uris: tuple[str, ...], overrides: tuple[str, ...], path: Path | None) -> Iterator[Row]:
    """Yield name, whether it is well, what was seen, and what to do, for every radio and each kind that a run needs.

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
        yield "radios", False, str(error), "the others are not looked at before this one answers"
        return
    path = path or bench.config.calibration.table or default_table()
    table, stations = load(path), [bench.server, *bench.agents.values()]
    kinds: list[str] = [kind for kind in use.ORDER if kind in bench.config.calibration.use]
    if config is not None and configuration.load(config, overrides).waveform.channel_from == "downlink":
        kinds.append("reciprocity")
    yield "calibration table", True, f"{path}: {len(table.entries)} entries", ""
    with ExitStack() as stack:
        for station in stations:
            stack.callback(station.radio.close)
        for station in stations:
            answer = _answer(station, bench.config.radio.is_simulated)
            yield answer
            if answer[1]:
                yield from _calibration(station, bench, table, kinds)


def _answer(station: Station, is_simulated: bool) -> Row:
    radio = station.radio
    count = SIMULATED if is_simulated else round(LISTENED * radio.sample_rate)
    try:
        heard = radio.receive(count, radio.now())
    except RadioError as error:
        return station.name, False, str(error), "look at its power, cable and address"
    if heard.lost:
        seen = f"{radio.serial} lost {heard.lost} of {count} samples"
        return station.name, False, seen, "lower the sample rate or the load of the machine"
    settings = radio.settings
    seen = (
        f"{radio.serial}, {settings.carrier / 1e9:g} GHz, {settings.sample_rate / 1e6:g} MS/s, attenuation "
        f"{settings.tx_attenuation_db:g} dB, gain {settings.rx_gain_db:g} dB; {count} samples without a gap, rms "
        f"{10 * log10(max(float(np.mean(np.abs(heard.data) ** 2)), 1e-30)):.1f} dBFS"
    )
    return station.name, True, seen, ""


def _calibration(station: Station, bench: Bench, table: Table, kinds: list[str]) -> Iterator[Row]:
    """Yield a row for each kind, in the order in which they are used, because gains decide what holds."""
    server, now = bench.server, datetime.now(UTC)
    for kind in kinds:
        if station is server and kind not in use.SERVER_HAS:
            continue
        name = f"{station.name}, {kind}"
        try:
            if kind == "iq":
                use.track(station, table)
            entry = look_up(table, kind, station.subject, use.partner_of(kind, station, server), now)
            if kind in use.SETTING:
                take(station.radio, entry.quantities)
        except Refused as refused:
            renews = bench.config.calibration.renew
            if renews and is_void(table, kind, station.subject, use.partner_of(kind, station, server)):
                yield name, True, "void since streams were started again; a run measures it again before it starts", ""
                continue
            yield name, False, refused.reason, refused.command
        except RadioError as error:
            yield name, False, str(error), f"airmeta calibrate {kind} {station.uri}"
        else:
            word = entry.verdict.word
            seen = f"{word}, measured {spoken(now - entry.time)} ago, holds for {spoken(entry.expires - now)} more"
            yield name, word == "good", seen, entry.verdict.reason
