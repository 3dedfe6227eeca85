"""What is drawn for training from an agent's own samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fl.data.base import Dataset
from fl.data.local import MiniBatches, batches_of_a_pass, in_passes
from fl.data.partition import Partition
from fl.data.shares import SamplePartition
from fl.data.tensors import Set, gather_samples, targets


@dataclass(frozen=True)
class LocalSamples:
    """The training samples of one agent, whose labels mean the same for all agents.

    Args:
        dataset: where the samples are.
        samples: their indices.
        device: torch device of what is drawn.
    """

    dataset: Dataset
    samples: np.ndarray
    device: str

    def episodes(self, count: int, images_per_class: Sequence[int], rng: np.random.Generator) -> list[list[Set]]:
        """Return episodes, each a list of batches drawn independently of one another, none with a sample twice.

        Args:
            count: episodes.
            images_per_class: samples of each batch, of all classes together.
            rng: generator.

        Raises:
            ValueError: a batch is larger than what there is.
        """
        sizes = images_per_class
        if max(sizes) > len(self.samples):
            raise ValueError(f"a batch takes {max(sizes)} samples, the agent trains on {len(self.samples)}; take fewer")
        drawn = [rng.choice(self.samples, size, replace=False) for _ in range(count) for size in sizes]
        inputs, labels = gather_samples(self.dataset, np.concatenate(drawn), self.device)  # at once: many are small
        lengths = [len(batch) for batch in drawn]
        sets = list(zip(inputs.split(lengths), labels.split(lengths), strict=True))
        return [sets[start : start + len(sizes)] for start in range(0, len(sets), len(sizes))]

    def epochs(self, count: int, size: int, rng: np.random.Generator) -> MiniBatches:
        """Return the mini-batches of `count` passes over the samples, each pass in another order."""
        rows = in_passes(len(self.samples), size, count, rng)
        return self._batches(rows)

    def minibatches(self, count: int, size: int, rng: np.random.Generator) -> MiniBatches:
        """Return `count` mini-batches, in as many passes as it takes."""
        passes = -(-count // batches_of_a_pass(len(self.samples), size))
        return self._batches(in_passes(len(self.samples), size, passes, rng)[:count])

    def _batches(self, rows: Sequence[np.ndarray]) -> MiniBatches:
        drawn = [self.samples[part] for part in rows]
        return MiniBatches(self.dataset, drawn, [targets(self.dataset, part) for part in drawn], self.device)


def classes_held(dataset: Dataset, partition: SamplePartition) -> Partition:
    """Return the classes of which an agent has training samples."""
    return lambda agent: np.unique(dataset.labels[partition.training[agent].train])
