"""Ways to deal the samples of a dataset to agents: each returns the sample indices of every agent, and none twice.

iid             equal shares of everything, at random
class_skew      A is the first half of the classes and B the second: even agents hold a samples of every class of A,
                odd ones a/2 of one of A and 2a of one of B; our reconstruction of the data of ν-step
                meta-learning (Jamali, Saber, Bae, arXiv 2504.21327), after Fallah, Mokhtari, Ozdaglar (NeurIPS 2020)
pathological    k classes each; McMahan et al. (AISTATS 2017) deal shards of sorted data, here k is exact
dirichlet       each class is shared out in proportions drawn from Dir(α), as in Yurochkin et al. (ICML 2019): sizes
                differ, too
by_owner        one real owner each: a writer of FEMNIST, a speaking role of Shakespeare
"""

from collections.abc import Sequence

import numpy as np

TRIES = 100


class PartitionError(ValueError):
    """Data that cannot be dealt as asked; the message begins with the key to change."""


def iid(n_samples: int, n_agents: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return shares of all samples at random; their sizes differ by at most one."""
    return np.array_split(rng.permutation(n_samples), n_agents)


def class_skew(
    class_images: Sequence[np.ndarray], n_agents: int, samples: int | None, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return few classes for every agent: equal shares of half of the classes, or half and double shares of one each.

    Args:
        class_images: sample indices of each class, an even number of classes.
        n_agents: agents; even ones hold equal shares, odd ones half and double shares.
        samples: a times half the number of classes, what an even agent holds; None: as much as there is for all.
        rng: generator.

    Raises:
        PartitionError: the number of classes is odd, or there are too few samples.
    """
    if len(class_images) % 2:
        raise PartitionError(f"task.partition: class_skew needs an even number of classes, got {len(class_images)}")
    half = len(class_images) // 2
    demand = _class_skew_demand(n_agents, half)
    most = min(int(len(images) // need) for images, need in zip(class_images, demand, strict=True) if need)
    a = most if samples is None else samples // half
    if a < 2 or a > most:
        raise PartitionError(
            f"task.samples: class_skew for {n_agents} agents takes {2 * half} to {most * half} samples of an agent, "
            f"got {a * half}; set task.samples in between, or take fewer agents"
        )
    piles = [list(rng.permutation(images)) for images in class_images]
    return [np.array([piles[c].pop() for c, part in _class_skew_parts(i, half) for _ in range(int(a * part))])
            for i in range(n_agents)]  # fmt: skip


def _class_skew_parts(agent: int, half: int) -> list[tuple[int, float]]:
    """Return the classes of an agent and how many times a it holds of each."""
    if agent % 2 == 0:
        return [(c, 1.0) for c in range(half)]
    turn = agent // 2
    return [(turn % half, 0.5), (half + turn % half, 2.0)]


def _class_skew_demand(n_agents: int, half: int) -> np.ndarray:
    """Return how many times a all agents together hold of each class, shape (2·half,)."""
    demand = np.zeros(2 * half)
    for agent in range(n_agents):
        for c, part in _class_skew_parts(agent, half):
            demand[c] += part
    return demand


def pathological(
    class_images: Sequence[np.ndarray], n_agents: int, classes_per_agent: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return samples of exactly k classes for every agent; those who hold a class have equal shares of it.

    Raises:
        PartitionError: k is more than there are classes, or a class has fewer samples than agents that hold it.
    """
    n_classes = len(class_images)
    if not 1 <= classes_per_agent <= n_classes:
        raise PartitionError(
            f"task.classes_per_agent: pathological takes 1 to {n_classes} classes of an agent, got {classes_per_agent}"
        )
    holders: list[list[int]] = [[] for _ in range(n_classes)]
    for agent in range(n_agents):
        fewest = np.argsort([len(held) + rng.random() for held in holders])  # a class with fewer holders comes first
        for c in fewest[:classes_per_agent]:
            holders[c].append(agent)
    parts: list[list[np.ndarray]] = [[] for _ in range(n_agents)]
    for images, held in zip(class_images, holders, strict=True):
        if len(held) > len(images):
            raise PartitionError(
                f"task.classes_per_agent: {len(held)} agents hold a class of {len(images)} samples; take fewer classes "
                "or agents"
            )
        shares = np.array_split(rng.permutation(images), len(held)) if held else []
        for agent, share in zip(held, shares, strict=True):
            parts[agent].append(share)
    return [np.concatenate(part) for part in parts]


def dirichlet(
    class_images: Sequence[np.ndarray], n_agents: int, alpha: float, least: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Return each class shared out by p ~ Dir(α, …, α), given that every agent holds at least `least` samples.

    Proportions are drawn anew, all of them, until that is so.

    Raises:
        PartitionError: it was not so in 100 draws.
    """
    smallest = 0
    for _ in range(TRIES):
        cuts = [_cuts(len(images), rng.dirichlet(np.full(n_agents, alpha))) for images in class_images]
        sizes = sum(np.diff(cut) for cut in cuts)
        smallest = max(smallest, int(np.min(sizes)))
        if np.min(sizes) >= least:
            dealt = [np.split(rng.permutation(i), cut[1:-1]) for i, cut in zip(class_images, cuts, strict=True)]
            return [np.concatenate([shares[agent] for shares in dealt]) for agent in range(n_agents)]
    raise PartitionError(
        f"task.alpha: in {TRIES} draws at α = {alpha:g} some agent of {n_agents} always had fewer than {least} samples "
        f"({smallest} at best), too few for training, support and test data; raise task.alpha, take fewer agents, "
        "larger task.support and task.test, or smaller batches"
    )


def _cuts(n_samples: int, proportions: np.ndarray) -> np.ndarray:
    """Return 0 and where the share of each agent ends, shape (n_agents + 1,)."""
    ends = np.rint(np.cumsum(proportions) * n_samples).astype(int)
    ends[-1] = n_samples
    return np.concatenate([[0], np.minimum(ends, n_samples)])


def by_owner(owners: np.ndarray, n_agents: int, least: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return all samples of real owners, drawn among those with at least `least`, in their order.

    Args:
        owners: of each sample, shape (n_samples,).
        n_agents: owners to draw.
        least: samples.
        rng: generator.

    Raises:
        PartitionError: too few owners have so many samples.
    """
    sizes = np.bincount(owners)
    able = np.flatnonzero(sizes >= max(least, 1))
    if len(able) < n_agents:
        raise PartitionError(
            f"agents.count: {len(able)} owners have the {least} samples that training, support and test data need, got "
            f"{n_agents} agents, those of task.new_agents included; take fewer, or larger task.support and task.test"
        )
    chosen = rng.choice(able, n_agents, replace=False)
    order = np.argsort(owners, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    return [order[bounds[owner] : bounds[owner + 1]] for owner in chosen]
