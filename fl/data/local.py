"""What may be drawn from what an agent holds: few-shot episodes, and mini-batches of a task.

A task has W classes. An agent that holds exactly W has one task for the whole run and its labels keep their meaning;
one that holds more draws its task anew each time, as few-shot learning does, and labels mean nothing beyond it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from fl.data.base import Dataset
from fl.data.episodes import Pool, draw, gather
from fl.data.tensors import Set, inputs


@dataclass(frozen=True)
class MiniBatches:
    """Mini-batches in their order, gathered when they are looped over: epochs of them need not fit in memory.

    Args:
        dataset: where the samples are.
        indices: samples of each mini-batch.
        labels: label of each of these samples.
        device: torch device of what comes out.
    """

    dataset: Dataset
    indices: Sequence[np.ndarray]
    labels: Sequence[np.ndarray]
    device: str

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[Set]:
        for indices, labels in zip(self.indices, self.labels, strict=True):
            yield inputs(self.dataset, indices).to(self.device), torch.from_numpy(labels).to(self.device)


class LocalData(Protocol):
    """What one agent may train on."""

    def episodes(self, count: int, images_per_class: Sequence[int], rng: np.random.Generator) -> list[list[Set]]:
        """Return episodes, each a list of sets that share no image, or are drawn independently by sample.

        Args:
            count: episodes.
            images_per_class: of each set of an episode; of an agent that holds samples, in all.
            rng: generator.

        Raises:
            ValueError: a class has too few images, or there are too few classes.
        """
        ...

    def epochs(self, count: int, size: int, rng: np.random.Generator) -> MiniBatches:
        """Return the mini-batches of `count` passes over one task, each pass in another order.

        The batches of a pass differ in size by at most one image, and none has more than `size`.

        Raises:
            ValueError: there are too few classes.
        """
        ...

    def minibatches(self, count: int, size: int, rng: np.random.Generator) -> MiniBatches:
        """Return `count` mini-batches of one task, in as many passes as it takes.

        Raises:
            ValueError: there are too few classes.
        """
        ...


@dataclass(frozen=True)
class ClassImages:
    """The training images of an agent that holds whole classes.

    Args:
        dataset: where the images are.
        classes: the agent's classes.
        ways: W, classes of a task.
        pool: images of each class that may be trained on.
        device: torch device of what is drawn.
    """

    dataset: Dataset
    classes: np.ndarray
    ways: int
    pool: Pool
    device: str

    def episodes(self, count: int, images_per_class: Sequence[int], rng: np.random.Generator) -> list[list[Set]]:
        """Return episodes, each a list of sets that share no image."""
        sets = [(images, self.pool) for images in images_per_class]
        picks = [draw(self.dataset, self.classes, self.ways, sets, rng) for _ in range(count)]
        batches = [batch.to(self.device) for batch in gather(self.dataset, picks, self.ways)]
        return [[(batch.images[row], batch.labels[row]) for batch in batches] for row in range(count)]

    def epochs(self, count: int, size: int, rng: np.random.Generator) -> MiniBatches:
        """Return the mini-batches of `count` passes over one task, each pass in another order."""
        images, labels = self._task(rng)
        rows = in_passes(len(images), size, count, rng)
        return MiniBatches(self.dataset, [images[row] for row in rows], [labels[row] for row in rows], self.device)

    def minibatches(self, count: int, size: int, rng: np.random.Generator) -> MiniBatches:
        """Return `count` mini-batches of one task, in as many passes as it takes."""
        images, labels = self._task(rng)
        rows = in_passes(len(images), size, -(-count // batches_of_a_pass(len(images), size)), rng)[:count]
        return MiniBatches(self.dataset, [images[row] for row in rows], [labels[row] for row in rows], self.device)

    def _task(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the images of W classes, and their labels 0..W−1."""
        if len(self.classes) < self.ways:
            raise ValueError(f"a task of {self.ways} ways needs as many classes, the agent holds {len(self.classes)}")
        chosen = self.classes
        if len(chosen) > self.ways:
            chosen = rng.choice(chosen, self.ways, replace=False)
        images = [self.dataset.class_images[index][self.pool.start : self.pool.stop] for index in chosen]
        return np.concatenate(images), np.repeat(np.arange(self.ways), [len(part) for part in images])


def in_passes(n_images: int, size: int, passes: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return which images make each mini-batch of several passes."""
    rows: list[np.ndarray] = []
    for _ in range(passes):
        rows += np.array_split(rng.permutation(n_images), batches_of_a_pass(n_images, size))
    return rows


def batches_of_a_pass(n_images: int, size: int) -> int:
    """Return how many mini-batches of at most `size` a pass has."""
    return -(-n_images // size)
