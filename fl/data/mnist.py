"""MNIST (LeCun, Cortes, Burges): ten digits, from the idx files or from a packed mnist.npz.

For class episodes the digits 0 to 4 train and 5 to 9 are for new agents; training and test images are pooled.
"""

import gzip
from pathlib import Path

import numpy as np

from fl.data.base import SIDE, Arrays, DataError, check_sha256, find

VERSION = 1
PACKED_SHA256 = "d8de0ffa95d928e339b746bcd6ca05238ee73dfeb3488294b51aa9049acffd9a"
HOW = "get the four idx files of MNIST (train-images-idx3-ubyte.gz …)"
PARTS = ("train", 60_000), ("t10k", 10_000)


def build(root: Path) -> Arrays:
    """Return all 70,000 images, sorted by digit.

    Raises:
        DataError: a file is missing or damaged.
    """
    if (root / "mnist.npz").exists():
        check_sha256(root / "mnist.npz", PACKED_SHA256)
        with np.load(root / "mnist.npz") as packed:
            images = np.concatenate([packed["x_train"], packed["x_test"]])
            labels = np.concatenate([packed["y_train"], packed["y_test"]])
    else:
        images = np.concatenate([_idx(root, f"{part}-images-idx3-ubyte", count) for part, count in PARTS])
        labels = np.concatenate([_idx(root, f"{part}-labels-idx1-ubyte", count) for part, count in PARTS])
    order = np.argsort(labels, kind="stable")
    return Arrays(images[order], labels[order].astype(np.int64), 5)


def _idx(root: Path, name: str, count: int) -> np.ndarray:
    """Return one idx file: images (count, 28, 28) or labels (count,), uint8."""
    path = find(root, (f"{name}.gz", name, name.replace("-idx", ".idx")), HOW)
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); get it again") from error
    shape = (count, SIDE, SIDE) if "images" in name else (count,)
    header = 4 + 4 * len(shape)
    if len(content) != header + int(np.prod(shape)) or content[:3] != b"\0\0\x08":
        raise DataError(f"{path}: not the idx file of {count} {name.split('-')[1]}, or cut short; get it again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
