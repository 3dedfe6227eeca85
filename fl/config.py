"""The configuration of an experiment: what a TOML file may say, checked whole before anything runs.

Models are frozen and refuse unknown keys. `load` gathers everything that is wrong in one `ConfigError`: wrong types and
ranges (from the models), misspelt keys (with the nearest known name) and settings that contradict each other
(`fl.conflicts`). The descriptions below are the configuration reference: `docs/` is generated from them.
"""

import hashlib
import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, Field, PositiveInt, ValidationError

from fl.control_config import Control
from fl.learning_config import Agents, Algorithm, Evaluation, Model, Server, Task
from fl.radio_config import Calibration, Radio, Waveform
from fl.section import Section
from fl.uplink_config import Uplink

ABOUT_LISTS = {"tuple_type": "write a list, in brackets", "missing": "an entry of the list is missing"}
"""What pydantic calls a tuple, by the type of its errors; nothing else of a configuration has to be there."""


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one line each: key path, what is wrong, what to do."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Run(Section):
    """How a run uses the machine. Nothing here may change a result except `threads`, `precision` and `device`."""

    threads: PositiveInt = Field(2, description="CPU threads of torch; results are reproducible for a fixed number")
    batch_agents: PositiveInt = Field(20, description="agents whose local updates are computed together")
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="torch device of the models and the uplink")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the local updates; bfloat16 needs algorithm.order exact or first"
    )
    checkpoint_every: PositiveInt = Field(10, description="rounds between two checkpoints")


class Config(Section):
    """One experiment."""

    seed: int = Field(1, ge=0, description="of everything the run draws, the evaluation tasks apart")
    rounds: PositiveInt = Field(100, description="T, rounds")
    data_root: Path | None = Field(
        None, description="folder of the data files, read until the cache has the dataset; default: the cache folder"
    )
    run: Run = Run()
    agents: Agents = Agents()
    task: Task = Task()
    model: Model = Model()
    algorithm: Algorithm = Algorithm()
    server: Server = Server()
    uplink: Uplink = Uplink()
    waveform: Waveform = Waveform()
    radio: Radio = Radio()
    calibration: Calibration = Calibration()
    evaluation: Evaluation = Evaluation()
    control: Control = Control()


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of a TOML file with `key=value` overrides applied.

    Raises:
        ConfigError: everything that is wrong, at once.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), overrides, str(path), folder=path.parent)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); give the path of a TOML file"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not a TOML file: {error}"]) from error


def parse(
    text: str,
    overrides: Sequence[str] = (),
    name: str = "configuration",
    unneeded: Collection[str] = (),
    folder: Path | None = None,
) -> Config:
    """Return the configuration of a TOML text with `key=value` overrides applied.

    Args:
        text: TOML.
        overrides: `key=value`.
        name: of the text, for messages.
        unneeded: keys that may contradict others, because nobody is going to need them.
        folder: of the file, in which a partition file that it names lies; None: where airmeta was called.

    Raises:
        ConfigError: everything that is wrong, at once.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not a TOML file: {error}"]) from error
    if folder is not None:
        _look_in(folder, raw)
    problems = [problem for item in overrides if (problem := _override(raw, item))]
    return check(raw, problems, unneeded)


def check(raw: Mapping[str, Any], problems: Sequence[str] = (), unneeded: Collection[str] = ()) -> Config:
    """Return the configuration that `raw` describes; `unneeded` is as for `parse`.

    Raises:
        ConfigError: everything that is wrong with it, after the `problems` that are known already.
    """
    from fl.conflicts import conflicts

    found = list(problems)
    try:
        config = Config.model_validate(raw)
        broken: set[str] = set()
    except ValidationError as error:
        found += [_describe(item) for item in error.errors()]
        broken = {_path(item["loc"]) for item in error.errors()}
        config = _without(raw, broken)
    found += [text for keys, text in conflicts(config) if not broken.union(unneeded).intersection(keys)]
    if found:
        raise ConfigError(found)
    return config


def dump(config: Config) -> str:
    """Return the resolved configuration as TOML, defaults included."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def digest(config: Config) -> str:
    """Return the hash of everything that shapes a result: places, patience and intervals do not."""
    return _hash(shaping(config))


def shaping(config: Config) -> dict[str, Any]:
    """Return everything of a configuration that shapes a result, as JSON would hold it.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    from fl.partitioning import is_file, read

    content = config.model_dump(mode="json")
    content.pop("data_root")
    if is_file(config.task):  # what is in it, and not where it lies
        content["task"]["partition"] = read(config.task).digest
    content.pop("control")
    content["calibration"].pop("table")  # a place; what was found there is in the history
    content["run"].pop("checkpoint_every")
    if not content["evaluation"]["dense_rounds"]:  # runs of before there was this key keep their hash
        content["evaluation"].pop("dense_rounds")
    content["radio"]["loopback"].pop("step_timeout_s")
    return content


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def differences(config: Config, other: Config) -> list[str]:
    """Return one line for each key in which two configurations differ."""
    return differing(config.model_dump(mode="json"), other.model_dump(mode="json"))


def differing(
    one: Mapping[str, Any], other: Mapping[str, Any], places: tuple[str, str] = ("here", "there")
) -> list[str]:
    """Return one line for each key in which two configurations differ, from their content as JSON.

    Args:
        one: the first, resolved.
        other: the second.
        places: where each of them is, for people.
    """
    mine, theirs = leaves(one), leaves(other)
    keys = [key for key in dict.fromkeys([*mine, *theirs]) if mine.get(key) != theirs.get(key)]
    return [f"{key}: {mine.get(key)} {places[0]}, {theirs.get(key)} {places[1]}" for key in keys]


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Return every key path a configuration may have, tables included."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += known_keys(field.annotation, f"{prefix}{name}.")
    return keys


def _look_in(folder: Path, raw: dict[str, Any]) -> None:
    """Let a partition file of a configuration, in place, lie in the folder of that configuration."""
    task = raw.get("task")
    if isinstance(task, dict) and isinstance(named := task.get("partition"), str) and named.endswith(".json"):
        task["partition"] = str(folder / Path(named).expanduser())


def _override(raw: dict[str, Any], item: str) -> str | None:
    """Set one `key=value` in place; return what is wrong with it, if anything."""
    key, equals, text = item.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        return f"--set {item}: expected key=value, for example --set uplink.snr_db=10"
    table = raw
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            return f"--set {item}: {part} is a value, not a table"
    table[parts[-1]] = read_value(text.strip())
    return None


def read_value(text: str) -> Any:
    """Return a value as TOML reads it, and a text that is no TOML as it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word: --set uplink.kind=ideal


def _path(location: Sequence[int | str]) -> str:
    """Return the key that a problem is about; an entry of a list belongs to the key of the list."""
    return ".".join(part for part in location if isinstance(part, str))


def _describe(item: Mapping[str, Any]) -> str:
    key = _path(item["loc"])
    if item["type"] == "extra_forbidden":
        known = known_keys() if isinstance(item["input"], Mapping) else _settings()  # a value is meant for no table
        near = get_close_matches(key, known, n=1, cutoff=0.5) or _same_leaf(key)
        return f"{key}: unknown key" + (f"; did you mean {near[0]}?" if near else "; docs/configuration.md lists all")
    if item["type"] in ABOUT_LISTS:
        return f"{key}: {ABOUT_LISTS[item['type']]}, got {item['input']!r}"
    return f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}, got {item['input']!r}"


def _settings() -> list[str]:
    """Return every key path that has a value, tables left out."""
    known = known_keys()
    tables = {key.rpartition(".")[0] for key in known}
    return [key for key in known if key not in tables]


def _same_leaf(key: str) -> list[str]:
    """Return known keys whose last part is nearest to that of `key`, in whatever table."""
    leaves = {known.rsplit(".", 1)[-1]: known for known in _settings()}
    return [leaves[leaf] for leaf in get_close_matches(key.rsplit(".", 1)[-1], leaves, n=1, cutoff=0.75)]


def _without(raw: Mapping[str, Any], broken: set[str]) -> Config:
    """Return the configuration with the broken keys at their defaults, so that the rest can be checked too."""

    def keep(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        return {
            name: keep(value, f"{prefix}{name}.") if isinstance(value, Mapping) else value
            for name, value in table.items()
            if prefix + name not in broken
        }

    return Config.model_validate(keep(raw, ""))


def leaves(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return every value of nested tables by its key path."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found
