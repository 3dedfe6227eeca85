"""The fixed tasks of an evaluation: new agents, and the training agents on training and on held-out images."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch

from fl.data.episodes import Batch, Pool, draw, gather
from fl.data.partition_file import ClassPartition
from fl.data.shares import Share
from fl.data.tensors import Set, gather_samples
from fl.evaluation import TaskScores, fine_tune, interval
from fl.learning import Learning
from fl.streams import Purpose, stream

CHUNK = 50  # tasks in memory at once; each task is scored alone, so this changes no result
SHOWN = 6


class Group(IntEnum):
    """Whose tasks. The numbers are part of the random streams."""

    NEW = 0
    TRAINING = 1
    HELDOUT = 2


@dataclass(frozen=True)
class Sample:
    """Some tasks of new agents, for the report: support and query sets, and the predictions for the queries."""

    support: Batch
    query: Batch
    predictions: np.ndarray


def evaluate(parts: Learning, theta: torch.Tensor, n_tasks: int) -> tuple[dict[str, Any], Sample | None]:
    """Return the evaluation keys of the history at parameters theta (d,), and some of the tasks of new agents.

    New agents have `n_tasks` tasks; training agents have at most those of every evaluation. Under a partition by sample
    an agent is a task, so there are no more than agents, held-out figures are those of the training agents' own
    support and test data, and no tasks are shown.
    """
    new, sample = score(parts, theta, Group.NEW, n_tasks)
    n_tasks = min(n_tasks, parts.config.evaluation.tasks)
    training, _ = score(parts, theta, Group.TRAINING, n_tasks)
    record = {
        "new_agent_accuracy": float(new.accuracy[:, -1].mean()),
        "new_agent_interval": list(interval(new.accuracy[:, -1])),
        "new_agent_loss": float(new.loss[:, -1].mean()),
        "new_agent_loss_interval": list(interval(new.loss[:, -1])),
        "train_agent_accuracy": float(training.accuracy[:, -1].mean()),
        "train_agent_interval": list(interval(training.accuracy[:, -1])),
        "train_agent_loss": float(training.loss[:, -1].mean()),
        "train_agent_loss_interval": list(interval(training.loss[:, -1])),
        "accuracy_by_step": new.accuracy.mean(0).tolist(),
        "interval_by_step": [list(interval(column)) for column in new.accuracy.T],
    }
    if parts.config.task.holdout or parts.shares is not None:
        heldout, _ = score(parts, theta, Group.HELDOUT, n_tasks)
        record["heldout_accuracy"] = float(heldout.accuracy[:, -1].mean())
        record["heldout_loss"] = float(heldout.loss[:, -1].mean())
    return record, sample


def score(parts: Learning, theta: torch.Tensor, group: Group, n_tasks: int) -> tuple[TaskScores, Sample | None]:
    """Return the scores of `n_tasks` tasks of a group, and the first few of them."""
    config = parts.config
    total: TaskScores | None = None
    sample: Sample | None = None
    for tasks, shown in _tasks(parts, group, n_tasks):
        scores = fine_tune(parts.learner, theta, tasks, config.evaluation.steps, config.run.threads)
        total = scores if total is None else total + scores
        if sample is None and shown is not None:
            support, query = (batch.rows(0, SHOWN) for batch in shown)
            sample = Sample(support, query, np.stack(scores.predictions[:SHOWN]))
    if total is None:
        raise ValueError(f"an evaluation needs at least one task, got {n_tasks}")
    return total, sample


def _tasks(
    parts: Learning, group: Group, n_tasks: int
) -> Iterator[tuple[list[tuple[Set, Set]], tuple[Batch, Batch] | None]]:
    """Yield some (support, query) pairs at a time, and the batches that they are rows of if they are of episodes."""
    if parts.shares is None:
        for support, query in _chunks(parts, group, n_tasks):
            rows = range(len(support.labels))
            pairs = [((support.images[i], support.labels[i]), (query.images[i], query.labels[i])) for i in rows]
            yield pairs, (support, query)
        return
    shares = parts.shares.new if group is Group.NEW else parts.shares.training
    order = stream(parts.config.evaluation.seed, Purpose.EVALUATION, int(group)).permutation(len(shares))[:n_tasks]
    for start in range(0, len(order), CHUNK):
        yield [_task_of(parts, shares[agent], group) for agent in order[start : start + CHUNK]], None


def task_of_agent(parts: Learning, group: Group, agent: int) -> tuple[Set, Set]:
    """Return the support and test data of one agent under a partition by sample.

    Raises:
        ValueError: the partition is by class.
    """
    if parts.shares is None:
        raise ValueError("an agent has a task of its own only under a partition by sample; set task.partition")
    shares = parts.shares.new if group is Group.NEW else parts.shares.training
    return _task_of(parts, shares[agent], group)


def _task_of(parts: Learning, share: Share, group: Group) -> tuple[Set, Set]:
    """Return an agent's support and test data; of the training group, as much of its training data."""
    support, test, device = share.support, share.test, parts.config.run.device
    if group is Group.TRAINING:
        n_support = max(1, min(len(support), len(share.train) // 2))
        support, test = share.train[:n_support], share.train[n_support : n_support + len(test)]
    return gather_samples(parts.dataset, support, device), gather_samples(parts.dataset, test, device)


def _chunks(parts: Learning, group: Group, n_tasks: int) -> Iterator[tuple[Batch, Batch]]:
    """Yield support and query sets; task i of a group is the same whatever their number."""
    ways = parts.config.task.ways
    for start in range(0, n_tasks, CHUNK):
        episodes = []
        for task in range(start, min(start + CHUNK, n_tasks)):
            rng = stream(parts.config.evaluation.seed, Purpose.EVALUATION, int(group), task)
            episodes.append(draw(parts.dataset, _classes(parts, group, rng), ways, _sets(parts, group), rng))
        support, query = gather(parts.dataset, episodes, ways)
        yield support.to(parts.config.run.device), query.to(parts.config.run.device)


def _classes(parts: Learning, group: Group, rng: np.random.Generator) -> np.ndarray:
    if group is Group.NEW:
        new = parts.held.new if isinstance(parts.held, ClassPartition) else (parts.dataset.new_classes,)
        return new[0] if len(new) == 1 else new[int(rng.integers(len(new)))]
    return parts.partition(int(rng.integers(parts.config.agents.count)))


def _sets(parts: Learning, group: Group) -> list[tuple[int, Pool]]:
    """Return shots and queries of a class; training tasks have as many queries as the training images allow."""
    task, wanted = parts.config.task, parts.config.evaluation.queries
    if group is Group.NEW:
        return [(task.shots, Pool()), (wanted, Pool())]
    if group is Group.HELDOUT:
        return [(task.shots, parts.training_pool), (min(wanted, task.holdout), parts.heldout_pool)]
    smallest = min(len(images) for images in parts.dataset.class_images[: len(parts.dataset.train_classes)])
    queries = min(wanted, smallest - task.holdout - task.shots)
    return [(task.shots, parts.training_pool), (queries, parts.training_pool)]
