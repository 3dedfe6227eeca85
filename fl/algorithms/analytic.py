"""FedACnnL and pFedACnnL: layer by layer, in closed form; no gradient is computed, and a layer takes one round.

    agent       X_l: patches of its images behind the layers solved so far, and ones; sends XᵀX and Xᵀ·onehot(Y)
    server      W_l = (Σ G_k + γI)⁻¹ Σ B_k Q_l,   Q_l: label encoding drawn from the run's seed, I in the head
    its own     W = (X_kᵀX_k + λI)⁻¹(X_kᵀY_k + λW_g) in the head, from the support set, λ by held-out samples

P4 (Gu, You, Guo, Qu, Ren, Xie, Luo, arXiv 2502.06915): gradient-free, each layer a distributed least-squares problem
solved in closed form, a local objective that bridges the global model and the local distribution [A]; groups of similar
agents that share a model [T]; all of it in this form [R]. With `algorithm.weighting = samples` the sums are those of
all data in one place, so θ is what central training gives, however the data are dealt (D1).

θ begins at zero, and the layer in hand is the first whose weights are all zero: a round in which nothing was received
is repeated. Rounds after the last layer is solved receive its sums again, with noise of their own, and θ is of their
mean. A message has a block for each group of agents, all but its own zero, and θ a network for each. What is sent is
`fl.analytic.statistics`, how noise is borne `fl.analytic.solve`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from fl.algorithms.base import Kind
from fl.analytic.conflicts import check_population, conflicts
from fl.analytic.groups import centres, group_of
from fl.analytic.pace import paced
from fl.analytic.personal import personal_head
from fl.analytic.server import AnalyticServer, depth_in_hand
from fl.analytic.solve import Regularisation
from fl.analytic.statistics import accumulate, length, pack
from fl.data.local import LocalData, MiniBatches
from fl.data.tensors import Set
from fl.gradients import Loss, side_by_side
from fl.partitioning import outputs
from fl.plain_cnn import PlainCnn

if TYPE_CHECKING:
    from fl.config import Config


@dataclass(frozen=True)
class ClosedForm:
    """The work of the agents.

    Args:
        loss: by which models are judged.
        network: its model.
        classes: C.
        batch_size: images in memory at once; what is sent does not depend on it, but for rounding.
        adaptive: whether an agent finds the batch size that suits its machine, from `batch_size` on.
        centres: label histogram of each group, shape (groups, C).
    """

    loss: Loss
    network: PlainCnn
    classes: int
    batch_size: int
    adaptive: bool
    centres: np.ndarray
    sends: bool = True

    def draw(self, data: LocalData, round_index: int, rng: np.random.Generator) -> MiniBatches:
        """Return all that an agent trains on, in mini-batches."""
        return data.epochs(1, self.batch_size, rng)

    def local_updates(
        self, theta: torch.Tensor, agents: Sequence[MiniBatches], threads: int
    ) -> tuple[torch.Tensor, list[float]]:
        """Return the messages of several agents, float64, shape (n, length); their losses are not known (nan)."""
        messages = side_by_side(lambda batches: self.message(theta, batches), agents, threads)
        return torch.stack(messages), [float("nan")] * len(agents)

    def message(self, theta: torch.Tensor, batches: MiniBatches) -> torch.Tensor:
        """Return what an agent sends of the layer in hand: its group's block of shape (length,), zeros elsewhere."""
        group = self.group(np.concatenate(batches.labels))
        networks, size = self._networks(theta), length(self.network.layers, self.classes)
        depth = depth_in_hand(self.network, networks)
        seen = paced(batches) if self.adaptive else batches
        normal = accumulate(self.network, networks[group], depth, seen, self.classes)
        message = networks.new_zeros(len(networks), size)
        message[group] = pack(normal, size)
        return message.flatten()

    def personalise(self, theta: torch.Tensor, support: Set, steps: int) -> list[torch.Tensor]:
        """Return the network of the agent's group, then with a head of its own, as often as steps say; (d,) each."""
        images, labels = support
        shared = self._networks(theta)[self.group(labels.cpu().numpy())]
        if steps == 0:
            return [shared]
        with torch.no_grad():
            depth = len(self.network.layers) - 1
            hidden = self.network.hidden(shared, images.to(shared.dtype), depth)
            features = self.network.patches(hidden, depth, stride=1)[:, 0]
            own = shared.clone()
            head = self.network.weights(own)[-1]
            head.copy_(personal_head(features, F.one_hot(labels, self.classes).to(shared.dtype), head))
        return [shared] + [own] * steps

    def group(self, labels: np.ndarray) -> int:
        """Return the group of an agent with these labels."""
        return group_of(np.bincount(labels, minlength=self.classes), self.centres)

    def _networks(self, theta: torch.Tensor) -> torch.Tensor:
        return theta.to(torch.float64).view(len(self.centres), -1)


def _build(config: "Config", loss: Loss) -> ClosedForm:
    keys, classes = config.algorithm, outputs(config.task)
    alike = np.full((keys.groups, classes), 1 / classes)
    return ClosedForm(loss, _network(config), classes, keys.batch_size, keys.adaptive_batch, alike)


def _settle(config: "Config", learner: ClosedForm, counts: np.ndarray) -> ClosedForm:
    check_population(config, counts)
    return replace(learner, centres=centres(counts, config.algorithm.groups))


def _server(config: "Config") -> AnalyticServer:
    keys = config.algorithm
    rule = Regularisation(keys.ridge, keys.noise_ridge, keys.clip_eigenvalues)
    return AnalyticServer(_network(config), outputs(config.task), keys.groups, rule, config.seed)


def _message_length(config: "Config", parameters: int) -> int:
    return config.algorithm.groups * length(_network(config).layers, outputs(config.task))


def _first(config: "Config", theta: torch.Tensor) -> torch.Tensor:
    """Return θ before the first round: no layer is solved."""
    return torch.zeros(config.algorithm.groups * len(theta), dtype=torch.float64, device=theta.device)


def _network(config: "Config") -> PlainCnn:
    return PlainCnn(config.model.width, outputs(config.task))


KEYS = frozenset({"batch_size", "adaptive_batch", "groups", "ridge", "noise_ridge", "clip_eigenvalues"})
KIND = Kind(_build, KEYS, conflicts, _server, _message_length, _first, _settle, in_double=True)
