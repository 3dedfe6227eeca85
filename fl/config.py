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

from fl.radio_config import Calibration, Radio, Waveform
from fl.section import Decibel, Fraction, Positive, Section

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


class Agents(Section):
    """The population, and how many of it take part in a round."""

    count: PositiveInt = Field(20, description="agents in the population")
    per_round: PositiveInt | None = Field(None, description="agents scheduled in a round, drawn anew; default: all")

    @property
    def scheduled(self) -> int:
        """Agents in one round."""
        return self.count if self.per_round is None else self.per_round


class Task(Section):
    """The data: which images, who holds which classes, and the size of an episode."""

    dataset: Literal["glyphs", "omniglot", "mnist"] = Field("glyphs", description="where the images come from")
    partition: Literal["class", "class_overlap"] = Field(
        "class", description="class: agents share no class; class_overlap: each draws classes_per_agent on its own"
    )
    classes_per_agent: PositiveInt = Field(40, description="classes of one agent under class_overlap")
    ways: int = Field(5, ge=2, description="classes in an episode")
    shots: PositiveInt = Field(5, description="support images of a class")
    queries: PositiveInt = Field(5, description="query images of a class in training")
    holdout: int = Field(0, ge=0, description="images of each training class never trained on (the last ones)")


class Model(Section):
    """The learned model."""

    kind: Literal["cnn", "mlp"] = Field("cnn", description="cnn: four convolution blocks; mlp: 784-80-60-ways")
    width: PositiveInt = Field(32, description="filters of each convolution block of the cnn")


class Algorithm(Section):
    """What an agent computes (P1, P2: ν-step meta-learning)."""

    kind: Literal["meta"] = Field("meta", description="meta: ν-step meta-learning; ν = 1 is Per-FedAvg")
    inner_lr: Positive = Field(0.4, description="α, rate of the inner and of the fine-tuning steps")
    inner_steps: PositiveInt = Field(1, description="ν, inner steps")
    order: Literal["exact", "hessian_free", "first"] = Field("exact", description="how the Hessian is handled")
    local_steps: PositiveInt = Field(1, description="Q, outer steps an agent takes in a round")
    local_lr: Positive = Field(0.1, description="η, rate of the outer steps")
    batches: Literal["independent", "shared"] = Field(
        "independent",
        description="independent: every inner step and every Hessian draws images of its own; "
        "shared: one support set serves them all (MAML)",
    )
    weighting: Literal["uniform", "samples"] = Field("uniform", description="weight of an agent in the mean")


class Server(Section):
    """What the server does with the estimated mean update."""

    optimizer: Literal["sgd", "momentum", "adam"] = Field(
        "sgd", description="sgd, momentum: on Δ; adam: on Δ/η, the meta-gradient when local_steps is 1"
    )
    lr: Positive = Field(1.0, description="server rate; 1 with sgd is plain averaging")
    momentum: float = Field(0.9, ge=0, lt=1, description="of the momentum optimiser")


class Fading(Section):
    """The channel of `symbol`: constant over a block of a round, normalised to E|h|² = 1."""

    kind: Literal["rayleigh", "rician", "none"] = Field("rayleigh", description="law of |h|; none: h = 1")
    k_factor_db: Decibel | None = Field(None, description="Rician K in dB; only with kind = rician, default 6")
    blocks: PositiveInt = Field(1, description="independent fading blocks in the payload of a round")


class Uplink(Section):
    """How updates reach the server."""

    kind: Literal["ideal", "symbol", "waveform"] = Field(
        "symbol", description="ideal: error-free; symbol: y = Σ h_i x_i + n; waveform: OFDM through radios"
    )
    sparsity: Fraction = Field(0.04, description="k/d, kept entries of an update")
    measurements: Fraction = Field(0.4, description="M/d, complex channel uses of a round per parameter")
    sensing: Literal["partial_dft", "random_rows", "identity"] = Field(
        "partial_dft", description="map from update to symbols; random_rows only reproduces P1; identity needs M = d"
    )
    ideal_top_k: bool = Field(False, description="apply top-k on the ideal uplink as well")
    snr_db: Decibel = Field(19.0, description="P/σ² of each agent at E|h|² = 1 (simulation)")
    power_rule: Literal["inversion", "phase_only", "mmse", "none"] = Field(
        "inversion", description="how an agent compensates its channel"
    )
    min_gain: Positive | None = Field(
        None, description="|h|² below which inversion stays silent; default 1/(agents · SNR), the optimum"
    )
    min_headroom_db: Decibel = Field(3.0, description="agents whose P/(σ²·mean 1/|h|²) is lower sit the round out")
    max_norm_ratio: float = Field(5.0, ge=1, description="an update longer than this times the median is scaled down")
    receiver: Literal["oamp", "lmmse"] = Field("oamp", description="how the server recovers the sum")
    prior: Literal["bernoulli_gaussian", "gaussian_mixture"] = Field(
        "bernoulli_gaussian", description="prior of OAMP, fitted by EM"
    )
    memory: bool = Field(True, description="keep what was not sent (error feedback)")
    fading: Fading = Fading()


class Evaluation(Section):
    """Fine-tuning on new agents, on a fixed set of tasks."""

    every: PositiveInt = Field(50, description="rounds between two evaluations; the last round always has one")
    tasks: int = Field(200, ge=2, description="tasks of each evaluation")
    final_tasks: int | None = Field(None, ge=2, description="new-agent tasks of the last evaluation; default: tasks")
    steps: PositiveInt = Field(5, description="fine-tuning steps")
    queries: PositiveInt = Field(15, description="query images of a class")
    seed: int = Field(0, ge=0, description="of the tasks: the same for all runs that are compared")


class Config(Section):
    """One experiment."""

    seed: int = Field(1, ge=0, description="of everything the run draws, the evaluation tasks apart")
    rounds: PositiveInt = Field(100, description="T, rounds")
    data_root: Path | None = Field(None, description="folder of the data files; default: the cache folder")
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


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of a TOML file with `key=value` overrides applied.

    Raises:
        ConfigError: everything that is wrong, at once.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), overrides, str(path))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read ({error.strerror}); give the path of a TOML file"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not a TOML file: {error}"]) from error


def parse(
    text: str, overrides: Sequence[str] = (), name: str = "configuration", unneeded: Collection[str] = ()
) -> Config:
    """Return the configuration of a TOML text with `key=value` overrides applied.

    Args:
        text: TOML.
        overrides: `key=value`.
        name: of the text, for messages.
        unneeded: keys that may contradict others, because nobody is going to need them.

    Raises:
        ConfigError: everything that is wrong, at once.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{name}: not a TOML file: {error}"]) from error
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
    """Return the hash of everything that shapes a result: the data folder and the checkpoint interval do not."""
    content = config.model_dump(mode="json")
    content.pop("data_root")
    content["calibration"].pop("table")  # a place; what was found there is in the history
    content["run"].pop("checkpoint_every")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def differences(config: Config, other: Config) -> list[str]:
    """Return one line for each key in which two configurations differ."""
    mine, theirs = _leaves(config.model_dump(mode="json")), _leaves(other.model_dump(mode="json"))
    return [f"{key}: {mine.get(key)} here, {theirs.get(key)} there" for key in mine if mine[key] != theirs.get(key)]


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Return every key path a configuration may have, tables included."""
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += known_keys(field.annotation, f"{prefix}{name}.")
    return keys


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
    table[parts[-1]] = _value(text.strip())
    return None


def _value(text: str) -> Any:
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


def _leaves(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in content.items():
        leaves |= _leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return leaves
