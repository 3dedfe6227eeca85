"""Who holds which classes.

`by_class` shares the training classes out so that agents have none in common. `by_class_overlap` lets every agent
draw its own: it costs nothing for agents that never take part, so a population may be of any size.
"""

from collections.abc import Callable, Sequence

import numpy as np

Partition = Callable[[int], np.ndarray]
"""An agent's classes by its id."""


def by_class(classes: np.ndarray, n_agents: int, ways: int, rng: np.random.Generator) -> Partition:
    """Return a partition in which no two agents share a class and sizes differ by at most one.

    Raises:
        ValueError: there are not `ways` classes for every agent.
    """
    if len(classes) < n_agents * ways:
        raise ValueError(
            f"agents.count: {len(classes)} classes serve at most {len(classes) // ways} agents of {ways} ways, "
            f"got {n_agents}; set task.partition = class_overlap"
        )
    shares = np.array_split(rng.permutation(classes), n_agents)
    return lambda agent: shares[agent]


def by_group(groups: Sequence[np.ndarray], n_agents: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return the classes of each agent, whole groups of classes that belong together, such as alphabets.

    Every group has one agent, and numbers of groups differ by at most one.

    Raises:
        ValueError: there are fewer groups than agents.
    """
    if len(groups) < n_agents:
        raise ValueError(
            f"agents.count: {len(groups)} alphabets serve at most as many agents, got {n_agents}; set "
            f"agents.count = {len(groups)}, or task.partition = class"
        )
    shares = np.array_split(rng.permutation(len(groups)), n_agents)
    return tuple(np.concatenate([groups[group] for group in sorted(share)]) for share in shares)


def by_class_overlap(
    classes: np.ndarray, classes_per_agent: int, stream_of: Callable[[int], np.random.Generator]
) -> Partition:
    """Return a partition in which agent i draws its classes with the generator `stream_of(i)`.

    Raises:
        ValueError: an agent wants more classes than there are.
    """
    if classes_per_agent > len(classes):
        raise ValueError(f"task.classes_per_agent: there are {len(classes)} classes, got {classes_per_agent}")
    return lambda agent: stream_of(agent).choice(classes, classes_per_agent, replace=False)
