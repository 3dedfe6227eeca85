"""What a search may vary: keys of an experiment, each over a range or among choices.

    --vary uplink.sparsity=0.01:0.2:log     between two ends, in ratio
    --vary uplink.min_headroom_db=0:12      between two ends
    --vary algorithm.local_steps=1:4        whole numbers, as the key itself is one
    --vary uplink.power_rule=inversion,mmse one of some

Values are rounded to four digits, so that a setting can be read and written down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import Any, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from fl.config import ConfigError, leaves, load

DIGITS = 4
FIXED = ("seed", "data_root", "run", "evaluation", "control")
"""Keys and tables that say how a search looks, not what it looks for."""


@dataclass(frozen=True)
class Axis:
    """One key, and what it may be.

    Args:
        key: path.
        kind: "real", "ratio" (a range in logarithm), "whole" or "choice".
        low: least value of a range.
        high: greatest value.
        choices: values as text.
    """

    key: str
    kind: Literal["real", "ratio", "whole", "choice"]
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    @property
    def distribution(self) -> BaseDistribution:
        """How Optuna knows it."""
        if self.kind == "choice":
            return CategoricalDistribution(self.choices)
        if self.kind == "whole":
            return IntDistribution(int(self.low), int(self.high))
        return FloatDistribution(self.low, self.high, log=self.kind == "ratio")

    def spelt(self, value: Any) -> str:
        """Return a value as `--set` reads it, rounded but not out of the range."""
        if self.kind == "choice":
            return str(value)
        if self.kind == "whole":
            return str(int(value))
        return f"{min(max(float(f'{value:.{DIGITS}g}'), self.low), self.high):.{2 * DIGITS}g}"

    def probes(self) -> tuple[str, ...]:
        """Return values that should do if any does: the ends and the middle, or all choices."""
        if self.kind == "choice":
            return self.choices
        middle = (self.low * self.high) ** 0.5 if self.kind == "ratio" else (self.low + self.high) / 2
        return tuple(self.spelt(value) for value in (middle, self.low, self.high))

    def holds(self, value: Any) -> bool:
        """Return whether a value of the experiment is one of this axis."""
        if self.kind == "choice":
            return _text(value) in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def __str__(self) -> str:
        if self.kind == "choice":
            return f"{self.key}={','.join(self.choices)}"
        return f"{self.key}={self.low:g}:{self.high:g}{':log' if self.kind == 'ratio' else ''}"


def parse(text: str, current: Any) -> Axis:
    """Return the axis that one `--vary` describes.

    Args:
        text: `key=low:high[:log]` or `key=a,b,c`.
        current: value of the key in the experiment, whose type decides whether a range is of whole numbers; None: not
            known.

    Raises:
        ConfigError: it has no such form, or the range is empty, or not one of values that the key may have.
    """
    key, equals, values = (part.strip() for part in text.partition("="))
    if not (key and equals and values):
        raise _bad(text, "expected KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C")
    if ":" not in values:
        choices = tuple(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))
        if len(choices) < 2:
            raise _bad(text, f"one value leaves no choice; write --set {key}={values}, or give several")
        return Axis(key, "choice", choices=choices)
    low_text, high_text, *scale = values.split(":")
    try:
        low, high = float(low_text), float(high_text)
    except ValueError as error:
        raise _bad(text, "LOW and HIGH must be numbers") from error
    if scale not in ([], ["log"]):
        raise _bad(text, f"after LOW:HIGH may stand :log, got :{':'.join(scale)}")
    if isinstance(current, str | bool):
        raise _bad(text, f"no number (now {_text(current)}), which has no range; give values, {key}=A,B")
    if inf in (abs(low), abs(high)):
        raise _bad(text, "LOW and HIGH must be finite")
    if not low < high:
        raise _bad(text, f"an empty range: LOW must be below HIGH, got {low:g} and {high:g}")
    if scale and not low > 0:
        raise _bad(text, f"a range in ratio needs LOW above 0, got {low:g}; leave out :log, or raise it")
    if not isinstance(current, int):
        return Axis(key, "ratio" if scale else "real", low, high)
    if scale or not (low.is_integer() and high.is_integer()):
        raise _bad(text, "whole numbers only, from LOW to HIGH without :log; or give some, KEY=1,2,4")
    return Axis(key, "whole", low, high)


def check_axes(axes: Sequence[Axis], base: Path, overrides: Sequence[str]) -> None:
    """Check that the experiment knows each key and takes one value of it at least.

    Args:
        axes: what is varied.
        base: the experiment.
        overrides: `key=value` over it.

    Raises:
        ConfigError: everything that is wrong.
    """
    problems = []
    known = values_of(load(base, overrides))
    for axis in axes:
        inner = [key for key in known if key.startswith(f"{axis.key}.")]
        if axis.key.split(".")[0] in FIXED:
            problems.append(f"--vary {axis}: it says how the search looks, not what it looks for; use --set")
        elif inner:
            problems.append(f"--vary {axis}: a table; vary one of its keys, {inner[0]} for example")
        elif (reason := refusal(axis, base, overrides)) is not None:
            problems.append(f"--vary {axis}: {reason}")
    keys = [axis.key for axis in axes]
    problems += [f"--vary {key}: given twice" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    if problems:
        raise ConfigError(problems)


def takes_whole_numbers(key: str, base: Path, overrides: Sequence[str]) -> bool:
    """Return whether a key that has no value in the experiment would refuse half a number as one."""
    try:
        load(base, [*overrides, f"{key}=1.5"])
    except ConfigError as error:
        return any(problem.startswith(f"{key}: input should be a valid integer") for problem in error.problems)
    return False


def refusal(axis: Axis, base: Path, overrides: Sequence[str]) -> str | None:
    """Return what is none of the key's values, or why the experiment takes none of them; None: the axis will do.

    A value that contradicts other keys may do beside other values of those; one that the key cannot have never does.
    """
    reasons = []
    for value in axis.probes():
        try:
            load(base, [*overrides, f"{axis.key}={value}"])
        except ConfigError as error:
            reasons.append(error.problems[0])
    never = [reason for reason in reasons if reason.startswith(f"{axis.key}: input should")]
    if never or len(reasons) == len(axis.probes()):
        return (never or reasons)[0]
    return None


def values_of(config: Any) -> dict[str, Any]:
    """Return every value of a configuration by its key path."""
    return leaves(config.model_dump(mode="json"))


def described(axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """Return axes as JSON would hold them."""
    return [{**asdict(axis), "choices": list(axis.choices)} for axis in axes]


def overrides_of(axes: Sequence[Axis], values: Mapping[str, Any]) -> list[str]:
    """Return `key=value` of each axis."""
    return [f"{axis.key}={axis.spelt(values[axis.key])}" for axis in axes]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bad(text: str, problem: str) -> ConfigError:
    return ConfigError([f"--vary {text}: {problem}"])
