"""What `airmeta doctor --radio` says of radios: whether they answer, and whether their calibration holds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from calibration import use
from calibration.setting import take
from calibration.station import Station
from calibration.table import Refused, Table, look_up, spoken
from calibration.table_file import load
from radio.base import RadioError
from tools.calibrate.opening import Bench, open_bench

LISTENED = 4096

Row = tuple[str, bool, str, str]


def radios(config: Path | None, uris: tuple[str, ...], overrides: tuple[str, ...], path: Path) -> Iterator[Row]:
    """Yield name, whether it is well, what was seen, and what to do, for every radio and each kind it needs.

    Raises:
        ConfigError: something of the arguments is wrong.
        TableError: the table cannot be read.
    """
    bench, table = open_bench(config, uris, overrides), load(path)
    yield "calibration table", True, f"{path}: {len(table.entries)} entries", ""
    for station in (bench.server, *bench.agents.values()):
        answer = _answer(station)
        yield answer
        if answer[1]:
            yield from _calibration(station, bench, table)
        station.radio.close()


def _answer(station: Station) -> Row:
    radio = station.radio
    try:
        heard = radio.receive(LISTENED, radio.now())
    except RadioError as error:
        return station.name, False, str(error), "look at its power, cable and address"
    if heard.lost:
        seen = f"{radio.serial} lost {heard.lost} of {LISTENED} samples"
        return station.name, False, seen, "lower the sample rate or the load of the machine"
    settings = radio.settings
    seen = (
        f"{radio.serial}, {settings.carrier / 1e9:g} GHz, {settings.sample_rate / 1e6:g} MS/s, attenuation "
        f"{settings.tx_attenuation_db:g} dB, gain {settings.rx_gain_db:g} dB"
    )
    return station.name, True, seen, ""


def _calibration(station: Station, bench: Bench, table: Table) -> Iterator[Row]:
    """Yield a row for each kind, in the order in which they are used, because gains decide what holds."""
    server, now = bench.server, datetime.now(UTC)
    for kind in use.SERVER_HAS if station is server else use.ORDER:
        name = f"{station.name}, {kind}"
        partner = None if station is server or kind == "iq" else server.subject
        try:
            entry = look_up(table, kind, station.subject, partner, now)
            if kind in use.SETTING:
                take(station.radio, entry.quantities)
        except Refused as refused:
            yield name, False, refused.reason, refused.command
        except RadioError as error:
            yield name, False, str(error), f"airmeta calibrate {kind} {station.uri}"
        else:
            word = entry.verdict.word
            seen = f"{word}, measured {spoken(now - entry.time)} ago, holds for {spoken(entry.expires - now)} more"
            yield name, word == "good", seen, entry.verdict.reason
