"""EMNIST by class (Cohen, Afshar, Tapson, van Schaik, IJCNN 2017): 62 characters, from a user's own idx files.

Read from the four files emnist-byclass-… of the authors' gzip.zip, which keep each image transposed; here it stands as
it was written. Classes are 0-9, A-Z, a-z. The idx files name no writers: partitions by writer need FEMNIST.
"""

from pathlib import Path

import numpy as np

from fl.data.base import SHAPES, Arrays
from fl.data.files import DataError
from fl.data.idx import read_images, read_labels

VERSION = 1
HOW = "get gzip.zip of EMNIST from NIST and unpack its emnist-byclass-*-ubyte.gz"
PARTS = ("emnist-byclass-train", 697_932), ("emnist-byclass-test", 116_323)


def build(root: Path) -> Arrays:
    """Return all 814,255 images, sorted by class.

    Raises:
        DataError: a file is missing or damaged.
    """
    labels = np.concatenate([read_labels(root, part, count, HOW) for part, count in PARTS])
    images = np.concatenate([read_images(root, part, count, HOW).transpose(0, 2, 1) for part, count in PARTS])
    classes = SHAPES["emnist"].classes
    if labels.max() >= classes:
        raise DataError(f"{root}: labels of emnist-byclass go up to {labels.max()}, expected {classes - 1}; {HOW}")
    order = np.argsort(labels, kind="stable")
    return Arrays(images[order], labels[order].astype(np.int64), classes)
