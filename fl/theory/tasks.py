"""What a configuration says of the tasks of training: how many are independent, and how widely losses spread."""

from math import log
from typing import TYPE_CHECKING

import numpy as np

from fl.data.base import SHAPES
from fl.partitioning import has_episodes, outputs
from fl.theory.generalisation import bounded_sigma, independent_tasks

if TYPE_CHECKING:
    from fl.config import Config


def training_tasks(config: "Config") -> int:
    """Return n of `generalisation_bound`: episodes that share no class, or agents where these are the tasks.

    Exact for task.partition = class, and for partitions by sample, of which each agent is one draw. Where agents share
    classes, or own alphabets, it is all classes over `ways`: at least as many, so the bound is too small, if it is off.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    if not has_episodes(config.task):
        return config.agents.count
    classes, ways = SHAPES[config.task.dataset].train_classes, config.task.ways
    if config.task.partition == "class":
        return independent_tasks([len(part) for part in np.array_split(range(classes), config.agents.count)], ways)
    return classes // ways


def chance_sigma(config: "Config") -> float:
    """Return σ_ℓ = ½·log(classes) of a loss that is cut where guessing is, at log(classes).

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    return bounded_sigma(log(outputs(config.task)))
