"""Who holds which data in an experiment, from its configuration: by class, for few-shot episodes, or by sample.

By class an agent holds all images of its classes, and episodes number them anew. By sample it holds some samples of
its own to train, to personalise and to be tested, and classes keep their meaning. `task.partition` may name a file of
either.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fl.data import skew
from fl.data.base import SHAPES, Dataset
from fl.data.files import DataError
from fl.data.omniglot import alphabets
from fl.data.partition import Partition, by_class, by_class_overlap, by_group
from fl.data.partition_file import AnyPartition, ClassPartition, load
from fl.data.shares import SamplePartition, check, least, split
from fl.data.skew import PartitionError
from fl.data.writers import pseudo_writers
from fl.streams import Purpose, stream

if TYPE_CHECKING:
    from fl.config import Config
    from fl.learning_config import Task

BY_CLASS = "class", "class_overlap", "alphabet"
BY_SAMPLE = "iid", "class_skew", "pathological", "dirichlet", "pseudo_writers", "natural"
LISTED = 1_000  # agents of class_overlap whose classes are listed for a file or a digest


def is_file(task: "Task") -> bool:
    """Return whether a task names a partition file."""
    return task.partition.endswith(".json")


def is_by_sample(task: "Task") -> bool:
    """Return whether the partition of a task is by sample.

    Raises:
        DataError: it is a file that is missing or damaged.
    """
    return isinstance(read(task), SamplePartition) if is_file(task) else task.partition in BY_SAMPLE


def has_episodes(task: "Task") -> bool:
    """Return whether few-shot episodes are drawn: by class, of a dataset with classes for new agents.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    return SHAPES[task.dataset].new_classes > 0 and not is_by_sample(task)


def outputs(task: "Task") -> int:
    """Return the outputs of a model: the ways of an episode, or all classes (characters) of the dataset.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    return SHAPES[task.dataset].classes if is_by_sample(task) else task.ways


def read(task: "Task") -> AnyPartition:
    """Return the partition of the file that a task names.

    Raises:
        DataError: it is missing or damaged.
    """
    path = Path(task.partition)
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give the path of a partition") from error
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _read(path: Path, modified: int, size: int) -> AnyPartition:
    return load(path)


def deal(config: "Config", dataset: Dataset) -> AnyPartition:
    """Return the partition of an experiment as one that can be saved.

    Raises:
        DataError: it is a file that is missing or damaged.
        PartitionError: the data cannot be dealt as asked, or the file is about other data.
    """
    if is_file(config.task):
        found = read(config.task)
        _check_file(found, config, dataset)
    elif is_by_sample(config.task):
        found = _by_sample(config, dataset)
    else:
        found = _listed(config, dataset)
    if isinstance(found, SamplePartition):
        check(found, len(dataset.images))
        _check_sizes(found, config)
    return found


def classes_of(config: "Config", dataset: Dataset) -> Partition:
    """Return the classes of each agent under a partition by class; agents of class_overlap draw theirs when asked.

    Raises:
        DataError, PartitionError: as of `deal`.
        ValueError: the classes cannot serve the agents.
    """
    task, classes = config.task, dataset.train_classes
    if task.partition == "class":
        return by_class(classes, config.agents.count, task.ways, stream(config.seed, Purpose.PARTITION))
    if task.partition == "class_overlap":
        draw = _agent_streams(config.seed)
        return by_class_overlap(classes, task.classes_per_agent, draw)
    held = deal(config, dataset)
    if isinstance(held, SamplePartition):
        raise ValueError("a partition by sample gives agents samples, not classes")
    return lambda agent: held.training[agent]


def _agent_streams(seed: int) -> Callable[[int], np.random.Generator]:
    return lambda agent: stream(seed, Purpose.PARTITION, agent=agent)


def _listed(config: "Config", dataset: Dataset) -> ClassPartition:
    """Return a partition by class with the classes of all agents written out."""
    task, count = config.task, config.agents.count
    new: tuple[np.ndarray, ...] = (dataset.new_classes,)
    if task.partition == "alphabet":
        background, evaluation = alphabets()
        training, new = by_group(background, count, stream(config.seed, Purpose.PARTITION)), tuple(evaluation)
    else:
        if count > LISTED:
            raise PartitionError(f"agents.count: at most {LISTED} agents can be written out, got {count}")
        classes = classes_of(config, dataset)
        training = tuple(classes(agent) for agent in range(count))
    return ClassPartition(dataset.name, dataset.digest, training, new, recipe(config))


def recipe(config: "Config") -> dict[str, object]:
    """Return the keys that say how a partition is made."""
    task = config.task
    used = {
        "class": ("ways",), "class_overlap": ("classes_per_agent",), "pathological": ("classes_per_agent",),
        "dirichlet": ("alpha",),
    }  # fmt: skip
    shares = ("new_agents", "support", "test", "samples") if task.partition in BY_SAMPLE else ()
    keys = {key: getattr(task, key) for key in (*used.get(task.partition, ()), *shares)}
    return {"partition": task.partition, "agents": config.agents.count, "seed": config.seed, **keys}


def _by_sample(config: "Config", dataset: Dataset) -> SamplePartition:
    task, rng = config.task, stream(config.seed, Purpose.PARTITION)
    dealt = _dealt(config, dataset, rng)
    if not dataset.is_text:
        dealt = [rng.permutation(samples) for samples in dealt]
    count = config.agents.count
    shares = tuple(
        split(samples[: task.samples], task.support, task.test, agent < count) for agent, samples in enumerate(dealt)
    )
    return SamplePartition(dataset.name, dataset.digest, shares[:count], shares[count:], recipe(config))


def _dealt(config: "Config", dataset: Dataset, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the samples of each agent, new ones last."""
    task, classes = config.task, dataset.class_images
    count = config.agents.count + task.new_agents
    fewest = least(task.support, task.test, _batch(config)[1])
    if task.partition == "class_skew":
        return skew.class_skew(classes, count, task.samples, rng)
    if task.partition == "pathological":
        return skew.pathological(classes, count, task.classes_per_agent, rng)
    if task.partition == "dirichlet":
        return skew.dirichlet(classes, count, task.alpha, fewest, rng)
    if task.partition == "pseudo_writers":
        return pseudo_writers(dataset.images, classes, count, rng)
    if task.partition == "natural" and dataset.owners is not None:
        return skew.by_owner(dataset.owners, count, fewest, rng)
    return skew.iid(len(dataset.images), count, rng)


def _check_file(found: AnyPartition, config: "Config", dataset: Dataset) -> None:
    task, path = config.task, config.task.partition
    if found.dataset_digest not in ("", dataset.digest):
        raise PartitionError(
            f"task.partition: {path} was made from other files of {dataset.name} (digest {found.dataset_digest[:12]}…, "
            f"here {dataset.digest[:12]}…), in which samples have other numbers; make it anew"
        )
    if isinstance(found, ClassPartition):
        both = set(np.concatenate(found.training).tolist()) & set(np.concatenate(found.new).tolist())
        if both:
            raise PartitionError(
                f"task.partition: {path} has class {min(both)} both for training and for new agents; give it to one"
            )
        for name, held in (*_named("agent", found.training), *_named("new agent", found.new)):
            different = np.unique(held)
            if len(different) < task.ways or held.min() < 0 or held.max() >= len(dataset.class_images):
                raise PartitionError(
                    f"task.partition: {path} gives {name} {len(different)} classes, each has to be one of "
                    f"{len(dataset.class_images)} and there must be task.ways ({task.ways}) of them; mend the file"
                )


def _named(name: str, held: tuple[np.ndarray, ...]) -> list[tuple[str, np.ndarray]]:
    return [(f"{name} {index}", classes) for index, classes in enumerate(held)]


def _batch(config: "Config") -> tuple[str, int]:
    """Return the samples of the largest batch that cannot be smaller, and the key of the table task that says so."""
    if config.algorithm.kind != "meta":  # mini-batches have at most their size
        return "samples", 1
    task = config.task
    return ("shots", task.shots) if task.shots >= task.queries else ("queries", task.queries)


def _check_sizes(partition: SamplePartition, config: "Config") -> None:
    """Refuse batches that are larger than what an agent trains on."""
    sizes = [len(share.train) for share in partition.training]
    key, wanted = _batch(config)
    if wanted > min(sizes):
        raise PartitionError(
            f"task.{key}: a batch takes {wanted} samples, agent {int(np.argmin(sizes))} trains on {min(sizes)}; take "
            f"at most {min(sizes)}, or fewer agents"
        )
