import numpy as np
import pytest

from fl.data import glyphs


@pytest.fixture(scope="module")
def images():
    return glyphs.build(None).images.reshape(-1, glyphs.DRAWERS, 28, 28)


def test_the_same_characters_come_every_time(images):
    assert np.array_equal(glyphs.build(None).images.reshape(images.shape), images)


def test_no_character_is_blank_or_a_blot(images):
    ink = (images > 100).mean((2, 3))
    assert (images.max((2, 3)).mean(1) > 128).all()
    assert 0.05 < ink.mean() < 0.25
    assert ink.max() < 0.5


def test_drawers_differ(images):
    assert all(len(np.unique(character.reshape(glyphs.DRAWERS, -1), axis=0)) == glyphs.DRAWERS for character in images)


def test_pixels_alone_neither_solve_nor_hide_the_task(images):
    """Nearest neighbour on pixels, 5 ways 5 shots: there is something to learn, and something to learn it from."""
    rng, scores = np.random.default_rng(0), []
    flat = images.reshape(*images.shape[:2], -1) / 255
    for _ in range(100):
        classes, drawers = rng.choice(len(flat), 5, replace=False), rng.permutation(glyphs.DRAWERS)
        support, query = flat[classes][:, drawers[:5]].reshape(25, -1), flat[classes][:, drawers[5:]].reshape(75, -1)
        distance = (support**2).sum(1) - 2 * query @ support.T
        scores.append((distance.argmin(1) // 5 == np.arange(75) // 15).mean())
    assert 0.45 < np.mean(scores) < 0.75
