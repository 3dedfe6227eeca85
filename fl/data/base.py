"""Datasets of small images grouped by class, and of text by speaker, read through a cache of memory-mapped arrays.

Pixels are uint8, 0 where there is paper and 255 where there is ink. In few-shot episodes agents train on
`train_classes`; `new_classes` are for new agents, and no class is in both.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fl.data.files import DataError, digest_of

SIDE = 28
WINDOW = 80
"""Characters of text from which the next ones are predicted."""


@dataclass(frozen=True)
class Shape:
    """What a configuration must fit.

    Args:
        train_classes: classes for training.
        new_classes: classes for new agents in few-shot episodes; 0: there are no such episodes.
        images_per_class: images in the smallest class; 0: known only once a user's files are read.
        owner: what a sample is known to belong to, such as a writer; empty: nothing.
        sample: shape of a sample: an image, or the inputs of a window of text, whose classes are the characters.
    """

    train_classes: int
    new_classes: int
    images_per_class: int
    owner: str = ""
    sample: tuple[int, ...] = (1, SIDE, SIDE)

    @property
    def classes(self) -> int:
        """All classes."""
        return self.train_classes + self.new_classes

    @property
    def is_text(self) -> bool:
        """Whether samples are windows of characters."""
        return len(self.sample) == 1


SHAPES = {
    "glyphs": Shape(400, 160, 20),
    "omniglot": Shape(964, 659, 20),
    "mnist": Shape(5, 5, 6313),
    "emnist": Shape(62, 0, 0),
    "femnist": Shape(62, 0, 0, "writer"),
    "shakespeare": Shape(65, 0, 0, "role", (WINDOW,)),
}


@dataclass(frozen=True)
class Dataset:
    """Samples grouped by class.

    Args:
        name: of the dataset.
        images: uint8, shape (n_images, 28, 28), memory-mapped; of text, codes of characters (n_windows, length + 1).
        class_images: image indices of each class, ascending and without gaps; text is one class.
        train_classes: classes of the agents that train.
        new_classes: classes of new agents.
        owners: to whom each sample belongs, shape (n_images,); None: not known.
        owner_names: of them.
        digest: of all samples, labels and owners, which partitions refer to.
    """

    name: str
    images: np.ndarray
    class_images: tuple[np.ndarray, ...]
    train_classes: np.ndarray
    new_classes: np.ndarray
    owners: np.ndarray | None = None
    owner_names: tuple[str, ...] = ()
    digest: str = ""

    @cached_property
    def labels(self) -> np.ndarray:
        """Class of each sample, int64, shape (n_images,)."""
        return np.repeat(np.arange(len(self.class_images)), [len(images) for images in self.class_images])

    @property
    def is_text(self) -> bool:
        """Whether samples are windows of characters."""
        return self.images.ndim == 2


@dataclass(frozen=True)
class Arrays:
    """What a dataset's module builds: uint8 samples sorted by class, the class of each, and whose it is if known."""

    images: np.ndarray
    labels: np.ndarray
    n_train_classes: int
    owners: np.ndarray | None = None
    owner_names: tuple[str, ...] = ()


def load(name: str, data_root: Path | None, cache: Path) -> Dataset:
    """Return a dataset; the first call builds its cache, later ones map it.

    Args:
        name: a key of `SHAPES`.
        data_root: folder of the files a user has; None looks in the cache folder.
        cache: folder of the memory-mapped arrays.

    Raises:
        DataError: files are missing or damaged, or the cache cannot be written.
    """
    folder = cached_at(name, cache)
    if not _is_whole(folder):
        _store(build(name, data_root or cache), folder)
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    images = np.load(folder / "images.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npy")
    owners = np.load(folder / "owners.npy") if "owner_names" in about else None
    bounds = np.searchsorted(labels, np.arange(labels[-1] + 2))
    class_images = tuple(np.arange(start, stop) for start, stop in pairwise(bounds))
    classes = np.arange(len(class_images))
    first = about["n_train_classes"]
    names = tuple(about.get("owner_names", ()))
    digest = about.get("digest") or _digest(images, labels, owners)  # caches of before partition files have none
    return Dataset(name, images, class_images, classes[:first], classes[first:], owners, names, digest)


def prepare(name: str, root: Path, cache: Path) -> Dataset:
    """Return a dataset read from the files in `root`, whose cache takes the place of any that is there.

    Raises:
        DataError: files are missing or damaged, or the cache cannot be written.
    """
    _store(build(name, root), cached_at(name, cache), replace=True)
    return load(name, root, cache)


def build(name: str, root: Path) -> Arrays:
    """Return the arrays of a dataset, read from the files in `root` or generated.

    Raises:
        DataError: files are missing or damaged.
    """
    arrays: Arrays = _module(name).build(root)
    return arrays


def is_cached(name: str, cache: Path) -> bool:
    """Return whether a dataset is ready to be mapped."""
    return _is_whole(cached_at(name, cache))


def _module(name: str) -> ModuleType:
    if name not in SHAPES:
        raise ValueError(f"dataset must be one of {', '.join(SHAPES)}, got {name!r}")
    return import_module(f"fl.data.{name}")


def _digest(images: np.ndarray, labels: np.ndarray, owners: np.ndarray | None) -> str:
    return digest_of(images, labels, *([] if owners is None else [owners]))


def cached_at(name: str, cache: Path) -> Path:
    """Return the folder of a dataset's memory-mapped arrays."""
    return cache / f"{name}-{_module(name).VERSION}"


def _is_whole(folder: Path) -> bool:
    """Return whether a cache is there with all its bytes; a damaged one is built again."""
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in about["sizes"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _store(arrays: Arrays, folder: Path, replace: bool = False) -> None:
    """Write a cache beside its place and move it there; of two processes that do, either's result stays."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise DataError(f"{folder.parent}: cannot write the data cache ({error.strerror})") from error
    try:
        np.save(temporary / "images.npy", arrays.images)
        np.save(temporary / "labels.npy", arrays.labels)
        about: dict[str, Any] = {"n_train_classes": arrays.n_train_classes}
        about["digest"] = _digest(arrays.images, arrays.labels, arrays.owners)
        if arrays.owners is not None:
            np.save(temporary / "owners.npy", arrays.owners)
            about["owner_names"] = arrays.owner_names
        about["sizes"] = {path.name: path.stat().st_size for path in temporary.iterdir()}
        (temporary / "about.json").write_text(json.dumps(about), encoding="utf-8")
        if replace or not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
    except OSError as error:
        if not _is_whole(folder):
            raise DataError(f"{folder}: cannot write the data cache ({error.strerror}); free some space") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
