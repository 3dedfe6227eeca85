import numpy as np
import pytest

from fl.data.glyphs import build
from fl.data.writers import pseudo_writers, styles


def bar(lean, thick=2, length=20):
    """A stroke from bottom to top that leans to the right by `lean` columns a row."""
    image = np.zeros((1, 28, 28), np.uint8)
    for step in range(length):
        left = round(13 - thick / 2 + lean * (step - length / 2))
        image[0, 24 - step, left : left + thick] = 255
    return image


@pytest.mark.parametrize("lean", [-0.3, 0.0, 0.3])
def test_slant_is_the_columns_a_row_by_which_a_stroke_leans_to_the_right(lean):
    assert styles(bar(lean))[0, 0] == pytest.approx(lean, abs=0.03)


@pytest.mark.parametrize("thick", [3, 4, 6])
def test_thickness_is_the_width_of_the_stroke(thick):
    """Of a bar of 20 rows, whose ends lengthen the outline by a share of thick/20."""
    assert styles(bar(0.0, thick))[0, 1] == pytest.approx(thick, rel=0.25)


def test_width_does_not_depend_on_slant():
    upright, leaning = styles(bar(0.0, 4)), styles(bar(0.4, 4))
    assert leaning[0, 2] == pytest.approx(upright[0, 2], rel=0.1)


def test_paper_without_ink_has_a_style_too():
    assert styles(np.zeros((2, 28, 28), np.uint8)).tolist() == [[0, 0, 0]] * 2


def test_images_of_a_pseudo_writer_are_alike_and_of_all_classes():
    """Within a writer styles vary less than over everything, in each of the three numbers; iid shares vary the same."""
    images = build(None).images[:4000]
    class_images = np.split(np.arange(4000), 10)
    dealt = pseudo_writers(images, class_images, 16, np.random.default_rng(0))
    style, labels = styles(images), np.repeat(np.arange(10), 400)
    within = np.mean([style[samples].var(0) for samples in dealt], axis=0)
    assert (within < 0.8 * style.var(0)).all()
    assert all((np.bincount(labels[samples], minlength=10) == 25).all() for samples in dealt)
