import gzip
from pathlib import Path

import numpy as np
import pytest

from fl.data import mnist
from fl.data.files import DataError

DATA = Path(__file__).parent.parent.parent.parent.parent / "shared" / "data"


def idx(array):
    shape = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


@pytest.fixture
def official(tmp_path):
    """All four idx files, images of noise, one of them not compressed."""
    rng = np.random.default_rng(0)
    for part, count in mnist.PARTS:
        images = rng.integers(0, 255, (count, 28, 28), np.uint8)
        labels = rng.integers(0, 10, count, np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), 1))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


def test_idx_files_are_pooled_and_sorted_by_digit(official):
    arrays = mnist.build(official)
    assert arrays.images.shape == (70_000, 28, 28)
    assert (np.diff(arrays.labels) >= 0).all()


def test_a_truncated_file_is_refused_by_name(official):
    path = official / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: not the idx file of 10000 labels, or cut short"):
        mnist.build(official)
    compressed = official / "train-images-idx3-ubyte.gz"
    compressed.write_bytes(compressed.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: damaged or cut short"):
        mnist.build(official)


@pytest.mark.skipif(not DATA.exists(), reason="needs the packed MNIST file in ../shared/data")
def test_the_packed_file_holds_all_digits():
    arrays = mnist.build(DATA)
    assert np.bincount(arrays.labels).sum() == 70_000
    assert np.bincount(arrays.labels).min() == 6313


def test_missing_files_are_named(tmp_path):
    with pytest.raises(DataError, match="train-images-idx3-ubyte"):
        mnist.build(tmp_path)
