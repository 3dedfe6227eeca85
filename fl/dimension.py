"""How many parameters the model of a configuration has, and entries a message, before anything is built."""

from typing import TYPE_CHECKING

from fl.algorithms.table import ALGORITHMS
from fl.models import parameter_count
from fl.partitioning import outputs

if TYPE_CHECKING:
    from fl.config import Config


def dimension(config: "Config") -> int:
    """Return d.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    return parameter_count(config.model.kind, config.model.width, outputs(config.task))


def message_length(config: "Config") -> int:
    """Return the entries of what an agent sends in a round; most algorithms send d.

    Raises:
        DataError: the partition is a file that is missing or damaged.
    """
    return ALGORITHMS[config.algorithm.kind].message_length(config, dimension(config))
