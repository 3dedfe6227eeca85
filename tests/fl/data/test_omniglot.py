import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fl.data import omniglot
from fl.data.files import DataError

DATA = Path(__file__).parent.parent.parent.parent.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="needs the packed Omniglot files in ../shared/data")


def official_zip(path, ink):
    """Write ink (characters, drawers, 105, 105) as the official archives hold it: alphabets out of order."""
    with zipfile.ZipFile(path, "w") as archive:
        for character in reversed(range(len(ink))):
            for drawer, image in enumerate(ink[character]):
                buffer = io.BytesIO()
                Image.fromarray(~image).save(buffer, "png")
                name = f"images/Alphabet_{character % 3}/character01/{character + 1:04d}_{drawer + 1:02d}.png"
                archive.writestr(name, buffer.getvalue())


@needs_data
def test_the_official_archive_gives_the_packed_order(tmp_path):
    with np.load(DATA / "omniglot_background.npz") as packed:
        ink = ~packed["images"][:4]
    official_zip(tmp_path / "images_background.zip", ink)
    found = omniglot.read_zip(tmp_path / "images_background.zip", 4)
    assert np.array_equal(found.reshape(ink.shape), ink)


@needs_data
def test_the_packed_files_give_both_sets():
    arrays = omniglot.build(DATA)
    assert arrays.images.shape == ((964 + 659) * 20, 28, 28)
    assert arrays.n_train_classes == 964
    assert 0.02 < (arrays.images > 128).mean() < 0.2


def test_shrinking_keeps_the_ink():
    ink = np.random.default_rng(0).random((3, 105, 105)) < 0.1
    small = omniglot.shrink(ink) / 255
    assert np.allclose(small.mean((1, 2)), ink.mean((1, 2)), atol=1 / 255)


@pytest.mark.parametrize("content", [b"PK\x03\x04 cut short", b""])
def test_a_damaged_archive_is_refused_by_name(tmp_path, content):
    (tmp_path / "images_background.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"images_background.zip: damaged or cut short"):
        omniglot.build(tmp_path)


def test_an_archive_with_other_images_is_refused(tmp_path):
    official_zip(tmp_path / "images_background.zip", np.zeros((2, 20, 105, 105), bool))
    with pytest.raises(DataError, match="40 images, expected 19280"):
        omniglot.build(tmp_path)


def test_a_damaged_packed_file_is_refused_by_name(tmp_path):
    (tmp_path / "omniglot_background.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match="SHA-256"):
        omniglot.build(tmp_path)


def test_missing_files_say_where_to_get_them(tmp_path):
    with pytest.raises(DataError, match=f"not found in {tmp_path}.*brendenlake"):
        omniglot.build(tmp_path)
