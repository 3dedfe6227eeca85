"""Partitions as files: JSON that can be kept, looked at, passed on, and written by hand.

    {"format": "airmeta partition", "version": 1, "form": "samples", "dataset": "mnist", "dataset_digest": "…",
     "recipe": {…}, "agents": [{"train": […], "support": […], "test": […]}, …],
     "new_agents": [{"support": […], "test": […]}, …], "digest": "…"}

The form "classes" lists an agent's classes in the place of its samples: for few-shot episodes. `dataset_digest` and
`digest` may be left out of a file written by hand; where they are there, they have to be right.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fl.data.files import DataError, digest_of
from fl.data.shares import NOTHING, SamplePartition, Share

FORMAT = "airmeta partition"
VERSION = 1
HOW = "make it with airmeta data partition CONFIG --out FILE"


@dataclass(frozen=True)
class ClassPartition:
    """A partition by class, for few-shot episodes.

    Args:
        dataset: name of the dataset.
        dataset_digest: of the dataset that the classes are of.
        training: classes of each agent that trains, by id.
        new: classes of each new agent; a task of a new agent is of one of them.
        recipe: how it was made, for the reader.
    """

    dataset: str
    dataset_digest: str
    training: tuple[np.ndarray, ...]
    new: tuple[np.ndarray, ...]
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the dataset's digest and of who holds what, however it was made."""
        about = np.frombuffer(f"classes {self.dataset_digest} {len(self.training)}".encode(), np.uint8)
        return digest_of(about, *(classes.astype(np.int64) for classes in (*self.training, *self.new)))


AnyPartition = ClassPartition | SamplePartition


def save(partition: AnyPartition, path: Path) -> None:
    """Write a partition.

    Raises:
        DataError: it cannot be written.
    """
    is_samples = isinstance(partition, SamplePartition)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "form": "samples" if is_samples else "classes",
        "dataset": partition.dataset,
        "dataset_digest": partition.dataset_digest,
        "recipe": dict(partition.recipe),
        "agents": [_lists(held) for held in partition.training],
        "new_agents": [_lists(held) for held in partition.new],
        "digest": partition.digest,
    }
    try:
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def load(path: Path) -> AnyPartition:
    """Return the partition of a file.

    Raises:
        DataError: it is missing, damaged, or of another form or version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {HOW}") from error
    except ValueError as error:
        raise DataError(f"{path}: damaged or cut short ({error}); {HOW}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{path}: not a partition; {HOW}")
    if content.get("version") != VERSION:
        raise DataError(f"{path}: version {content.get('version')} of partitions, this airmeta reads {VERSION}; {HOW}")
    try:
        partition = _partition(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not as a partition is written ({error!r}); {HOW}") from error
    if (digest := content.get("digest", partition.digest)) != partition.digest:
        raise DataError(
            f"{path}: its contents do not have its digest {str(digest)[:12]}…: it is damaged, or changed "
            "by hand; if you changed it, remove its digest"
        )
    return partition


def _partition(content: Mapping[str, Any]) -> AnyPartition:
    dataset, dataset_digest, recipe = content["dataset"], content.get("dataset_digest", ""), content.get("recipe", {})
    held, new = content["agents"], content["new_agents"]
    if not (isinstance(dataset, str) and isinstance(dataset_digest, str) and isinstance(recipe, dict)):
        raise TypeError("dataset and dataset_digest must be texts, recipe a table")
    if not (held and new):
        raise ValueError("agents and new_agents must be lists that are not empty")
    if content["form"] == "classes":
        training, others = tuple(_indices(item) for item in held), tuple(_indices(item) for item in new)
        return ClassPartition(dataset, dataset_digest, training, others, recipe)
    if content["form"] != "samples":
        raise ValueError(f"form must be samples or classes, got {content['form']!r}")
    return SamplePartition(dataset, dataset_digest, tuple(map(_share, held)), tuple(map(_share, new)), recipe)


def _share(item: Mapping[str, Any]) -> Share:
    return Share(
        _indices(item["train"]) if "train" in item else NOTHING, _indices(item["support"]), _indices(item["test"])
    )


def _indices(values: Any) -> np.ndarray:
    array = np.asarray(values) if values else NOTHING
    if array.ndim != 1 or array.dtype.kind != "i":
        raise ValueError("indices must be a list of whole numbers")
    return array.astype(np.int64)


def _lists(held: np.ndarray | Share) -> Any:
    if isinstance(held, Share):
        return {name: part.tolist() for name, part in held.parts()}
    return held.tolist()
