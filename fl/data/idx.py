"""The idx files in which MNIST and EMNIST are published: a header of big-endian sizes, then bytes."""

import gzip
from pathlib import Path

import numpy as np

from fl.data.base import SIDE
from fl.data.files import DataError, find


def read_images(root: Path, name: str, count: int, how: str) -> np.ndarray:
    """Return `count` images of the file `name`-images-idx3-ubyte, uint8, shape (count, 28, 28).

    Args:
        root: folder of the file, which may be compressed (.gz).
        name: of the part, such as train.
        count: images that it has to hold.
        how: to get the file, for the message that it is missing.

    Raises:
        DataError: it is missing or damaged, or holds something else.
    """
    return _read(root, f"{name}-images-idx3-ubyte", (count, SIDE, SIDE), how)


def read_labels(root: Path, name: str, count: int, how: str) -> np.ndarray:
    """Return `count` labels of the file `name`-labels-idx1-ubyte, uint8; arguments and errors as of `read_images`."""
    return _read(root, f"{name}-labels-idx1-ubyte", (count,), how)


def _read(root: Path, name: str, shape: tuple[int, ...], how: str) -> np.ndarray:
    path = find(root, (f"{name}.gz", name, name.replace("-idx", ".idx")), how)
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); get it again") from error
    header = 4 + 4 * len(shape)
    if len(content) != header + int(np.prod(shape)) or content[:3] != b"\0\0\x08":
        kind = "images" if len(shape) == 3 else "labels"
        raise DataError(f"{path}: not the idx file of {shape[0]} {kind}, or cut short; get it again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
