"""What a configuration says of the tasks of training: how many are independent, and how widely losses spread."""

from collections.abc import Sequence
from math import log
from typing import TYPE_CHECKING

import numpy as np

from fl.data.base import SHAPES
from fl.data.omniglot import alphabets
from fl.data.partition import by_class_overlap, by_group
from fl.data.partition_file import ClassPartition
from fl.partitioning import LISTED, has_episodes, is_file, outputs, read
from fl.streams import Purpose, stream
from fl.theory.generalisation import bounded_sigma, independent_tasks

if TYPE_CHECKING:
    from fl.config import Config


def training_tasks(config: "Config") -> int:
    """Return n of `generalisation_bound`: episodes that share no class, or agents where these are the tasks.

    Counted from the partition of this seed. Where agents draw classes, and there are more agents than can be listed, it
    is what one of them has: fewer than there are, so the bound is too large, if it is off.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    if not has_episodes(config.task):
        return config.agents.count
    if config.task.partition == "class_overlap" and config.agents.count > LISTED:
        return config.task.classes_per_agent // config.task.ways
    return independent_tasks(training_classes(config), config.task.ways)


def training_classes(config: "Config") -> Sequence[np.ndarray]:
    """Return the classes of each training agent under a partition by class; of `class` their number alone counts.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    task, count = config.task, config.agents.count
    classes = np.arange(SHAPES[task.dataset].train_classes)
    if is_file(task):
        found = read(task)
        return found.training if isinstance(found, ClassPartition) else ()
    if task.partition == "class":
        return np.array_split(classes, count)
    if task.partition == "alphabet":
        return by_group(alphabets()[0], count, stream(config.seed, Purpose.PARTITION))
    drawn = by_class_overlap(
        classes, task.classes_per_agent, lambda agent: stream(config.seed, Purpose.PARTITION, agent=agent)
    )
    return [drawn(agent) for agent in range(count)]


def chance_sigma(config: "Config") -> float:
    """Return σ_ℓ = ½·log(classes) of a loss that is cut where guessing is, at log(classes).

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    return bounded_sigma(log(outputs(config.task)))
