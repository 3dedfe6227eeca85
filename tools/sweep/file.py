"""The file of a sweep, checked: what it looks like is said in `tools.sweep.plan`."""

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fl.config import ConfigError
from tools.sweep.plan import Job, Point, Study

KEYS = ("base", "seeds", "set", "runs", "grid", "quick")


def is_sweep(path: Path) -> bool:
    """Return whether a TOML file describes a sweep, and not an experiment.

    Raises:
        ConfigError: it cannot be read.
    """
    return "base" in _read(path)


def has_quick(path: Path) -> bool:
    """Return whether the file of a sweep has a short form."""
    return "quick" in _read(path)


def read_study(path: Path, quick: bool = False, overrides: Sequence[str] = ()) -> Study:
    """Return what a sweep's file describes.

    Args:
        path: TOML.
        quick: as its table `quick` says where it says something else.
        overrides: `key=value` over everything.

    Raises:
        ConfigError: everything that is wrong with its form; keys of experiments are not looked at yet.
    """
    raw = _read(path)
    problems = _unknown(raw, KEYS, "") + _unknown(raw.get("quick", {}), KEYS[:-1], "quick.")
    if quick:
        raw |= raw.get("quick", {})
    if "base" not in raw:
        problems.append('base is missing; name the experiment, for example base = "omniglot.toml"')
    problems += [problem for key, check in CHECKS.items() if key in raw and (problem := check(raw[key]))]
    if problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])
    return Study(
        path.parent / raw["base"],
        tuple(Point(name, tuple(items)) for name, items in raw.get("runs", {"": []}).items()),
        raw.get("grid", {}),
        seeds(raw["seeds"]) if "seeds" in raw else (),
        [*raw.get("set", []), *overrides],
    )


def read_jobs(path: Path, quick: bool = False, overrides: Sequence[str] = ()) -> list[Job]:
    """Return the runs that a sweep's file describes.

    Args:
        path: TOML.
        quick: as its table `quick` says where it says something else.
        overrides: `key=value` over everything.

    Raises:
        ConfigError: everything that is wrong.
    """
    return read_study(path, quick, overrides).jobs()


def seeds(value: int | Sequence[int]) -> list[int]:
    """Return seeds; a number of them is 1, 2, …"""
    return list(range(1, value + 1)) if isinstance(value, int) else list(value)


def bad_seeds(value: Any) -> str:
    """Return what is wrong with seeds; empty: nothing."""
    remedy = "give a number of seeds, or a list of different ones from 0 on, for example seeds = [1, 2, 3]"
    if isinstance(value, int) and not isinstance(value, bool):
        return "" if value > 0 else f"seeds: there must be at least one, got {value}; {remedy}"
    if not isinstance(value, list) or not value or not all(type(seed) is int and seed >= 0 for seed in value):
        return f"seeds: no list of seeds, got {value!r}; {remedy}"
    return "" if len(set(value)) == len(value) else f"seeds: some occur twice in {value}; {remedy}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or error
        raise ConfigError([f"{path}: cannot be read ({why}); give the path of a TOML file"]) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read as TOML ({error})"]) from error


def _unknown(table: Mapping[str, Any], known: Sequence[str], prefix: str) -> list[str]:
    def near(key: str) -> str:
        found = get_close_matches(key, known, n=1)
        return f"; did you mean {prefix}{found[0]}?" if found else f"; a sweep has {', '.join(known)}"

    return [f"{prefix}{key}: unknown key{near(key)}" for key in table if key not in known]


def _bad_overrides(value: Any) -> str:
    good = isinstance(value, list) and all(isinstance(item, str) and "=" in item for item in value)
    return "" if good else f'set: must be a list of "key=value", got {value!r}'


def _bad_runs(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return 'runs: must be a table with at least one setting, for example "ideal" = ["uplink.kind=ideal"]'
    wrong = [name for name, items in value.items() if _bad_overrides(items)]
    return f'runs: {", ".join(wrong)}: must be a list of "key=value"' if wrong else ""


def _bad_grid(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return 'grid: is empty; give it keys with lists of values, for example "uplink.snr_db" = [10, 19]'
    tables = [key for key, item in value.items() if isinstance(item, dict)]
    if tables:
        return f'grid: {", ".join(tables)}: write keys with dots in quotes, for example "uplink.snr_db" = [10, 19]'
    wrong = [key for key, item in value.items() if not isinstance(item, list)]
    return f"grid: {', '.join(wrong)}: must be a list of values, in brackets" if wrong else ""


CHECKS = {"seeds": bad_seeds, "set": _bad_overrides, "runs": _bad_runs, "grid": _bad_grid}
