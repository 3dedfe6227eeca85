"""Partitions that the dataset, the model or other keys contradict, found before anything is read or dealt."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fl.data.base import SHAPES
from fl.data.files import DataError
from fl.data.omniglot import alphabets
from fl.data.partition_file import AnyPartition
from fl.partitioning import BY_CLASS, BY_SAMPLE, is_file, read

if TYPE_CHECKING:
    from fl.config import Config

Found = Iterator[tuple[tuple[str, ...], str]]
SHARES = "task.dataset", "task.partition"


def partition_conflicts(config: "Config") -> Found:
    """Yield what is wrong with a partition."""
    task, shape = config.task, SHAPES[config.task.dataset]
    if is_file(task):
        yield from _file(config)
        return
    if task.partition in BY_CLASS and not shape.new_classes:
        yield (
            SHARES,
            f"task.partition: {task.dataset} has no classes set apart for new agents, so no few-shot episodes; set "
            f"task.partition = {'natural' if shape.owner else 'dirichlet'}",
        )
    elif task.partition == "alphabet":
        yield from _alphabets(config)
    elif task.partition in BY_SAMPLE:
        yield from _by_sample(config)


def _file(config: "Config") -> Found:
    task = config.task
    try:
        found: AnyPartition = read(task)
    except DataError as error:
        yield ("task.partition",), f"task.partition: {error}"
        return
    if found.dataset != task.dataset:
        yield SHARES, f"task.dataset: {task.partition} is about {found.dataset}, got {task.dataset}"
    if len(found.training) != config.agents.count:
        yield (
            ("task.partition", "agents.count"),
            f"agents.count: {task.partition} has {len(found.training)} agents that train, got {config.agents.count}; "
            f"set agents.count = {len(found.training)}",
        )


def _alphabets(config: "Config") -> Found:
    task = config.task
    if task.dataset != "omniglot":
        yield SHARES, f"task.partition: only omniglot has alphabets, got task.dataset = {task.dataset}"
        return
    background, evaluation = alphabets()
    if config.agents.count > len(background):
        yield (
            ("task.partition", "agents.count"),
            f"agents.count: {len(background)} alphabets serve at most as many agents, got {config.agents.count}; "
            f"set agents.count = {len(background)}, or task.partition = class",
        )
    smallest = min(len(classes) for classes in (*background, *evaluation))
    if task.ways > smallest:
        yield (
            ("task.partition", "task.ways"),
            f"task.ways: the smallest alphabet has {smallest} characters, got {task.ways}; take fewer ways",
        )


def _by_sample(config: "Config") -> Found:
    task, shape = config.task, SHAPES[config.task.dataset]
    if task.partition == "natural" and not shape.owner:
        owned = ", ".join(f"{name} ({other.owner}s)" for name, other in SHAPES.items() if other.owner)
        yield (
            SHARES,
            f"task.partition: natural needs samples with owners, which only {owned} have, got {task.dataset}; take one "
            "of these, or set task.partition = dirichlet",
        )
    if shape.is_text and task.partition not in ("natural", "iid"):
        yield SHARES, f"task.partition: text has no classes to deal, got {task.partition}; set task.partition = natural"
    if task.support + task.test >= 1:
        yield (
            ("task.support", "task.test"),
            f"task.test: task.support ({task.support:g}) and task.test ({task.test:g}) leave nothing to train on; "
            "together they have to be less than 1",
        )
    if task.partition == "pathological" and task.classes_per_agent > shape.classes:
        yield (
            (*SHARES, "task.classes_per_agent"),
            f"task.classes_per_agent: {task.dataset} has {shape.classes} classes, got {task.classes_per_agent}; set "
            "task.classes_per_agent = 2",
        )
    if task.holdout:
        yield (
            ("task.holdout", "task.partition"),
            f"task.holdout: sets images apart under partitions by class alone, got {task.holdout} with "
            f"task.partition = {task.partition}; leave it out, task.test sets samples apart",
        )
