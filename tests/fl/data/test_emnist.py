import gzip
import json

import numpy as np
import pytest

from fl.data import emnist, femnist
from fl.data.files import DataError
from tests.fl.data.test_mnist import idx


@pytest.fixture
def byclass(tmp_path, monkeypatch):
    """The four idx files of EMNIST by class, with fewer images: an L on paper, transposed as published."""
    monkeypatch.setattr(emnist, "PARTS", (("emnist-byclass-train", 124), ("emnist-byclass-test", 62)))
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 8] = image[23, 8:20] = 255
    for part, count in emnist.PARTS:
        labels = np.random.default_rng(count).permutation(count) % 62
        images = np.repeat(image.T[None], count, 0)
        images[:, 0, 0] = labels
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images), 1))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels.astype(np.uint8)), 1))
    return tmp_path, image


def test_emnist_is_sorted_by_class_and_stands_upright(byclass):
    root, image = byclass
    arrays = emnist.build(root)
    assert np.array_equal(arrays.labels, np.repeat(np.arange(62), 3))
    assert np.array_equal(arrays.images[:, 0, 0], arrays.labels)
    assert np.array_equal(arrays.images[5, 1:], image[1:])
    assert arrays.owners is None


def test_emnist_of_another_split_or_missing_is_refused_by_name(byclass, tmp_path):
    root, _ = byclass
    labels = root / "emnist-byclass-test-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx(np.full(62, 62, np.uint8))))
    with pytest.raises(DataError, match="labels of emnist-byclass go up to 62, expected 61"):
        emnist.build(root)
    labels.unlink()
    with pytest.raises(DataError, match=r"emnist-byclass-test-labels-idx1-ubyte.gz .*not found .*NIST"):
        emnist.build(root)


def write_leaf(path, writers):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = {
        name: {"x": [[1 - pixel] * 784 for pixel in y], "y": [int(60 * pixel) for pixel in y]} for name, y in writers
    }
    counts = [len(y) for _, y in writers]
    path.write_text(json.dumps({"users": [name for name, _ in writers], "num_samples": counts, "user_data": data}))


def test_femnist_knows_its_writers_and_ink_is_dark(tmp_path):
    write_leaf(tmp_path / "femnist" / "train" / "a.json", [("f0001", [0.5, 0.1]), ("f0002", [0.25])])
    write_leaf(tmp_path / "femnist" / "test" / "b.json", [("f0001", [0.2]), ("f0003", [])])
    arrays = femnist.build(tmp_path)
    assert arrays.owner_names == ("f0001", "f0002")
    assert arrays.labels.tolist() == [6, 12, 15, 30]
    assert arrays.owners.tolist() == [0, 0, 1, 0]
    assert np.abs(arrays.images[:, 0, 0] - 255 * np.array([0.1, 0.2, 0.25, 0.5])).max() <= 0.5


def test_femnist_is_not_read_twice_where_all_stages_of_its_preprocessing_are_there(tmp_path):
    for stage in ("all_data", "train"):
        write_leaf(tmp_path / "femnist" / "data" / stage / "a.json", [("f0001", [0.5, 0.1])])
    assert len(femnist.build(tmp_path).labels) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "damaged"),
        ("[1]", "not a file of FEMNIST"),
        ('{"users": []}', "user_data"),
        ('{"user_data": {"f": {"x": [[1, 1]], "y": [3]}}}', r"images of shape \(1, 2\) for 1 labels"),
        (json.dumps({"user_data": {"f": {"x": [[2] * 784], "y": [3]}}}), "pixels outside"),
        (json.dumps({"user_data": {"f": {"x": [[1] * 784], "y": [62]}}}), "classes outside 0..61"),
    ],
)
def test_femnist_files_that_are_none_are_refused_by_name(tmp_path, content, words):
    (tmp_path / "femnist").mkdir()
    (tmp_path / "femnist" / "a.json").write_text(content)
    with pytest.raises(DataError, match=rf"a.json: .*{words}"):
        femnist.build(tmp_path)


def test_missing_femnist_files_say_how_to_make_them(tmp_path):
    with pytest.raises(DataError, match="femnist: no json files; run LEAF's"):
        femnist.build(tmp_path)
