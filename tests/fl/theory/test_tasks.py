import numpy as np
import pytest

from fl.config import check
from fl.theory.tasks import chance_sigma, training_tasks


@pytest.mark.parametrize(
    ("task", "agents", "tasks"),
    [
        ({"dataset": "omniglot"}, 20, 4 * (49 // 5) + 16 * (48 // 5)),
        ({"dataset": "omniglot", "partition": "class_overlap", "classes_per_agent": 40}, 20, 964 // 5),
        ({"dataset": "mnist", "partition": "iid"}, 50, 50),
    ],
    ids=["class", "class_overlap", "iid"],
)
def test_tasks_are_episodes_without_a_common_class_or_agents(task, agents, tasks):
    model = {"kind": "mlp"}
    algorithm = {"kind": "fedavg"} if task.get("partition") == "iid" else {}
    config = check({"agents": {"count": agents}, "task": task, "model": model, "algorithm": algorithm})
    assert training_tasks(config) == tasks


def test_a_loss_that_is_cut_at_chance_has_half_of_it_as_its_spread():
    config = check({"task": {"ways": 7}, "model": {"kind": "mlp"}})
    assert chance_sigma(config) == pytest.approx(np.log(7) / 2)
