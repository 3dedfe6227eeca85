"""FEMNIST (Caldas et al., LEAF, arXiv 1812.01097): 62 characters by writer, from a user's own json files.

LEAF's preprocessing leaves files of the form {"user_data": {user: {"x": [784 numbers, …], "y": [class, …]}}} with
paper at 1 and ink at 0; classes are 0-9, A-Z, a-z. They belong in a folder `femnist`; where several stages of the
preprocessing are in it, `all_data` is read and the samples of it in other folders are not.
"""

import json
from pathlib import Path

import numpy as np

from fl.data.base import SHAPES, SIDE, Arrays
from fl.data.files import DataError

VERSION = 1
HOW = "run LEAF's data/femnist/preprocess.sh and name its folder of json files femnist"


def build(root: Path) -> Arrays:
    """Return the images of all writers, sorted by class.

    Raises:
        DataError: files are missing, damaged, or of another form.
    """
    writers: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for path in _files(root / "femnist"):
        for writer, drawn in _read(path):
            writers.setdefault(writer, []).append(drawn)
    names = sorted(writers)
    images = np.concatenate([x for name in names for x, _ in writers[name]])
    labels = np.concatenate([y for name in names for _, y in writers[name]])
    owners = np.repeat(np.arange(len(names)), [sum(len(y) for _, y in writers[name]) for name in names])
    order = np.argsort(labels, kind="stable")
    return Arrays(images[order], labels[order], SHAPES["femnist"].classes, owners[order], tuple(names))


def _files(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.json"))
    whole = [path for path in found if path.parent.name == "all_data"]
    if not found:
        raise DataError(f"{folder}: no json files; {HOW}, or name the folder above it with --set data_root=FOLDER")
    return whole or found


def _read(path: Path) -> list[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Return the writers of one file, each with ink (n, 28, 28), uint8, and classes (n,)."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["user_data"]
        return [(writer, _drawn(drawn)) for writer, drawn in content.items() if drawn["y"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: damaged, or not a file of FEMNIST ({error}); {HOW}") from error


def _drawn(drawn: dict[str, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    paper, labels = np.asarray(drawn["x"], np.float64), np.asarray(drawn["y"], np.int64)
    if paper.shape != (len(labels), SIDE * SIDE):
        raise ValueError(f"images of shape {paper.shape} for {len(labels)} labels")
    if not ((paper >= 0) & (paper <= 1)).all():
        raise ValueError("pixels outside [0, 1]")
    if not ((labels >= 0) & (labels < SHAPES["femnist"].classes)).all():
        raise ValueError(f"classes outside 0..{SHAPES['femnist'].classes - 1}")
    return np.rint(255 * (1 - paper)).astype(np.uint8).reshape(-1, SIDE, SIDE), labels
