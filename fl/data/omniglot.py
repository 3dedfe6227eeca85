"""Omniglot (Lake, Salakhutdinov, Tenenbaum, Science 2015): 964 + 659 characters, 20 drawers each.

Read from the official images_background.zip and images_evaluation.zip, or from packed omniglot_background.npz and
omniglot_evaluation.npz. The 105 x 105 bitmaps are averaged down to 28 x 28; characters of the background alphabets
train, those of the evaluation alphabets are for new agents.

Characters are in the order of the official file names, which number them 1 to 1623, alphabet by alphabet; `ALPHABETS`
says where each begins, as the folders of the official archives do.
"""

import io
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from fl.data.base import SIDE, Arrays
from fl.data.files import DataError, check_sha256, find

VERSION = 1
DRAWERS = 20
SOURCE = 105
CHARACTERS = {"background": 964, "evaluation": 659}
PACKED_SHA256 = {
    "background": "8bf84167413cd00beacdce3fe582f780ab538d8dbef043a6d688f2527bbce199",
    "evaluation": "0b84c7ffd94c4841c0040e529c86a82eaaccb986d8eadad5673f7991b7475276",
}
HOW = "get images_background.zip and images_evaluation.zip from github.com/brendenlake/omniglot (folder python)"
ALPHABETS = {
    "Arcadian": 1, "Armenian": 27, "Asomtavruli (Georgian)": 68, "Balinese": 108, "Bengali": 132,
    "Blackfoot (Canadian Aboriginal Syllabics)": 178, "Braille": 192, "Cyrillic": 218, "Early Aramaic": 251,
    "Syriac (Estrangelo)": 273, "Anglo-Saxon Futhorc": 296, "Futurama": 325, "Grantha": 351, "Greek": 394,
    "Gujarati": 418, "Hebrew": 466, "Japanese (hiragana)": 488, "Inuktitut (Canadian Aboriginal Syllabics)": 540,
    "Malay (Jawi - Arabic)": 556, "Japanese (katakana)": 596, "Korean": 643, "Latin": 683, "Alphabet of the Magi": 709,
    "Mkhedruli (Georgian)": 729, "Burmese (Myanmar)": 770, "N Ko": 804, "Ojibwe (Canadian Aboriginal Syllabics)": 837,
    "Sanskrit": 851, "Tagalog": 893, "Tifinagh": 910, "Angelic": 965, "Atemayar Qelisayer": 985, "Atlantean": 1011,
    "Aurek-Besh": 1037, "Avesta": 1063, "Ge'ez": 1089, "Glagolitic": 1115, "Gurmukhi": 1160, "Kannada": 1205,
    "Keble": 1246, "Malayalam": 1272, "Manipuri": 1319, "Mongolian": 1359, "Old Church Slavonic (Cyrillic)": 1389,
    "Oriya": 1434, "Syriac (Serto)": 1480, "Sylheti": 1503, "Tengwar": 1531, "Tibetan": 1556, "ULOG": 1598,
}  # fmt: skip
"""Number of the first character of each alphabet: 30 of the background set, then 20 of the evaluation set."""


def alphabets() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the classes of each background and of each evaluation alphabet, in the order of `ALPHABETS`."""
    firsts = [*(number - 1 for number in ALPHABETS.values()), sum(CHARACTERS.values())]
    classes = [np.arange(first, following) for first, following in pairwise(firsts)]
    return [c for c in classes if c[0] < CHARACTERS["background"]], [
        c for c in classes if c[0] >= CHARACTERS["background"]
    ]


def build(root: Path) -> Arrays:
    """Return both sets as 28 x 28 images.

    Raises:
        DataError: a file is missing or damaged.
    """
    images = np.concatenate([shrink(_read(root, part)) for part in CHARACTERS])
    labels = np.repeat(np.arange(sum(CHARACTERS.values())), DRAWERS)
    return Arrays(images, labels, CHARACTERS["background"])


def _read(root: Path, part: str) -> np.ndarray:
    """Return ink as bool, shape (characters·20, 105, 105)."""
    path = find(root, (f"images_{part}.zip", f"omniglot_{part}.npz"), HOW)
    if path.suffix == ".zip":
        return read_zip(path, CHARACTERS[part])
    check_sha256(path, PACKED_SHA256[part])
    with np.load(path) as packed:
        return ~packed["images"].reshape(-1, SOURCE, SOURCE)


def read_zip(path: Path, characters: int) -> np.ndarray:
    """Return the ink of an official archive, ordered by character and drawer: bool, shape (characters·20, 105, 105).

    Raises:
        DataError: it is damaged, or holds another number of images.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".png") and "__MACOSX" not in name]
            names.sort(key=lambda name: Path(name).name)  # XXXX_YY.png: character, drawer
            if len(names) != characters * DRAWERS:
                raise DataError(f"{path}: {len(names)} images, expected {characters * DRAWERS}; get it again")
            return np.stack([~np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("1")) for name in names])
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); get it again") from error


def shrink(ink: np.ndarray) -> np.ndarray:
    """Return area averages, uint8, of bool images: (n, 105, 105) to (n, 28, 28)."""
    weights = _area_weights(SOURCE, SIDE)
    small = [weights @ chunk.astype(np.float32) @ weights.T for chunk in np.array_split(ink, max(1, len(ink) // 1000))]
    return np.rint(np.concatenate(small) * 255).astype(np.uint8)


def _area_weights(source: int, target: int) -> np.ndarray:
    """Return the share of each source pixel in each target pixel, shape (target, source), rows summing to 1."""
    edges = np.arange(target + 1) * source / target
    left = np.maximum(edges[:-1, None], np.arange(source))
    right = np.minimum(edges[1:, None], np.arange(source) + 1)
    return (np.maximum(right - left, 0) * target / source).astype(np.float32)
