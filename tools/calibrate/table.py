"""`airmeta calibrate show | diff | expire`: what is in a calibration table, what changed, what is to expire."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calibration.rules import RULES
from tools.options import json_option, readable_errors
from tools.paths import default_table

if TYPE_CHECKING:
    from calibration.comparison import Comparison
    from calibration.entry import Entry
    from calibration.measurement import Quantity

FILE = click.Path(path_type=Path, dir_okay=False)
OLD_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)

table_option = click.option(
    "--table", type=FILE, default=default_table, show_default="this user's", help="Calibration table."
)
serial_option = click.option("--serial", metavar="SERIAL", help="Only what this radio takes part in.")
kind_option = click.option("--kind", type=click.Choice(list(RULES)), help="Only this kind.")


@click.command("show")
@table_option
@serial_option
@kind_option
@json_option
def show(table: Path, serial: str | None, kind: str | None, as_json: bool) -> None:
    """List what was measured, how old it is, whether it holds.

    Numbers are value ± half the width of the 95 % interval. Whether an entry holds for a radio as it is set now is
    checked when it is used.

    \b
    Examples:
        airmeta calibrate show
        airmeta calibrate show --kind iq --json
    """
    from calibration.table_file import existing
    from tools.calibrate.listing import listing, state

    now = datetime.now(UTC)
    with readable_errors():
        whole = existing(table, default_table())
        entries = whole.select(serial, kind)
    if as_json:
        content = [entry.content() | state(entry, whole, now) for entry in entries]
        click.echo(json.dumps({"table": str(table), "entries": content}))
        return
    fresh = sum(state(entry, whole, now)["fresh"] for entry in entries)
    click.echo(f"{table}: {_counted(len(entries))}, {fresh} of them fresh")
    for line in listing(entries, whole, now):
        click.echo(line)


@click.command("diff")
@click.argument("old", type=OLD_FILE)
@click.argument("new", type=OLD_FILE)
@json_option
def diff(old: Path, new: Path, as_json: bool) -> None:
    """Compare two tables, quantity by quantity.

    A change is given in units of the combined uncertainty of both values (95 %), and marked with ! when it is beyond
    it, as chance makes it once in twenty.

    \b
    Example:
        airmeta calibrate diff monday.json tuesday.json
    """
    from calibration.comparison import compare
    from calibration.table_file import load
    from tools.calibrate.listing import changes

    with readable_errors():
        comparison = compare(load(old), load(new))
    if as_json:
        click.echo(json.dumps(_compared(comparison)))
        return
    for line in changes(comparison):
        click.echo(line)


@click.command("expire")
@serial_option
@kind_option
@table_option
@json_option
def expire(serial: str | None, kind: str | None, table: Path, as_json: bool) -> None:
    """Mark entries as expired.

    They stay readable, but nothing uses them any more: after a repair, or when a cable was moved. Without --serial and
    --kind, all of them.

    \b
    Examples:
        airmeta calibrate expire --serial loopback-1-94942c89
        airmeta calibrate expire --kind channel
    """
    from calibration.table_file import expire as expire_in
    from tools.calibrate.listing import title

    now = datetime.now(UTC)
    with readable_errors():
        chosen = expire_in(table, serial, kind, now)
    ended = [entry for entry in chosen if entry.expires > now]
    before = len(chosen) - len(ended)
    if as_json:
        told = [_names(entry) for entry in ended]
        click.echo(json.dumps({"table": str(table), "expired": told, "expired_before": before}))
        return
    for entry in ended:
        click.echo(title(entry))
    rest = f"; {_counted(before)} had expired before" if before else ""
    click.echo(f"{table}: {_counted(len(ended))} marked as expired{rest}")


def _compared(comparison: "Comparison") -> dict[str, Any]:
    changed = []
    for pair in comparison.changed:
        quantities = {
            one.name: {
                "before": _plain(one.before),
                "after": _plain(one.after),
                "deviation": _number(one.deviation),
                "beyond": one.is_beyond,
            }
            for one in pair.differences
        }
        about = {"before": _about(pair.before), "after": _about(pair.after)}
        changed.append(_names(pair.after) | about | {"quantities": quantities})
    return {
        "changed": changed,
        "only_in_old": [_names(entry) for entry in comparison.removed],
        "only_in_new": [_names(entry) for entry in comparison.added],
        "same": comparison.same,
    }


def _names(entry: "Entry") -> dict[str, Any]:
    """Return what an entry is about."""
    used = [{name: getattr(end.settings, name) for name in entry.rule.settings} for end in entry.ends]
    serials = [end.serial for end in entry.ends]
    return {"kind": entry.kind, "radios": serials, "settings": used}


def _about(entry: "Entry") -> dict[str, Any]:
    content = entry.content()
    return {name: content[name] for name in ("time", "expires", "verdict", "software")}


def _plain(quantity: "Quantity | None") -> dict[str, Any] | None:
    if quantity is None:
        return None
    return {"value": _number(quantity.value), "uncertainty": _number(quantity.uncertainty), "unit": quantity.unit}


def _number(value: float | None) -> float | str | None:
    """Return a number as the table writes it: JSON has no infinity."""
    return value if value is None or math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _counted(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
