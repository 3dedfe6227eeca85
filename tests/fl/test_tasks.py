import numpy as np
import pytest

from fl.setup import assemble, with_evaluation
from fl.tasks import Group, evaluate, score


@pytest.fixture
def parts(small, cache):
    return assemble(small(("task", "holdout", 3)), cache)


def test_the_first_tasks_do_not_depend_on_how_many_follow(parts):
    theta = parts.first_theta()
    few, many = (score(parts, theta, Group.NEW, count)[0] for count in (3, 7))
    assert np.array_equal(few.loss, many.loss[:3])


def test_groups_see_other_tasks(parts):
    theta = parts.first_theta()
    losses = [score(parts, theta, group, 4)[0].loss[:, 0].tolist() for group in Group]
    assert len({tuple(values) for values in losses}) == len(Group)


def test_new_agents_see_new_classes_only_and_training_agents_their_own(parts):
    dataset = parts.dataset
    for group, classes in ((Group.NEW, dataset.new_classes), (Group.TRAINING, dataset.train_classes)):
        _, sample = score(parts, parts.first_theta(), group, 4)
        pixels = (sample.query.images * 255).round().to(int).numpy().astype(np.uint8).reshape(-1, 28, 28)
        allowed = {image.tobytes() for index in classes for image in dataset.images[dataset.class_images[index]]}
        assert all(image.tobytes() in allowed for image in pixels)


def test_held_out_queries_were_never_trained_on(parts):
    _, sample = score(parts, parts.first_theta(), Group.HELDOUT, 4)
    pixels = (sample.query.images * 255).round().to(int).numpy().astype(np.uint8).reshape(-1, 28, 28)
    dataset = parts.dataset
    seen = {
        image.tobytes() for index in dataset.train_classes for image in dataset.images[dataset.class_images[index][:-3]]
    }
    assert not any(image.tobytes() in seen for image in pixels)


def test_held_out_figures_come_only_with_a_holdout(parts, small, cache):
    assert "heldout_accuracy" in evaluate(parts, parts.first_theta(), 2)[0]
    without = assemble(small(), cache)
    assert "heldout_accuracy" not in evaluate(without, without.first_theta(), 2)[0]


def test_other_evaluation_settings_are_checked(parts):
    assert with_evaluation(parts, {"steps": 9}).config.evaluation.steps == 9
    with pytest.raises(ValueError, match=r"evaluation\.queries"):
        with_evaluation(parts, {"queries": 20})
