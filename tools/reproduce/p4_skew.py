"""D3 and D4, measured: what the models of the sweeps are worth on agents' own test data, and on what nobody holds.

An agent's own data are what it trains on and its support data together. A run's evaluation personalises from the
support data alone; here the own head is also solved from all own data, as P4's local objective has it [R].
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from fl.data.tensors import Set, gather_samples
from fl.evaluation import fine_tune
from fl.experiment import restore
from fl.partitioning import outputs
from fl.plain_cnn import PlainCnn
from fl.setup import Parts
from fl.tasks import Group, task_of_agent
from tools.bench.analytic.skew import accuracy_alone
from tools.sweep.results import Results, run_folder

METHODS = (
    "FedACnnL",
    "FedAvg",
    "FedAvg, fine-tuned",
    "support",
    "own",
    "nothing",
    "groups",
    "local",
    "apart",
    "apart, FedAvg",
)
"""Columns of what is measured; `measure` says what they are."""
TUNING_STEPS = 10
LEFT_OUT = 4_000
"""Images of those that no agent holds."""
AT_ONCE = 200


def measure(results: Results, setting: str, cache: Path, say: Callable[[str], None]) -> list[list[float]]:
    """Return accuracy by seed and method for one way of dealing classes.

    FedACnnL: the shared network. FedAvg: its model, and after steps on all own data. support: pFedACnnL, head from the
    support data; own: head from all own data; nothing: the same with a head pulled towards zero in the place of the
    shared one; groups: as own, in 4 groups. local: all layers from own data alone. apart: the shared network, and
    FedAvg's model, on images that nobody holds.

    Args:
        results: of a sweep with the settings "FedACnnL", "4 groups", and "FedAvg", each followed by `setting`.
        setting: how classes are dealt, as names of settings end.
        cache: folder of the data caches.
        say: is told of progress.
    """
    rows = []
    names = [f"{method}, {setting}" for method in ("FedACnnL", "4 groups", "FedAvg")]
    for seed, jobs in enumerate(zip(*(results.of(name) for name in names), strict=True), start=1):
        say(f"measuring {setting}, seed {seed}")
        loaded = [restore(run_folder(results.folder, job), cache) for job in jobs]
        rows.append(_of_seed({name: (parts, saved.state.theta) for name, (parts, saved) in zip(
            ("shared", "groups", "fedavg"), loaded, strict=True)}))  # fmt: skip
    return rows


def _of_seed(models: Mapping[str, tuple[Parts, torch.Tensor]]) -> list[float]:
    parts, shared = models["shared"]
    bare = shared.clone()
    PlainCnn(parts.config.model.width, outputs(parts.config.task)).weights(bare)[-1].zero_()
    agents = range(parts.config.agents.count)
    from_support = [task_of_agent(parts, Group.HELDOUT, agent) for agent in agents]
    own = [(_own(parts, agent), test) for agent, (_, test) in zip(agents, from_support, strict=True)]
    support = fine_tune(parts.learner, shared, from_support, 1, 1).accuracy.mean(0)
    grouped, fedavg = models["groups"], models["fedavg"]
    tuned = fine_tune(fedavg[0].learner, fedavg[1], own, TUNING_STEPS, 1).accuracy.mean(0)
    apart = _left_out(parts)
    found = (
        support[0], tuned[0], tuned[-1], support[1],
        *(fine_tune(one.learner, theta, own, 1, 1).accuracy.mean(0)[1] for one, theta in
          ((parts, shared), (parts, bare), grouped)),
        np.mean([accuracy_alone(parts, agent) for agent in agents]),
        *(fine_tune(one.learner, theta, apart, 0, 1).accuracy.mean() for one, theta in ((parts, shared), fedavg)),
    )  # fmt: skip
    return [float(value) for value in found]


def _own(parts: Parts, agent: int) -> Set:
    """Return all data of an agent but those that test it."""
    if parts.shares is None:
        raise ValueError("agents hold samples of their own only under a partition by sample; set task.partition")
    share = parts.shares.training[agent]
    return gather_samples(parts.dataset, np.concatenate([share.train, share.support]), parts.config.run.device)


def _left_out(parts: Parts) -> list[tuple[Set, Set]]:
    """Return images that no agent holds, drawn with the seed of the run, in portions of a bearable size."""
    if parts.shares is None:
        raise ValueError("agents hold samples of their own only under a partition by sample; set task.partition")
    held = np.concatenate([part for _, share in parts.shares.named() for _, part in share.parts()])
    free = np.setdiff1d(np.arange(len(parts.dataset.images)), held)
    drawn = np.random.default_rng(parts.config.seed).choice(free, LEFT_OUT, replace=False)
    portions = [gather_samples(parts.dataset, rows, parts.config.run.device) for rows in drawn.reshape(-1, AT_ONCE)]
    return [(portion, portion) for portion in portions]
