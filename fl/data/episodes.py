"""Episodes: few-shot tasks drawn from the classes of one agent.

An episode has W classes and several sets of images that share none; in each set every class has the same number of
images. Labels are 0..W−1 in the order in which the classes were drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fl.data.base import Dataset


@dataclass(frozen=True)
class Batch:
    """Images and labels of several agents.

    Args:
        images: float32 in [0, 1], shape (agents, images, 1, 28, 28).
        labels: int64, shape (agents, images).
    """

    images: torch.Tensor
    labels: torch.Tensor

    def rows(self, start: int, stop: int) -> "Batch":
        """Return the batch of some of the agents."""
        return Batch(self.images[start:stop], self.labels[start:stop])

    def to(self, device: str) -> "Batch":
        """Return the batch on a torch device."""
        return Batch(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Pool:
    """The images of each class that may be drawn: those from `start` up to `stop` of its images (None: to the end)."""

    start: int = 0
    stop: int | None = None


Picks = list[np.ndarray]
"""Image indices of each set of one episode, class by class."""


def draw(
    dataset: Dataset, classes: np.ndarray, ways: int, sets: Sequence[tuple[int, Pool]], rng: np.random.Generator
) -> Picks:
    """Return the images of one episode: for each set, `count` images of each class out of a pool.

    Args:
        dataset: where the images are.
        classes: the agent's classes.
        ways: W.
        sets: (images per class, pool) of each set; sets with the same pool share no image.
        rng: generator.

    Raises:
        ValueError: a class has too few images, or there are too few classes.
    """
    if len(classes) < ways:
        raise ValueError(f"an episode of {ways} ways needs as many classes, the agent holds {len(classes)}")
    picks: list[list[np.ndarray]] = [[] for _ in sets]
    for chosen in rng.choice(classes, ways, replace=False):
        images = dataset.class_images[chosen]
        for pool in dict.fromkeys(pool for _, pool in sets):
            members = [index for index, (_, other) in enumerate(sets) if other == pool]
            counts = [sets[index][0] for index in members]
            available = images[pool.start : pool.stop]
            if sum(counts) > len(available):
                raise ValueError(
                    f"an episode takes {sum(counts)} images of a class, {dataset.name} has {len(available)}; "
                    "take fewer shots or queries"
                )
            drawn = rng.choice(available, sum(counts), replace=False)
            for index, part in zip(members, np.split(drawn, np.cumsum(counts)[:-1]), strict=True):
                picks[index].append(part)
    return [np.concatenate(parts) for parts in picks]


def gather(dataset: Dataset, episodes: Sequence[Picks], ways: int) -> list[Batch]:
    """Return one batch for each set of these episodes, agents (or tasks) along the first axis."""
    batches = []
    for position in range(len(episodes[0])):
        indices = np.stack([picks[position] for picks in episodes])
        images = torch.from_numpy(dataset.images[indices]).to(torch.float32).div_(255).unsqueeze(2)
        labels = torch.arange(ways).repeat_interleave(indices.shape[1] // ways).expand(indices.shape)
        batches.append(Batch(images, labels))
    return batches
