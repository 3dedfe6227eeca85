"""Datasets of small images grouped by class, read through a cache of memory-mapped arrays.

Pixels are uint8, 0 where there is paper and 255 where there is ink. Agents train on `train_classes`; `new_classes` are
for new agents, and no class is in both.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np

SIDE = 28


class DataError(RuntimeError):
    """Data that is missing, damaged, or cannot be stored; the message says what to do."""


@dataclass(frozen=True)
class Shape:
    """What a configuration must fit: classes for training and new agents, images in the smallest class."""

    train_classes: int
    new_classes: int
    images_per_class: int


SHAPES = {
    "glyphs": Shape(400, 160, 20),
    "omniglot": Shape(964, 659, 20),
    "mnist": Shape(5, 5, 6313),
}


@dataclass(frozen=True)
class Dataset:
    """Images grouped by class.

    Args:
        name: of the dataset.
        images: uint8, shape (n_images, 28, 28), memory-mapped.
        class_images: image indices of each class.
        train_classes: classes of the agents that train.
        new_classes: classes of new agents.
    """

    name: str
    images: np.ndarray
    class_images: tuple[np.ndarray, ...]
    train_classes: np.ndarray
    new_classes: np.ndarray


@dataclass(frozen=True)
class Arrays:
    """What a dataset's module builds: uint8 images (n, 28, 28), sorted by class, and the class of each."""

    images: np.ndarray
    labels: np.ndarray
    n_train_classes: int


def load(name: str, data_root: Path | None, cache: Path) -> Dataset:
    """Return a dataset; the first call builds its cache, later ones map it.

    Args:
        name: a key of `SHAPES`.
        data_root: folder of the files a user has; None looks in the cache folder.
        cache: folder of the memory-mapped arrays.

    Raises:
        DataError: files are missing or damaged, or the cache cannot be written.
    """
    folder = _folder(name, cache)
    if not _is_whole(folder):
        _store(build(name, data_root or cache), folder)
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    images = np.load(folder / "images.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npy")
    bounds = np.searchsorted(labels, np.arange(labels[-1] + 2))
    class_images = tuple(np.arange(start, stop) for start, stop in pairwise(bounds))
    classes = np.arange(len(class_images))
    first = about["n_train_classes"]
    return Dataset(name, images, class_images, classes[:first], classes[first:])


def build(name: str, root: Path) -> Arrays:
    """Return the arrays of a dataset, read from the files in `root` or generated.

    Raises:
        DataError: files are missing or damaged.
    """
    arrays: Arrays = _module(name).build(root)
    return arrays


def is_cached(name: str, cache: Path) -> bool:
    """Return whether a dataset is ready to be mapped."""
    return _is_whole(_folder(name, cache))


def find(root: Path, names: tuple[str, ...], how: str) -> Path:
    """Return the first of these files that is in a folder.

    Raises:
        DataError: none is; says where it looked and how to get one.
    """
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(
        f"{' or '.join(names)}: not found in {root}; {how}, or name their folder with --set data_root=FOLDER"
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a file whose SHA-256 is not the expected one.

    Raises:
        DataError: it is damaged, cut short, or another file.
    """
    found = sha256(path)
    if found != expected:
        raise DataError(
            f"{path}: damaged or cut short (SHA-256 {found[:12]}…, expected {expected[:12]}…); get it again"
        )


def _module(name: str) -> ModuleType:
    if name not in SHAPES:
        raise ValueError(f"dataset must be one of {', '.join(SHAPES)}, got {name!r}")
    return import_module(f"fl.data.{name}")


def _folder(name: str, cache: Path) -> Path:
    return cache / f"{name}-{_module(name).VERSION}"


def _is_whole(folder: Path) -> bool:
    """Return whether a cache is there with all its bytes; a damaged one is built again."""
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in about["sizes"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _store(arrays: Arrays, folder: Path) -> None:
    """Write a cache beside its place and move it there; of two processes that do, either's result stays."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise DataError(f"{folder.parent}: cannot write the data cache ({error.strerror})") from error
    try:
        np.save(temporary / "images.npy", arrays.images)
        np.save(temporary / "labels.npy", arrays.labels)
        sizes = {path.name: path.stat().st_size for path in temporary.iterdir()}
        about = {"n_train_classes": arrays.n_train_classes, "sizes": sizes}
        (temporary / "about.json").write_text(json.dumps(about), encoding="utf-8")
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
    except OSError as error:
        if not _is_whole(folder):
            raise DataError(f"{folder}: cannot write the data cache ({error.strerror}); free some space") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
