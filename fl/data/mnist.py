"""MNIST (LeCun, Cortes, Burges): ten digits, from the idx files or from a packed mnist.npz.

For class episodes the digits 0 to 4 train and 5 to 9 are for new agents; training and test images are pooled.
"""

from pathlib import Path

import numpy as np

from fl.data.base import Arrays
from fl.data.files import check_sha256
from fl.data.idx import read_images, read_labels

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
        images = np.concatenate([read_images(root, part, count, HOW) for part, count in PARTS])
        labels = np.concatenate([read_labels(root, part, count, HOW) for part, count in PARTS])
    order = np.argsort(labels, kind="stable")
    return Arrays(images[order], labels[order].astype(np.int64), 5)
