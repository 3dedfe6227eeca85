"""The calibration table, and what may be used of it: only what holds for the radios as they are now.

A lookup never falls back: what was measured for other settings, too long ago, for another radio, or before a restart is
refused with the reason, the closest entry, and the command that renews it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from difflib import get_close_matches

from calibration.entry import Entry, Subject, differing, to_second, written
from calibration.rules import RULES, rule_of
from radio.base import RadioError

COMMAND = "airmeta calibrate"
PLURAL = {"was": "were", "does": "do"}
SKEW = timedelta(minutes=1)  # by which the clocks of two machines that share a table may differ


class TableError(RadioError):
    """The calibration table cannot be read, cannot be written, or holds nothing that was asked for."""


class Refused(TableError):  # noqa: N818 - what happened, like NotDetected
    """No entry holds for a radio as it is now.

    Args:
        reason: what the table has instead.
        command: that measures it anew.
    """

    def __init__(self, reason: str, command: str) -> None:
        super().__init__(f"{reason}; measure it with: {command}")
        self.reason = reason
        self.command = command


@dataclass(frozen=True)
class Table:
    """Entries in a fixed order; no two of them say the same thing.

    Args:
        entries: by radio, kind, partner and settings.
        name: of the table in messages.
        option: of the command line that means it, "--table FILE"; "": it is meant without one.
    """

    entries: tuple[Entry, ...] = ()
    name: str = field(default="the table", compare=False)
    option: str = field(default="", compare=False)

    def updated(self, entries: Iterable[Entry]) -> "Table":
        """Return the table with some entries added, each in the place of what it measured anew."""
        kept = list(self.entries)
        for entry in entries:
            kept = [old for old in kept if not entry.replaces(old)] + [entry]
        return replace(self, entries=tuple(sorted(kept, key=lambda entry: entry.sort_key)))

    def select(self, serial: str | None = None, kind: str | None = None) -> list[Entry]:
        """Return the entries of a kind that a radio takes part in; None: any.

        Raises:
            TableError: there are none; names what there is.
        """
        of_kind = [entry for entry in self.entries if kind in (None, entry.kind)]
        found = [entry for entry in of_kind if serial is None or entry.involves(serial)]
        if not found:
            raise TableError(self._nothing(serial, kind))
        return found

    def expire(self, chosen: Sequence[Entry], now: datetime) -> "Table":
        """Return the table with the chosen entries expired; what had expired before keeps its time."""
        end = to_second(now)
        ended = [entry.model_copy(update={"expires": end}) for entry in chosen if entry.expires > end]
        return self.updated(ended)

    def _nothing(self, serial: str | None, kind: str | None) -> str:
        if not self.entries:
            return f"{self.name} has no entries yet; measure some with: {command('all', '--radio URI', self)}"
        serials = sorted({end.serial for entry in self.entries for end in entry.ends})
        near = get_close_matches(serial or "", serials, n=1)
        kinds = [name for name in RULES if any(entry.kind == name for entry in self.entries)]
        asked = f"{kind or 'entry'}{f' of {serial}' if serial else ''}"
        guess = f"; did you mean {near[0]}?" if near and serial not in serials else ""
        return f"{self.name} has no {asked}; it has {', '.join(kinds)} of {', '.join(serials)}{guess}"


def look_up(table: Table, kind: str, radio: Subject, partner: Subject | None, now: datetime) -> Entry:
    """Return the entry of a kind that holds for a radio as it is now.

    Args:
        table: of what was measured.
        kind: as on the command line.
        radio: as it is now.
        partner: the other end as it is now, or None; without effect on kinds that are about one radio.
        now: with a time zone.

    Raises:
        Refused: no entry holds; with the reason and the command that renews it.
        ValueError: there is no such kind.
    """
    ends = (radio, partner) if rule_of(kind).has_partner and partner else (radio,)
    wanted = kind, _serials(ends)
    same_ends = [entry for entry in table.entries if (entry.kind, _serials(entry.ends)) == wanted]
    again = renewal(kind, radio, table)
    if not same_ends:
        raise Refused(_not_these(table, kind, ends), again)
    closest = min(same_ends, key=lambda entry: (_distance(entry, ends), -entry.time.timestamp()))
    reason = _other_settings(closest, ends) or _other_session(closest, ends) or stale(closest, now)
    if reason:
        raise Refused(_sentence(kind, closest.ends, reason), again)
    return closest


def is_void(table: Table, kind: str, radio: Subject, partner: Subject | None) -> bool:
    """Return whether something would hold but for a restart or a retune of one of its radios since."""
    ends = (radio, partner) if rule_of(kind).has_partner and partner else (radio,)
    wanted = kind, _serials(ends)
    same = [entry for entry in table.entries if (entry.kind, _serials(entry.ends)) == wanted]
    same = [entry for entry in same if not _other_settings(entry, ends)]
    return bool(same) and all(_other_session(entry, ends) for entry in same)


def stale(entry: Entry, now: datetime) -> str:
    """Return why the time of an entry is over, "" if it is not."""
    instant = to_second(now)
    if entry.time > instant + SKEW:
        return f"was measured at {written(entry.time)}, later than now ({written(instant)}): a clock is wrong, set it"
    if entry.expires > instant:
        return ""
    return f"expired {spoken(instant - entry.expires)} ago, {spoken(entry.expires - entry.time)} after it was measured"


def renewal(kind: str, radio: Subject, table: Table) -> str:
    """Return the command that measures something anew; levels are chosen for all radios together."""
    return command(kind, bench_of(radio.uri) if kind == "levels" else radio.uri, table)


def remedy(arguments: str, table: Table) -> str:
    """Return how all is renewed that does not hold of a bench, and the rest left as it is."""
    return f"measure all that does not hold with: {command('all', f'{arguments} --resume', table)}"


def bench_of(uri: str) -> str:
    """Return the arguments that mean all radios of a bench, from those that mean one of them."""
    return re.sub(r" --agent \d+$", "", uri)


def command(verb: str, arguments: str, table: Table) -> str:
    """Return a command of calibration that is about a table."""
    return " ".join(filter(None, (COMMAND, verb, arguments, table.option)))


def named(kind: str, ends: Sequence[Subject]) -> str:
    """Return what something is about, as in "clock of A against B"."""
    return f"{kind} of {' against '.join(_serials(ends))}"


def _sentence(kind: str, ends: Sequence[Subject], predicate: str) -> str:
    """Return a sentence about what was measured: levels are many, anything else is one."""
    first, _, rest = predicate.partition(" ")
    verb = PLURAL.get(first, first) if kind == "levels" else first
    return f"{named(kind, ends)} {verb} {rest}"


def spoken(duration: timedelta) -> str:
    """Return a duration with one unit, as in "3 h"."""
    seconds = duration.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def spelt(value: float | bool | None) -> str:
    """Return the value of a setting for a message."""
    words = {None: "absent", True: "on", False: "off"}
    return words[value] if value is None or isinstance(value, bool) else f"{value:.10g}"


def _serials(ends: Sequence[Subject]) -> list[str]:
    return [end.serial for end in ends]


def _distance(entry: Entry, ends: Sequence[Subject]) -> int:
    pairs = zip(entry.ends, ends, strict=True)
    return sum(len(differing(entry.rule, then.settings, now.settings)) for then, now in pairs)


def _not_these(table: Table, kind: str, ends: Sequence[Subject]) -> str:
    """Return which radios there are entries of, when there is none of these."""
    entries = [entry for entry in table.entries if entry.kind == kind]
    own = [entry for entry in entries if entry.radio.serial == ends[0].serial]
    if own:
        others = ", ".join(dict.fromkeys(" and ".join(_serials(entry.ends[1:])) or "itself" for entry in own))
        wanted = f"against {ends[1].serial}" if len(ends) > 1 else "by itself"
        return _sentence(kind, ends[:1], f"was measured against {others}, not {wanted}")
    known = ", ".join(dict.fromkeys(entry.radio.serial for entry in entries))
    there = f"{kind} of {known}" if known else f"no {kind} at all"
    return f"{_sentence(kind, ends, 'was never measured')}; {table.name} has {there}"


def _other_settings(entry: Entry, ends: Sequence[Subject]) -> str:
    found = []
    for index, (then, now) in enumerate(zip(entry.ends, ends, strict=True)):
        names = differing(entry.rule, then.settings, now.settings)
        if names:
            before = " and ".join(f"{name} = {spelt(getattr(then.settings, name))}" for name in names)
            after = " and ".join(spelt(getattr(now.settings, name)) for name in names)
            who, now_at = (
                (f"with {now.serial} ", f"which is at {after} now") if index else ("", f"the radio is at {after}")
            )
            found.append(f"{who}at {before}, {now_at}")
    return f"was measured {', and '.join(found)}" if found else ""


def _other_session(entry: Entry, ends: Sequence[Subject]) -> str:
    if not entry.rule.needs_session:
        return ""
    found = [
        f"{now.serial} was restarted or tuned again since (session {then.session!r} then, {now.session!r} now)"
        for then, now in zip(entry.ends, ends, strict=True)
        if then.session != now.session
    ]
    return f"does not hold any more: {' and '.join(found)}" if found else ""
