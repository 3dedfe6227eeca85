"""Settings that are each allowed but contradict each other, found before a run starts.

`conflicts` yields pairs (keys involved, what is wrong and what to do), so that a conflict that rests on a key already
known to be wrong is not reported twice.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fl.algorithms.base import Conflict
from fl.algorithms.table import ALGORITHMS
from fl.control_config import control_conflicts
from fl.data.base import SHAPES
from fl.dimension import message_length
from fl.models import TAKES
from fl.partition_conflicts import partition_conflicts
from fl.partitioning import has_episodes
from fl.uplink.conflicts import analog_conflicts
from fl.uplink.settings import codec
from fl.uplink.table import OFF_AIR

if TYPE_CHECKING:
    from fl.config import Config

COMMON = frozenset({"kind", "weighting"})  # keys of the table algorithm that are not about one of them


def conflicts(config: "Config") -> Iterator[Conflict]:
    """Yield every conflict of a configuration."""
    yield from _population(config)
    unfit = list(partition_conflicts(config))
    yield from unfit
    if ("task.partition",) in (keys for keys, _ in unfit):
        return  # a file that cannot be read: nothing else can be said
    yield from _model(config)
    if has_episodes(config.task):
        yield from _images(config)
    yield from _algorithm(config)
    yield from _idle_radios(config)
    yield from control_conflicts(config)
    if config.uplink.kind in OFF_AIR:
        yield from OFF_AIR[config.uplink.kind].conflicts(config)
    else:
        from fl.radio_conflicts import radio_conflicts
        from fl.waveform_conflicts import waveform_conflicts

        yield from analog_conflicts(config)
        yield from radio_conflicts(config)
        yield from waveform_conflicts(config, codec(config, message_length(config)).n_symbols)


def _population(config: "Config") -> Iterator[Conflict]:
    agents = config.agents
    if agents.scheduled > agents.count:
        yield (
            ("agents.per_round", "agents.count"),
            f"agents.per_round: at most agents.count ({agents.count}), got {agents.per_round}",
        )


def _model(config: "Config") -> Iterator[Conflict]:
    task, shape = config.task, SHAPES[config.task.dataset]
    if TAKES[config.model.kind] != shape.sample:
        fitting = [kind for kind, takes in TAKES.items() if takes == shape.sample]
        yield (
            ("model.kind", "task.dataset"),
            f"model.kind: {config.model.kind} takes samples of {_times(TAKES[config.model.kind])}, those of "
            f"{task.dataset} are {_times(shape.sample)}; "
            + (f"set model.kind = {' or '.join(fitting)}" if fitting else "take another task.dataset"),
        )


def _images(config: "Config") -> Iterator[Conflict]:
    task, shape = config.task, SHAPES[config.task.dataset]
    here = "task.dataset", "task.ways"
    if task.ways > shape.new_classes:
        yield here, f"task.ways: {task.dataset} has {shape.new_classes} classes for new agents, got {task.ways} ways"
    if task.partition == "class" and config.agents.count * task.ways > shape.train_classes:
        yield (
            (*here, "agents.count"),
            f"agents.count: {shape.train_classes} classes of {task.dataset} serve at most "
            f"{shape.train_classes // task.ways} agents of {task.ways} ways, got {config.agents.count}; "
            "set task.partition = class_overlap",
        )
    if task.partition == "class_overlap" and not task.ways <= task.classes_per_agent <= shape.train_classes:
        yield (
            (*here, "task.classes_per_agent"),
            f"task.classes_per_agent: between task.ways ({task.ways}) and {shape.train_classes} classes of "
            f"{task.dataset}, got {task.classes_per_agent}",
        )
    counts = "task.shots", "task.holdout", "task.dataset"
    available = shape.images_per_class - task.holdout
    tested = task.shots + config.evaluation.queries
    if tested > shape.images_per_class:
        yield (
            (*counts, "evaluation.queries"),
            f"evaluation.queries: shots + queries of a class are {tested}, {task.dataset} has "
            f"{shape.images_per_class}; take at most {shape.images_per_class - task.shots}",
        )
    elif task.shots >= available:
        yield counts, f"task.holdout: leaves {available} images of a class, no more than task.shots ({task.shots})"


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _algorithm(config: "Config") -> Iterator[Conflict]:
    """Keys that the algorithm does not use, what it says itself, and a rate of adam that is none of gradients."""
    algorithm, kind = config.algorithm, ALGORITHMS[config.algorithm.kind]
    for key, field in type(algorithm).model_fields.items():
        if key not in kind.keys | COMMON and getattr(algorithm, key) != field.default:
            users = ", ".join(name for name, other in ALGORITHMS.items() if key in other.keys)
            yield (
                (f"algorithm.{key}", "algorithm.kind"),
                f"algorithm.{key}: {algorithm.kind} does not use it, only {users} does; leave it out",
            )
    yield from kind.conflicts(config)
    single = algorithm.kind == "meta" and algorithm.local_steps == 1
    if config.server.optimizer == "adam" and not single and config.server.lr >= 1:
        yield (
            ("server.optimizer", "server.lr"),
            f"server.lr: adam moves every parameter by about the rate each round, got {config.server.lr}; try 0.003",
        )


def _idle_radios(config: "Config") -> Iterator[Conflict]:
    """Radios that the uplink would leave aside, with every key that is about them."""
    kind, uplink = config.radio.kind, config.uplink.kind
    if kind != "loopback" and uplink != "waveform":
        yield (
            ("radio.kind", "uplink.kind"),
            f"radio.kind: only a waveform is sent by radios, got radio.kind = {kind} and uplink.kind = {uplink}; set "
            "uplink.kind = waveform, or leave radio.kind out",
        )
