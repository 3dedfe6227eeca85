"""What each agent holds, sample by sample: to train, to personalise (support), to be tested; none is in two places.

An agent that trains has all three; a new agent, which only personalises, has support and test data.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fl.data.files import digest_of
from fl.data.skew import PartitionError

NOTHING = np.empty(0, np.int64)
NEEDED = {"train": 2, "support": 1, "test": 1}  # two to train, of which one can support and the other test


@dataclass(frozen=True)
class Share:
    """Sample indices of one agent, int64: to train, to personalise, to be tested."""

    train: np.ndarray
    support: np.ndarray
    test: np.ndarray

    def __len__(self) -> int:
        return len(self.train) + len(self.support) + len(self.test)

    def parts(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield each part with its name."""
        yield from (("train", self.train), ("support", self.support), ("test", self.test))


@dataclass(frozen=True)
class SamplePartition:
    """A partition by sample.

    Args:
        dataset: name of the dataset.
        dataset_digest: of the dataset that the indices are about.
        training: shares of the agents that train, by id.
        new: shares of new agents, without training data.
        recipe: how it was made, for the reader.
    """

    dataset: str
    dataset_digest: str
    training: tuple[Share, ...]
    new: tuple[Share, ...]
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the dataset's digest and of who holds what, however it was made."""
        about = np.frombuffer(f"samples {self.dataset_digest} {len(self.training)}".encode(), np.uint8)
        parts = (part.astype(np.int64) for share in (*self.training, *self.new) for _, part in share.parts())
        return digest_of(about, *parts)

    def named(self) -> Iterator[tuple[str, Share]]:
        """Yield the shares with the names that messages give them."""
        yield from ((f"agent {index}", share) for index, share in enumerate(self.training))
        yield from ((f"new agent {index}", share) for index, share in enumerate(self.new))


def split(samples: np.ndarray, support: float, test: float, trains: bool) -> Share:
    """Return the share of an agent: its last samples are for tests, those before for support, the first to train.

    Args:
        samples: indices, in random order, or of text in the order of speech.
        support: fraction for personalisation.
        test: fraction for tests.
        trains: whether it trains; support and test data of a new agent are in the same proportion.
    """
    n_test = int(len(samples) * (test if trains else test / (support + test)) + 1e-9)
    n_support = int(len(samples) * support + 1e-9) if trains else len(samples) - n_test
    n_train = len(samples) - n_support - n_test
    samples = np.asarray(samples, np.int64)
    return Share(samples[:n_train], samples[n_train : n_train + n_support], samples[n_train + n_support :])


def least(support: float, test: float, train: int = NEEDED["train"]) -> int:
    """Return n, such that of n or more samples `split` makes `train` for training and what `check` wants beside them.

    Sizes are whole: of one sample more there may be one less to train. So n is searched from above.
    """
    needed = NEEDED | {"train": max(train, NEEDED["train"])}
    count = int(max((needed["train"] + 2) / (1 - support - test), 1 / support, 1 / test)) + 2
    while all(len(part) >= needed[name] for name, part in split(np.arange(count), support, test, True).parts()):
        count -= 1
    return count + 1


def check(partition: SamplePartition, n_samples: int) -> None:
    """Refuse a partition that is none: data missing, in two places, or not in the dataset.

    Raises:
        PartitionError: says which agent lacks what, or which sample is where, and what to do.
    """
    for key, shares in (("agents.count", partition.training), ("task.new_agents", partition.new)):
        if len(shares) < 2:
            raise PartitionError(
                f"{key}: intervals of an evaluation need 2 or more agents, got {len(shares)}; take more"
            )
    for name, share in partition.named():
        new = name.startswith("new")
        if new and len(share.train):
            raise PartitionError(
                f"task.partition: {name} has {len(share.train)} samples to train; new agents have none"
            )
        for part, samples in share.parts():
            if len(samples) < NEEDED[part] and not (new and part == "train"):
                raise PartitionError(
                    f"task.{'samples' if part == 'train' else part}: leaves {name} {len(samples)} samples of {part} "
                    f"data out of {len(share)}, it needs {NEEDED[part]} or more; take fewer agents, more "
                    "task.samples, or other fractions task.support and task.test"
                )
    _check_places(partition.named(), n_samples)


def _check_places(named: Iterable[tuple[str, Share]], n_samples: int) -> None:
    parts = [(f"{name}'s {part} data", samples) for name, share in named for part, samples in share.parts()]
    everywhere = np.concatenate([samples for _, samples in parts])
    if everywhere.min() < 0 or everywhere.max() >= n_samples:
        wrong = everywhere[(everywhere < 0) | (everywhere >= n_samples)][0]
        raise PartitionError(f"task.partition: sample {wrong} is none, the dataset has {n_samples}; make it anew")
    values, counts = np.unique(everywhere, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1][0]
        places = [place for place, samples in parts for _ in range(int((samples == twice).sum()))]
        raise PartitionError(
            f"task.partition: sample {twice} is in {places[0]} and in {places[1]}; give every sample one place"
        )


def class_counts(labels: np.ndarray, shares: Sequence[Share], n_classes: int) -> np.ndarray:
    """Return the samples of each class that each agent holds, all parts together, shape (agents, classes)."""
    rows = [np.bincount(labels[np.concatenate([p for _, p in s.parts()])], minlength=n_classes) for s in shares]
    return np.stack(rows) if rows else np.zeros((0, n_classes), int)
