"""What `airmeta search` was asked for on its command line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fl.config import ConfigError, load
from tools.search.budget import parse_budget
from tools.search.defaults import default_axes
from tools.search.plan import Search
from tools.search.space import Axis, check_axes, parse, takes_whole_numbers, values_of


def planned(base: Path, options: Mapping[str, Any]) -> Search:
    """Return the search, checked.

    Args:
        base: the experiment.
        options: of the command line.

    Raises:
        ConfigError: everything that is wrong.
    """
    overrides = tuple(options["overrides"])
    config = load(base, overrides)
    budget = parse_budget(options["per_round"], options["total"], options["overhead"], config)
    axes = _axes(base, options)
    if budget.kind == "total" and any(axis.key == "rounds" for axis in axes):
        raise ConfigError(["--vary rounds: they follow from --total; leave one of them out"])
    return Search(
        base,
        overrides,
        tuple(axes),
        budget,
        seeds=options["seeds"],
        sampler=options["sampler"],
        sampler_seed=options["sampler_seed"],
        batch=options["batch"],
        prune=options["prune"],
    )


def _axes(base: Path, options: Mapping[str, Any]) -> list[Axis]:
    overrides = options["overrides"]
    config = load(base, overrides)
    known = values_of(config)
    problems: list[str] = []
    asked = []
    for text in options["vary"]:
        try:
            key = text.partition("=")[0].strip()
            current = known.get(key)
            if key in known and current is None and takes_whole_numbers(key, base, overrides):
                current = 1
            asked.append(parse(text, current))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    check_axes(asked, base, overrides)
    if options["only"]:
        if not asked:
            raise ConfigError(["--only: vary something with --vary, or leave it out"])
        return asked
    keys, fixed = {axis.key for axis in asked}, set(options["fix"])
    usual = default_axes(config, base, overrides)
    if unknown := fixed - {axis.key for axis in usual}:
        names = ", ".join(axis.key for axis in usual)
        raise ConfigError([f"--fix {key}: not varied anyway; by default are {names}" for key in sorted(unknown)])
    return [*(axis for axis in usual if axis.key not in keys | fixed), *asked] or _nothing()


def _nothing() -> list[Axis]:
    raise ConfigError(["--fix: nothing is left to vary; add --vary KEY=LOW:HIGH"])
