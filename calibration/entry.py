"""An entry of the calibration table: one measurement, what it is about, when it was made, and how long it holds."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_validator

from calibration.measurement import Measurement, Quantity, Verdict
from calibration.rules import RULES, Rule, rule_of
from radio.base import Radio
from radio.settings import Settings


@dataclass(frozen=True)
class Subject:
    """A radio as it was when something was measured, or as it is when that is looked up.

    Args:
        serial: which radio.
        session: of its streams and mixers; phases and delays hold within one.
        settings: as it said itself.
        uri: arguments of the command line that mean it, such as "--radio loopback --agent 3".
    """

    serial: str
    session: str
    settings: Settings
    uri: str

    @classmethod
    def of(cls, radio: Radio, uri: str) -> Self:
        """Return a radio as it is now."""
        return cls(radio.serial, radio.session, radio.settings, uri)


class Entry(BaseModel):
    """One measurement: frozen, closed to unknown keys, times to the second."""

    # The dataclasses inside have no configuration of their own and follow this one.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        ser_json_inf_nan="strings",
        revalidate_instances="always",
        hide_input_in_errors=True,
    )

    kind: str
    radio: Subject
    partner: Subject | None
    quantities: dict[str, Quantity]
    verdict: Verdict
    time: AwareDatetime
    expires: AwareDatetime
    software: str

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        rule_of(kind)
        return kind

    @field_validator("quantities")
    @classmethod
    def _numbers(cls, quantities: dict[str, Quantity]) -> dict[str, Quantity]:
        for name, one in quantities.items():
            if math.isnan(one.value) or not one.uncertainty >= 0:
                raise ValueError(
                    f"{name} must be a number with an uncertainty >= 0, got {one.value} ± {one.uncertainty}"
                )
        return quantities

    @property
    def rule(self) -> Rule:
        """What entries of this kind hold for."""
        return RULES[self.kind]

    @property
    def ends(self) -> tuple[Subject, ...]:
        """The radios that it is about: one, or two."""
        return (self.radio, self.partner) if self.rule.has_partner and self.partner else (self.radio,)

    @property
    def sort_key(self) -> tuple[Any, ...]:
        """Where it stands in a table: by radio, kind, partner and the settings that matter."""
        order = [*RULES].index(self.kind)
        serials = [end.serial for end in self.ends]
        values = [_rank(getattr(end.settings, name)) for end in self.ends for name in self.rule.settings]
        return serials[0], order, serials[1:], values

    def involves(self, serial: str) -> bool:
        """Return whether a radio is at one of its ends."""
        return any(end.serial == serial for end in self.ends)

    def replaces(self, other: "Entry") -> bool:
        """Return whether it says the same thing anew: same kind, same radios, same settings as far as they matter."""
        return (
            self.kind == other.kind
            and [end.serial for end in self.ends] == [end.serial for end in other.ends]
            and not any(
                differing(self.rule, mine.settings, theirs.settings)
                for mine, theirs in zip(self.ends, other.ends, strict=True)
            )
        )

    def content(self) -> dict[str, Any]:
        """Return what JSON says of it; times in UTC."""
        said: dict[str, Any] = json.loads(self.model_dump_json())  # of its three ways the one that JSON can say inf in
        return said | {name: written(getattr(self, name)) for name in ("time", "expires")}


def entry_of(measurement: Measurement, radio: Subject, partner: Subject | None, now: datetime, software: str) -> Entry:
    """Return the entry that keeps a measurement.

    Args:
        measurement: of `radio`.
        radio: it, as it is set after the measurement.
        partner: the other end; None if the measurement has none.
        now: with a time zone.
        software: version of airmeta.

    Raises:
        ValueError: the measurement is of other radios, or a quantity is not a number.
    """
    for given, serial in ((radio, measurement.serial), (partner, measurement.partner)):
        if (given and given.serial) != serial:
            raise ValueError(f"{measurement.kind} was measured with {serial}, got {given and given.serial}")
    time = to_second(now)
    try:
        return Entry(
            kind=measurement.kind,
            radio=radio,
            partner=partner,
            quantities=measurement.quantities,
            verdict=measurement.verdict,
            time=time,
            expires=time + rule_of(measurement.kind).lasts,
            software=software,
        )
    except ValidationError as error:
        raise ValueError(f"{measurement.kind} of {radio.serial}: {'; '.join(problems(error))}") from error


def differing(rule: Rule, one: Settings, other: Settings) -> list[str]:
    """Return the names of the settings that matter and differ; rounding makes no difference."""
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in rule.settings)
    return [name for name, mine, theirs in pairs if not _same(mine, theirs)]


def digest(entries: Iterable[Entry]) -> str:
    """Return the SHA-256 of entries, in whatever order they come: which calibration a run used."""
    content = [entry.content() for entry in sorted(entries, key=lambda entry: entry.sort_key)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def to_second(now: datetime) -> datetime:
    """Return an instant in UTC, to the second.

    Raises:
        ValueError: it has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError(f"now must have a time zone, got {now.isoformat()}; take datetime.now(UTC)")
    return now.astimezone(UTC).replace(microsecond=0)


def problems(error: ValidationError) -> list[str]:
    """Return what is wrong with entries, one line each: key path, what, value."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        unknown = item["type"] in ("extra_forbidden", "unexpected_keyword_argument")
        lines.append(f"{key}: unknown key" if unknown else f"{key}: {item['msg'].removeprefix('Value error, ')}")
    return lines


def written(instant: datetime) -> str:
    """Return an instant as the table writes it: ISO 8601, UTC, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rank(value: float | bool | None) -> tuple[bool, float]:
    return value is not None, float(value or 0)


def _same(mine: float | bool | None, theirs: float | bool | None) -> bool:
    if mine is None or theirs is None:
        return mine is theirs
    return math.isclose(mine, theirs, rel_tol=1e-9, abs_tol=1e-6)
