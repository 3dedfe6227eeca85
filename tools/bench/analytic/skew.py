"""D3 and D4: accuracy against how unevenly classes are dealt: closed form, FedAvg, and each agent alone."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from fl.algorithms.table import ALGORITHMS
from fl.config import Config
from fl.evaluation import fine_tune, interval
from fl.partitioning import outputs
from fl.plain_cnn import PlainCnn
from fl.round import training_steps
from fl.server import ServerState
from fl.setup import Parts, assemble
from fl.tasks import Group, task_of_agent
from tools.bench.analytic.experiment import FEDAVG, changed, train

PARTITIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("iid", {"partition": "iid"}),
    ("Dirichlet, 0.1", {"partition": "dirichlet", "alpha": 0.1}),
    ("two classes each", {"partition": "pathological", "classes_per_agent": 2}),
)
GROUPS = 4
FEDAVG_ROUNDS = 10
METHODS = "fedacnnl", "pfedacnnl", "local", "grouped", "fedavg", "fedavg_tuned"


def skew(config: Config, cache: Path, seeds: int) -> list[dict[str, Any]]:
    """Return the accuracy of each method on the agents' own test data, for every partition.

    Args:
        config: of closed-form training, over error-free links.
        cache: folder of the data caches.
        seeds: 1, 2, ...
    """
    rows = []
    for name, task in PARTITIONS:
        runs = np.array([_of_seed(changed(config, {"seed": s, "task": task}), cache) for s in range(1, seeds + 1)])
        rows.append(
            {
                "partition": name,
                "gain": _spread(runs[:, 1] - runs[:, 0]),
                "over_local": _spread(runs[:, 1] - runs[:, 2]),
            }
            | {method: float(runs[:, column].mean()) for column, method in enumerate(METHODS)}
        )
    return rows


def sentence(row: dict[str, Any]) -> str:
    """Return what was found for a partition, for people."""
    gain, over = (f"{found[0]:+.1%} [{found[1]:+.1%}, {found[2]:+.1%}]" for found in (row["gain"], row["over_local"]))
    return (
        f"{row['partition']}: FedACnnL {row['fedacnnl']:.1%}, "
        f"pFedACnnL {row['pfedacnnl']:.1%}, in {GROUPS} groups {row['grouped']:.1%} ({gain}; {over} over "
        f"local ridge {row['local']:.1%}), FedAvg {row['fedavg']:.1%}, fine-tuned {row['fedavg_tuned']:.1%}"
    )


def _of_seed(config: Config, cache: Path) -> list[float]:
    shared = train(config, cache)
    grouped = train(changed(config, {"algorithm": config.algorithm.model_dump() | {"groups": GROUPS}}), cache)
    fedavg = train(changed(config, {"rounds": FEDAVG_ROUNDS, "algorithm": FEDAVG}), cache)
    alone = float(np.mean([accuracy_alone(assemble(config, cache), agent) for agent in range(config.agents.count)]))
    return [
        float(shared.accuracy[0]),
        float(shared.accuracy[-1]),
        alone,
        float(grouped.accuracy[-1]),
        float(fedavg.accuracy[0]),
        float(fedavg.accuracy[-1]),
    ]


def accuracy_alone(parts: Parts, agent: int) -> float:
    """Return the accuracy of an agent that solves all layers from its own data, and nobody else's.

    Its head has its support data too, and a ridge that held-out samples choose, as pFedACnnL's: that of FedACnnL would
    fit so few samples nearly exactly, and be too easy to beat.
    """
    state = ServerState.start(parts.first_theta())
    step = ALGORITHMS["analytic"].server(parts.config)
    for index in range(parts.config.rounds):
        drawn = training_steps(parts, [agent], index)
        messages, _ = parts.learner.local_updates(state.theta, drawn, 1)
        state = step.step(state, messages[0], index)
    support, test = task_of_agent(parts, Group.HELDOUT, agent)
    images, labels = zip(*drawn[0], support, strict=True)
    theta = state.theta.clone()
    PlainCnn(parts.config.model.width, outputs(parts.config.task)).weights(theta)[-1].zero_()  # pulled towards nothing
    return float(fine_tune(parts.learner, theta, [((torch.cat(images), torch.cat(labels)), test)], 1, 1).accuracy[0, 1])


def _spread(values: np.ndarray) -> tuple[float, float, float]:
    return (float(values.mean()), *interval(values))
