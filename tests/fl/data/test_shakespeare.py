from pathlib import Path

import numpy as np
import pytest

from fl.data import shakespeare
from fl.data.base import SHAPES
from fl.data.files import DataError

DATA = Path(__file__).parent.parent.parent.parent.parent / "shared" / "data"
PLAY = """ROMEO:
But soft, what light?

JULIET:
O Romeo,
wherefore art thou?

ROMEO:
Shall I hear more?
"""


def test_a_role_says_all_its_speeches_in_their_order():
    assert shakespeare.speeches(PLAY) == {
        "ROMEO": "But soft, what light?\nShall I hear more?",
        "JULIET": "O Romeo,\nwherefore art thou?",
    }


def test_windows_share_no_character_and_are_what_the_role_says(monkeypatch):
    monkeypatch.setattr(shakespeare, "WINDOW", 9)
    arrays = shakespeare.windows(PLAY)
    assert arrays.owner_names == ("JULIET", "ROMEO")
    assert arrays.images.shape == (2 + 4, 10)
    for owner, name in enumerate(arrays.owner_names):
        said = shakespeare.decode(arrays.images[arrays.owners == owner].ravel())
        assert shakespeare.speeches(PLAY)[name].startswith(said)


def test_roles_with_less_than_a_window_are_left_out():
    with_long = PLAY + "\nCHORUS:\n" + "Two households, both alike in dignity. " * 5 + "\n"
    assert shakespeare.windows(with_long).owner_names == ("CHORUS",)


def test_codes_and_characters_are_one_to_one():
    assert shakespeare.decode(shakespeare.encode(shakespeare.VOCABULARY)) == shakespeare.VOCABULARY
    assert len(set(shakespeare.VOCABULARY)) == len(shakespeare.VOCABULARY) == SHAPES["shakespeare"].classes
    with pytest.raises(ValueError, match=r"65 characters, \['é'\] are not"):
        shakespeare.encode("Exit, pursued by a béar")


def test_another_text_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"tinyshakespeare.txt or input.txt: not found .*char-rnn"):
        shakespeare.build(tmp_path)
    (tmp_path / "tinyshakespeare.txt").write_text(PLAY)
    with pytest.raises(DataError, match=r"tinyshakespeare.txt: damaged or cut short"):
        shakespeare.build(tmp_path)


@pytest.mark.skipif(not DATA.exists(), reason="needs tinyshakespeare.txt in ../shared/data")
def test_the_real_text_has_roles_that_speak_at_length():
    arrays = shakespeare.build(DATA)
    assert arrays.images.shape[1] == shakespeare.WINDOW + 1
    assert arrays.images.max() < SHAPES["shakespeare"].classes
    assert (np.diff(arrays.owners) >= 0).all()
    sizes = dict(zip(arrays.owner_names, np.bincount(arrays.owners), strict=True))
    assert sizes["ROMEO"] > 250
    assert not any(name.endswith(":") for name in arrays.owner_names)
