import numpy as np
import pytest

from fl.data.base import Dataset
from fl.data.episodes import Pool, draw, gather

WAYS = 3
DATASET = Dataset(
    "toy",
    np.arange(60, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8),
    tuple(np.arange(start, start + 10) for start in range(0, 60, 10)),
    np.arange(4),
    np.arange(4, 6),
)


def episode(sets, seed=0):
    return draw(DATASET, DATASET.train_classes, WAYS, sets, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(10))
def test_sets_of_an_episode_share_no_image_and_have_equal_classes(seed):
    picks = episode([(4, Pool()), (3, Pool()), (3, Pool())], seed)
    together = np.concatenate(picks)
    assert len(set(together)) == len(together) == WAYS * 10
    for indices, count in zip(picks, (4, 3, 3), strict=True):
        assert all(len(set(block // 10)) == 1 for block in indices.reshape(WAYS, count))


@pytest.mark.parametrize("seed", range(10))
def test_held_out_images_are_never_drawn_in_training(seed):
    training, heldout = episode([(8, Pool(0, -2)), (2, Pool(-2))], seed)
    assert (training % 10 < 8).all()
    assert (heldout % 10 >= 8).all()


def test_all_images_are_drawn_sooner_or_later():
    seen = {index for seed in range(60) for index in episode([(2, Pool())], seed)[0]}
    assert seen == set(range(40))


def test_batches_hold_the_drawn_pixels_and_their_labels():
    episodes = [episode([(2, Pool()), (1, Pool())], seed) for seed in range(4)]
    support, query = gather(DATASET, episodes, WAYS)
    assert support.images.shape == (4, WAYS * 2, 1, 28, 28)
    assert query.labels.tolist() == [[0, 1, 2]] * 4
    assert np.allclose(support.images[2, :, 0, 5, 5].numpy() * 255, episodes[2][0])
    assert support.labels[0].tolist() == [0, 0, 1, 1, 2, 2]


def test_too_few_images_or_classes_are_refused():
    with pytest.raises(ValueError, match="takes 11 images of a class, toy has 10"):
        episode([(6, Pool()), (5, Pool())])
    with pytest.raises(ValueError, match="the agent holds 2"):
        draw(DATASET, DATASET.new_classes, WAYS, [(1, Pool())], np.random.default_rng(0))
