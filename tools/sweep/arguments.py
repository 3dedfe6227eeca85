"""What `airmeta sweep` was asked for on its command line, as a study."""

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fl.config import ConfigError
from tools.sweep.file import bad_seeds, has_quick, is_sweep, read_study, seeds
from tools.sweep.plan import Point, Study


def study(path: Path, options: Mapping[str, Any]) -> Study:
    """Return what is to be run.

    Args:
        path: an experiment, or the file of a sweep.
        options: of the command line: `grid`, `points`, `seeds`, `overrides`, `threads`, `quick`.

    Raises:
        ConfigError: everything that is wrong with their form.
    """
    is_file = is_sweep(path)
    if options["quick"] and not (is_file and has_quick(path)):
        raise ConfigError([f"--quick: {path} has no table [quick]; write one, or leave --quick out"])
    threads = options["threads"]
    overrides = [*options["overrides"], *([f"run.threads={threads}"] if threads else [])]
    planned = read_study(path, options["quick"], overrides) if is_file else Study(path, overrides=overrides)
    problems: list[str] = []
    points = tuple(Point(name, tuple(shlex.split(text))) for name, text in options["points"])
    if points:
        planned = replace(planned, points=points if planned.points == (Point(""),) else planned.points + points)
    if options["grid"]:
        planned = replace(planned, grid={**planned.grid, **_grid(options["grid"], problems)})
    if options["seeds"] is not None:
        planned = replace(planned, seeds=_seeds(options["seeds"], problems))
    names = [point.name for point in planned.points]
    problems += [f"--point {name}: there are two settings of this name" for name in names if names.count(name) > 1]
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return planned


def _grid(items: Sequence[str], problems: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals or not key.strip():
            problems.append(f"--grid {item}: expected KEY=A,B,C, for example --grid uplink.snr_db=10,19,30")
        elif key.strip() in found:
            problems.append(f"--grid {item}: {key.strip()} has values already; give all in one --grid")
        else:
            found[key.strip()] = _values(item, text.strip(), problems)
    return found


def _values(item: str, text: str, problems: list[str]) -> list[Any]:
    """Return the values of a key: a TOML list, or whatever stands between commas."""
    if not text.startswith("["):
        return [value.strip() for value in text.split(",") if value.strip()]
    try:
        return list(tomllib.loads(f"values = {text}")["values"])
    except tomllib.TOMLDecodeError as error:
        problems.append(f"--grid {item}: not a TOML list ({error})")
        return [""]


def _seeds(text: str, problems: list[str]) -> list[int]:
    try:
        value: int | list[int] = [int(one) for one in text.split(",")] if "," in text else int(text)
    except ValueError:
        problems.append(f"--seeds {text}: expected a number of seeds, or a list as 1,2,7")
        return [1]
    if problem := bad_seeds(value):
        problems.append(f"--{problem}")
    return seeds(value)
