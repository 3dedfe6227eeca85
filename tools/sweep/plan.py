"""What a sweep runs: settings by name, each with several seeds, from a file or from lists on the command line.

    base = "omniglot.toml"            # the experiment, beside this file
    seeds = [1, 2, 3, 4, 5]           # or 5
    set = ["rounds=200"]              # over the base, for all runs
    [runs]                            # settings by name …
    "ideal" = ["uplink.kind=ideal"]
    "19 dB" = ["uplink.snr_db=19"]
    [grid]                            # … each crossed with every combination of these
    "uplink.sparsity" = [0.01, 0.04]
    [quick]                           # what another `seeds`, `set`, … replaces with --quick

Every run is checked before any starts, and is known by the hash of its configuration. A run has one thread unless the
experiment, or the sweep, sets `run.threads`: runs side by side use cores better than threads side by side do. The
number of threads shapes a result in its last bits and so belongs to the configuration; it does not follow the machine,
and a sweep that goes on elsewhere finds its runs.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fl.config import Config, ConfigError, digest, load
from fl.data.files import check_root
from tools.sweep.grid import override, repeated

DIGITS = 16  # of a hash, in names of folders
LONG = 1.0  # seconds of checking after which it is said


@dataclass(frozen=True)
class Point:
    """One setting of a sweep.

    Args:
        name: for people, and how results are asked for.
        overrides: `key=value` over the experiment.
    """

    name: str
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """One run: a setting with a seed.

    Args:
        point: the name of its setting.
        seed: of the run.
        config: resolved.
        key: hash of the configuration, the name of its folder.
    """

    point: str
    seed: int
    config: Config
    key: str


@dataclass(frozen=True)
class Study:
    """A sweep before it is written out run by run.

    Args:
        base: the experiment.
        points: settings by name.
        grid: values by key, which each setting is crossed with.
        seeds: of each; empty: that of the experiment.
        overrides: `key=value` over the base, for all.
    """

    base: Path
    points: tuple[Point, ...] = (Point(""),)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seeds: Sequence[int] = ()
    overrides: Sequence[str] = ()

    @property
    def size(self) -> int:
        """How many runs it has."""
        return len(self.points) * math.prod(len(values) for values in self.grid.values()) * max(1, len(self.seeds))

    def check(self) -> None:
        """Check the keys of the grid, without writing it out.

        Raises:
            ConfigError: some do not exist, or have no values.
        """
        problems = [f"grid: {key} has no values; give at least one" for key, values in self.grid.items() if not values]
        given = [*self.overrides, *(item for point in self.points for item in point.overrides)]
        if "seed" in self.grid or any(item.partition("=")[0].strip() == "seed" for item in given):
            problems.append("seed: what a sweep repeats its settings with; give seeds = [1, 2, 3], or --seeds 1,2,3")
        named = {item.partition("=")[0].strip() for item in given}
        problems += [
            f"grid: {key} is given by a setting, or for all runs, as well; give it in one place"
            for key in self.grid
            if key in named - {"seed"}
        ]
        for key, values in self.grid.items():
            found = _problems(self.base, [*self.overrides, override(key, values[0])]) if values else ()
            problems += [f"grid: {problem}" for problem in found if ": unknown key" in problem]
            problems += [f"grid: {key}: {same}; give each value once" for same in repeated(values)]
        if problems:
            raise ConfigError(list(dict.fromkeys(problems)))

    def jobs(self, say: Callable[[str], None] = lambda text: None) -> list[Job]:
        """Return its runs, settings in their order, seeds within.

        Args:
            say: is told what takes long.

        Raises:
            ConfigError: everything that is wrong with any of them.
        """
        self.check()
        seeds = self.seeds or [load(self.base, self.overrides).seed]
        return jobs(self.base, list(crossed(self.points, self.grid)), seeds, self.overrides, say)


def jobs(
    base: Path,
    points: Sequence[Point],
    seeds: Sequence[int],
    overrides: Sequence[str] = (),
    say: Callable[[str], None] = lambda text: None,
) -> list[Job]:
    """Return the runs of a sweep, settings in their order, seeds within.

    Args:
        base: the experiment.
        points: settings.
        seeds: of each.
        overrides: `key=value` over the base, for all.
        say: is told what takes long.

    Raises:
        ConfigError: everything that is wrong with any of them.
        DataError: they name a folder of data files that is not there.
    """
    if not points or not seeds:
        raise ConfigError(["the sweep is empty: give at least one setting and one seed"])
    problems: dict[str, list[str]] = {}
    planned = []
    silent_until = time.monotonic() + LONG
    for point in points:
        if time.monotonic() > silent_until:
            say(f"checking {len(points):,} settings")
            silent_until = math.inf
        try:
            config = load(base, [*overrides, *point.overrides])
        except ConfigError as error:
            for problem in error.problems:
                problems.setdefault(problem, []).append(point.name)
            continue
        if "threads" not in config.run.model_fields_set:
            config = config.model_copy(update={"run": config.run.model_copy(update={"threads": 1})})
        for seed in seeds:
            seeded = config.model_copy(update={"seed": seed})
            planned.append(Job(point.name, seed, seeded, digest(seeded)[:DIGITS]))
    if problems:
        raise ConfigError([_where(names) + problem for problem, names in problems.items()])
    for root in {job.config.data_root for job in planned}:
        check_root(root)
    return planned


def crossed(points: Sequence[Point], grid: Mapping[str, Sequence[Any]]) -> Iterator[Point]:
    """Yield each setting with every combination of a grid, named after both."""
    for point, values in itertools.product(points, itertools.product(*grid.values())):
        more = [override(key, value) for key, value in zip(grid, values, strict=True)]
        name = ", ".join([*([point.name] if point.name else []), *more])
        yield Point(name or point.name, (*point.overrides, *more))


def _problems(base: Path, overrides: Sequence[str]) -> tuple[str, ...]:
    try:
        load(base, overrides)
    except ConfigError as error:
        return error.problems
    return ()


def _where(names: Sequence[str]) -> str:
    if not names[0]:
        return ""
    return f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: "
