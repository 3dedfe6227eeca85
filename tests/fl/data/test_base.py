import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from fl.data.base import SHAPES, is_cached, load
from fl.data.files import DataError, check_sha256


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    load("glyphs", None, folder)
    return folder


def test_images_are_mapped_and_grouped_by_class(cache):
    dataset = load("glyphs", None, cache)
    assert isinstance(dataset.images, np.memmap)
    assert dataset.images.dtype == np.uint8
    assert dataset.images.shape[1:] == (28, 28)
    assert np.array_equal(np.concatenate(dataset.class_images), np.arange(len(dataset.images)))


def test_no_class_is_both_for_training_and_new(cache):
    dataset = load("glyphs", None, cache)
    assert not set(dataset.train_classes) & set(dataset.new_classes)
    assert len(dataset.train_classes) + len(dataset.new_classes) == len(dataset.class_images)


def test_the_declared_shape_is_the_shape(cache):
    dataset, shape = load("glyphs", None, cache), SHAPES["glyphs"]
    assert (len(dataset.train_classes), len(dataset.new_classes)) == (shape.train_classes, shape.new_classes)
    assert min(map(len, dataset.class_images)) == shape.images_per_class


@pytest.mark.parametrize("damage", ["truncate", "remove", "garble"])
def test_a_damaged_cache_is_built_again(tmp_path, damage):
    images = load("glyphs", None, tmp_path).images.copy()
    (folder,) = tmp_path.iterdir()
    path = folder / ("about.json" if damage == "garble" else "images.npy")
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:50])
    assert not is_cached("glyphs", tmp_path)
    assert np.array_equal(load("glyphs", None, tmp_path).images, images)


def build_in(folder):
    return int(load("glyphs", None, Path(folder)).images[:50].sum())


def test_two_processes_may_build_at_once(tmp_path, cache):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        sums = pool.map(build_in, [str(tmp_path)] * 2)
    assert sums == [int(load("glyphs", None, cache).images[:50].sum())] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["glyphs-1"]


def test_a_cache_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write the data cache"):
        load("glyphs", None, tmp_path / "file")


def test_a_wrong_hash_is_refused_by_name(tmp_path):
    path = tmp_path / "mnist.npz"
    path.write_bytes(b"not it")
    with pytest.raises(DataError, match=r"mnist.npz: damaged or cut short"):
        check_sha256(path, "0" * 64)


def test_an_unknown_dataset_is_refused(tmp_path):
    with pytest.raises(ValueError, match="glyphs, omniglot, mnist"):
        load("kanji", None, tmp_path)
