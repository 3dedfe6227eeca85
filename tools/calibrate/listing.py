"""Entries of the calibration table as a user reads them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from tools.calibrate.done import written

if TYPE_CHECKING:
    from calibration.comparison import Comparison, Difference, Pair
    from calibration.entry import Entry, Subject
    from calibration.table import Table

SETTINGS = {  # name -> how it is called here, factor, unit
    "carrier": ("carrier", 1e-6, "MHz"),
    "sample_rate": ("rate", 1e-6, "MS/s"),
    "bandwidth": ("bandwidth", 1e-6, "MHz"),
    "tx_attenuation_db": ("attenuation", 1, "dB"),
    "rx_gain_db": ("gain", 1, "dB"),
    "clock_trim_ppm": ("trim", 1, "ppm"),
}
LEAST_SHOWN = 0.1  # of the uncertainty
INDENT = " " * 4


def listing(entries: Sequence["Entry"], table: "Table", now: datetime) -> Iterator[str]:
    """Yield the lines of a list of entries of a table, radio by radio."""
    width = max((len(name) for entry in entries for name in entry.quantities), default=0)
    radio = ""
    for entry in entries:
        yield ""
        if entry.radio.serial != radio:
            radio = entry.radio.serial
            yield f"{click.style(radio, bold=True)}  {entry.radio.uri}".rstrip()
        yield from _entry(entry, table, now, width)


def changes(comparison: "Comparison") -> Iterator[str]:
    """Yield the lines of a comparison: what changed, what was removed, what was added."""
    pairs = comparison.changed
    width = max((len(one.name) for pair in pairs for one in pair.differences), default=0)
    for pair in pairs:
        yield from (title(pair.after), *_pair(pair, width), "")
    for word, entries in (("only in OLD", comparison.removed), ("only in NEW", comparison.added)):
        yield from (f"{title(entry)}: {word}" for entry in entries)
    if comparison.removed or comparison.added:
        yield ""
    yield (
        f"{len(pairs)} changed, {len(comparison.removed)} only in OLD, {len(comparison.added)} only in NEW, "
        f"{comparison.same} the same"
    )


def title(entry: "Entry") -> str:
    """Return an entry in one line: kind, radios, settings that matter."""
    from calibration.table import named

    at = _at(entry, entry.radio)
    return named(entry.kind, entry.ends) + (f", at {at}" if at else "")


def state(entry: "Entry", table: "Table", now: datetime) -> dict[str, Any]:
    """Return what `--json` says of an entry beside its content."""
    from calibration.table import renewal, stale

    reason = stale(entry, now)
    age = (now - entry.time).total_seconds()
    renew = renewal(entry.kind, entry.radio, table)
    return {"fresh": not reason, "why_not": reason, "age_s": round(age), "renew": renew}


def _entry(entry: "Entry", table: "Table", now: datetime, width: int) -> Iterator[str]:
    from calibration.table import renewal, spoken, stale

    reason = stale(entry, now)
    against = f" against {entry.ends[1].serial}" if len(entry.ends) > 1 else ""
    fresh = f"fresh for {spoken(entry.expires - now)}" if not reason else click.style("NOT USABLE", fg="red")
    verdict = click.style(entry.verdict.word, fg="green" if entry.verdict.word == "good" else "yellow")
    yield f"  {entry.kind}{against}: {verdict}, {spoken(now - entry.time)} old, {fresh}"
    if reason:
        yield f"{INDENT}it {reason}; measure it with: {renewal(entry.kind, entry.radio, table)}"
    if entry.verdict.reason:
        yield f"{INDENT}{entry.verdict.reason}"
    if at := _at(entry, entry.radio):
        yield f"{INDENT}at {at}"
    if len(entry.ends) > 1 and _at(entry, entry.ends[1]) != _at(entry, entry.radio):
        yield f"{INDENT}and {entry.ends[1].serial} at {_at(entry, entry.ends[1])}"
    if entry.rule.needs_session:
        yield f"{INDENT}until one of the two is started or tuned again"
    for name, quantity in sorted(entry.quantities.items()):
        yield f"{INDENT}{name:{width}s}  {written(quantity)}"


def _pair(pair: "Pair", width: int) -> Iterator[str]:
    before, after = pair.before, pair.after
    if before.time != after.time:
        yield f"{INDENT}measured {before.time:%Y-%m-%d %H:%M} -> {after.time:%Y-%m-%d %H:%M} UTC"
    elif before.expires != after.expires:
        yield f"{INDENT}expires {before.expires:%Y-%m-%d %H:%M} -> {after.expires:%Y-%m-%d %H:%M} UTC"
    if before.verdict.word != after.verdict.word:
        yield f"{INDENT}verdict {before.verdict.word} -> {after.verdict.word}"
    for one in pair.differences:
        mark = click.style("!", fg="yellow") if one.is_beyond else " "
        yield f"  {mark} {one.name:{width}s}  {_change(one)}"


def _change(one: "Difference") -> str:
    before = written(one.before) if one.before else "absent"
    after = written(one.after) if one.after else "absent"
    if one.deviation is None:
        return f"{before} -> {after}"
    if not one.deviation:
        return f"{after}, the same" if before == after else f"{before} -> {after}"
    size = f"{one.deviation:+.1f}" if abs(one.deviation) >= LEAST_SHOWN else "less than 0.1"
    return f"{before} -> {after}, {size} of the uncertainty"


def _at(entry: "Entry", subject: "Subject") -> str:
    """Return the settings of one end, as far as they matter, in a user's units."""
    words = []
    for key in entry.rule.settings:
        value = getattr(subject.settings, key)
        if key in SETTINGS:
            name, factor, unit = SETTINGS[key]
            words.append(f"{name} {value * factor:.9g} {unit}")
        elif value is not None:
            words.append(f"{key.replace('_', ' ')} {'on' if value else 'off'}")
    return ", ".join(words)
