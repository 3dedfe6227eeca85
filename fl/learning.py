"""From a configuration to what agents and server need for learning: data, model, local work, the server's step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fl.algorithms.base import Algorithm
from fl.algorithms.table import ALGORITHMS
from fl.config import Config, ConfigError
from fl.data.base import Dataset, load
from fl.data.episodes import Pool
from fl.data.local import ClassImages, LocalData
from fl.data.partition import Partition
from fl.data.partition_file import AnyPartition
from fl.data.samples import LocalSamples, classes_held
from fl.data.shares import SamplePartition
from fl.data.skew import PartitionError
from fl.gradients import Loss
from fl.models import Model, build
from fl.partitioning import LISTED, classes_of, deal, outputs
from fl.server import ServerStep
from fl.streams import Purpose, stream


@dataclass(frozen=True)
class Learning:
    """Everything an experiment is made of but the way from the agents to the server.

    Args:
        config: where the parts come from.
        dataset: images.
        partition: classes of each agent.
        held: who holds what; None: agents draw their classes when they are asked, and are not written out.
        model: the learned model.
        learner: what an agent computes.
        optimizer: the server's step.
    """

    config: Config
    dataset: Dataset
    partition: Partition
    held: AnyPartition | None
    model: Model
    learner: Algorithm
    optimizer: ServerStep

    @property
    def shares(self) -> SamplePartition | None:
        """What each agent holds under a partition by sample."""
        return self.held if isinstance(self.held, SamplePartition) else None

    @property
    def training_pool(self) -> Pool:
        """Images of each class that may be trained on."""
        return Pool(0, -self.config.task.holdout or None)

    @property
    def heldout_pool(self) -> Pool:
        """Images of each training class that are never trained on."""
        return Pool(-self.config.task.holdout or 0, None)

    def local_data(self, agent: int) -> LocalData:
        """Return what an agent may train on."""
        task, device = self.config.task, self.config.run.device
        if self.shares is not None:
            return LocalSamples(self.dataset, self.shares.training[agent].train, device)
        return ClassImages(self.dataset, self.partition(agent), task.ways, self.training_pool, device)

    def weight(self, agent: int) -> float:
        """Return w_i, the weight of an agent in the mean."""
        if self.config.algorithm.weighting == "uniform":
            return 1.0
        if self.shares is not None:
            sizes = [len(share.train) for share in self.shares.training]
            return sizes[agent] * len(sizes) / sum(sizes)
        pool = self.training_pool
        sizes = [len(self.dataset.class_images[c][pool.start : pool.stop]) for c in self.partition(agent)]
        return float(sum(sizes)) / float(len(self.dataset.images)) * self.config.agents.count

    @property
    def message_length(self) -> int:
        """Entries of what an agent sends in a round."""
        return ALGORITHMS[self.config.algorithm.kind].message_length(self.config, self.model.dimension)

    def first_theta(self) -> torch.Tensor:
        """Return θ before the first round, shape (d,) for most algorithms."""
        drawn = self.model.init(stream(self.config.seed, Purpose.MODEL)).to(self.config.run.device)
        return ALGORITHMS[self.config.algorithm.kind].first(self.config, drawn)


def learning(config: Config, cache: Path) -> Learning:
    """Return what an experiment learns, and how.

    Raises:
        DataError: its images are missing or damaged.
        ConfigError: the data cannot serve the task.
    """
    dataset = load(config.task.dataset, config.data_root, cache)
    partition, held = _partition(config, dataset)
    model = build(config.model.kind, config.model.width, outputs(config.task))
    precision = torch.bfloat16 if config.run.precision == "bfloat16" else None
    kind = ALGORITHMS[config.algorithm.kind]
    learner = kind.build(config, Loss(model, precision))
    if held is not None:
        learner = kind.settle(config, learner, _class_counts(config, dataset, held))
    return Learning(
        config=config,
        dataset=dataset,
        partition=partition,
        held=held,
        model=model,
        learner=learner,
        optimizer=kind.server(config),
    )


def _class_counts(config: Config, dataset: Dataset, held: AnyPartition) -> np.ndarray:
    """Return the samples of each class that each agent trains on, shape (agents, outputs); alike in episodes."""
    if isinstance(held, SamplePartition) and not dataset.is_text:
        rows = [np.bincount(dataset.labels[one.train], minlength=outputs(config.task)) for one in held.training]
        return np.stack(rows)
    return np.ones((len(held.training), outputs(config.task)), int)


def _partition(config: Config, dataset: Dataset) -> tuple[Partition, AnyPartition | None]:
    """Return the classes of each agent, and who holds what where that is written out."""
    try:
        if config.task.partition == "class_overlap" and config.agents.count > LISTED:
            return classes_of(config, dataset), None
        held = deal(config, dataset)
    except PartitionError as error:
        raise ConfigError([str(error)]) from error
    if isinstance(held, SamplePartition):
        return classes_held(dataset, held), held
    return (lambda agent: held.training[agent]), held
