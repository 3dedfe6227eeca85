import numpy as np
import pytest

from fl.config import check
from fl.data.base import SHAPES, Dataset
from fl.data.partition_file import ClassPartition, save
from fl.partitioning import classes_of
from fl.theory.generalisation import independent_tasks
from fl.theory.tasks import chance_sigma, training_classes, training_tasks


def made(agents, seed=0, **task):
    algorithm = {"kind": "fedavg"} if task.get("partition") == "iid" else {}
    common = {"model": {"kind": "mlp"}, "uplink": {"kind": "ideal"}}
    return check(common | {"seed": seed, "agents": {"count": agents}, "task": task, "algorithm": algorithm})


@pytest.mark.parametrize(
    ("task", "agents", "tasks"),
    [
        ({"dataset": "omniglot"}, 20, 4 * (49 // 5) + 16 * (48 // 5)),
        ({"dataset": "omniglot", "partition": "class_overlap", "classes_per_agent": 40}, 1, 8),
        ({"dataset": "omniglot", "partition": "class_overlap", "classes_per_agent": 40}, 10_000, 8),
        ({"dataset": "mnist", "partition": "iid"}, 50, 50),
    ],
    ids=["class", "one alone", "more than can be listed", "iid"],
)
def test_tasks_are_episodes_without_a_common_class_or_agents(task, agents, tasks):
    assert training_tasks(made(agents, **task)) == tasks


def dataset():
    shape = SHAPES["omniglot"]
    return Dataset("omniglot", np.zeros((1, 28, 28), np.uint8), (), np.arange(shape.train_classes), np.arange(0))


@pytest.mark.parametrize("partition", ["class_overlap", "alphabet", "class"])
def test_classes_are_counted_from_the_partition_that_runs_have(partition):
    config = made(6, seed=3, dataset="omniglot", partition=partition, classes_per_agent=40)
    dealt = classes_of(config, dataset())
    for agent, mine in enumerate(training_classes(config)):
        theirs = dealt(agent)
        assert len(mine) == len(theirs)
        assert partition == "class" or np.array_equal(mine, theirs)


def test_agents_who_drew_the_same_character_count_as_less():
    """Four agents of five characters of 964: of these seeds some have an overlap, and most have not."""
    few = {"dataset": "omniglot", "partition": "class_overlap", "classes_per_agent": 5, "ways": 5}
    counted = {seed: training_tasks(made(4, seed, **few)) for seed in range(30)}
    for seed, tasks in counted.items():
        drawn = np.concatenate(training_classes(made(4, seed, **few)))
        assert tasks == 4 if len(set(drawn)) == 20 else tasks < 4
    assert set(counted.values()) == {2, 4}


def test_a_partition_by_hand_is_counted_as_it_is(tmp_path):
    held = tuple(np.arange(5) + start for start in (0, 3, 20))
    save(ClassPartition("omniglot", "", held, (np.arange(964, 980),)), tmp_path / "by-hand.json")
    config = made(3, dataset="omniglot", partition=str(tmp_path / "by-hand.json"))
    assert training_tasks(config) == independent_tasks(held, 5) == 1


def test_a_loss_that_is_cut_at_chance_has_half_of_it_as_its_spread():
    config = check({"task": {"ways": 7}, "model": {"kind": "mlp"}})
    assert chance_sigma(config) == pytest.approx(np.log(7) / 2)
