"""D1 and D5, measured: distance to least squares in one place, and what of a backward pass is computed."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from fl.analytic.server import AnalyticServer
from fl.config import Config
from fl.data.tensors import gather_samples
from fl.partitioning import outputs
from fl.plain_cnn import PlainCnn
from fl.residuals import ResidualStore
from fl.round import run_round
from fl.server import ServerState
from fl.setup import Parts, assemble
from fl.tasks import Group, score
from tools.bench.analytic.experiment import FEDAVG, changed
from tools.reproduce.p4_central import central, distance

PARTITIONS: tuple[dict[str, Any], ...] = (
    {"partition": "iid"},
    {"partition": "pathological", "classes_per_agent": 1},
    {"partition": "pathological", "classes_per_agent": 2},
    {"partition": "dirichlet", "alpha": 0.3},
    {"partition": "pseudo_writers"},
)
AGENTS = 10, 40  # ten of one class each hold all classes
IN_BATCH = 1, 300
IMAGES = 80, 120
"""Of an agent, from which ten train on more images than a head of 8 filters has features: fewer do not determine it."""
SCARCE = 20
"""Images of an agent that are too few."""
NO_PASS = -1
"""What torch calls the backward pass that a thread is in where it is in none."""
PASS = "_current_graph_task_id"
"""Of torch._C: which backward pass this thread is in.

No public call says it: gradients are disabled in a pass, but not in one that makes a graph (exact Hessians), and they
are outside one, under no_grad; hooks have to be put on nodes of a graph that only the code that is measured holds.
"""


def distances(config: Config, cache: Path, trials: int) -> list[dict[str, Any]]:
    """Return the error of FedACnnL's weights against least squares in one place, for drawn settings.

    Partitions take turns; number of agents, batch size and images of an agent are drawn.

    Args:
        config: of closed-form training, over error-free links.
        cache: folder of the data caches.
        trials: settings.
    """
    rng, rows = np.random.default_rng(0), []
    for trial in range(trials):
        task = PARTITIONS[trial % len(PARTITIONS)]
        count, batch_size, samples = (int(rng.integers(low, high + 1)) for low, high in (AGENTS, IN_BATCH, IMAGES))
        drawn = changed(
            config,
            {
                "seed": trial + 1,
                "agents": {"count": count},
                "task": task | {"samples": samples, "new_agents": 2},
                "algorithm": config.algorithm.model_dump() | {"batch_size": batch_size},
            },
        )
        parts = assemble(drawn, cache)
        error = _distance(parts, trained(parts).theta)
        rows.append({"task": task, "agents": count, "batch_size": batch_size, "samples": samples, "error": error})
    return rows


class BackwardKernels(TorchDispatchMode):
    """Counts what is computed of gradients in the thread that enters it.

    That is every kernel that autograd runs in a backward pass, whatever its name, and elsewhere every kernel that is
    named for one, which code that writes a gradient out calls (`fl.models.Mlp`). A gradient that is written out of
    other kernels alone is not seen.

    Raises:
        RuntimeError: this torch does not say which backward pass a thread is in.
    """

    def __init__(self) -> None:
        super().__init__()
        current = getattr(torch._C, PASS, None)
        if current is None:
            raise RuntimeError(
                f"D5 asks torch which backward pass a thread is in (torch._C.{PASS}, which is not public), and torch "
                f"{torch.__version__} has no such call; install a version that has it, as 2.4 does, or adapt "
                "tools/reproduce/p4_exact.py"
            )
        self.current, self.count = current, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operation that a backward pass runs, or whose name says that it is of one, and do it."""
        self.count += self.current() != NO_PASS or "backward" in func.__name__
        return func(*args, **(kwargs or {}))


def scarce(config: Config, cache: Path, ridges: Sequence[float]) -> list[float]:
    """Return the same error of ten agents whose images are too few to determine the weights, for several γ.

    Args:
        config: of closed-form training, over error-free links.
        cache: folder of the data caches.
        ridges: γ over the mean of a Gram's diagonal.
    """
    few = {"agents": {"count": AGENTS[0]}, "task": {"partition": "iid", "samples": SCARCE, "new_agents": 2}}
    found = []
    for ridge in ridges:
        parts = assemble(changed(config, {**few, "algorithm": config.algorithm.model_dump() | {"ridge": ridge}}), cache)
        found.append(_distance(parts, trained(parts).theta))
    return found


def backward_work(config: Config, cache: Path) -> dict[str, int]:
    """Return how many kernels of a backward pass training and personalisation run, in closed form and by FedAvg.

    Of one thread, whatever the configuration has, so that no agent is computed where nothing is counted; FedAvg is
    there to show that a gradient would be seen.
    """
    alone = changed(config, {"run": {"threads": 1}})
    rounds = {"FedACnnL": alone, "FedAvg": changed(alone, {"rounds": 1, "algorithm": FEDAVG})}
    found = {}
    for name, about in rounds.items():
        parts = assemble(about, cache)
        with BackwardKernels() as seen:
            state = trained(parts)
            score(parts, state.theta, Group.NEW, 2)
        found[name] = seen.count
    return found


def trained(parts: Parts) -> ServerState:
    """Return the server's state after all rounds."""
    state = ServerState.start(parts.first_theta())
    with TemporaryDirectory() as folder:
        residuals = ResidualStore(Path(folder), parts.config.run.device)
        for index in range(parts.config.rounds):
            state = run_round(parts, state, residuals, index).state
    return state


def _distance(parts: Parts, theta: torch.Tensor) -> float:
    """Return the error of the weights against those of all training images together."""
    task, server = parts.config.task, parts.optimizer
    if parts.shares is None or not isinstance(server, AnalyticServer):
        raise ValueError("a distance to training in one place is of closed-form training under a partition by sample")
    everything = np.concatenate([share.train for share in parts.shares.training])
    images, labels = gather_samples(parts.dataset, everything, parts.config.run.device)
    network, classes = PlainCnn(parts.config.model.width, outputs(task)), outputs(task)
    one_hot = F.one_hot(labels, classes)
    return distance(network, theta, central(network, images, one_hot, parts.config.algorithm.ridge, server.encoding))
