"""The server's step of closed-form training: a layer's sums in, its weights out."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch

from fl.analytic.solve import Regularisation, encoded
from fl.analytic.statistics import unpack
from fl.plain_cnn import PlainCnn
from fl.server import ServerState
from fl.streams import Purpose, stream

HEARD = 5.0
"""Standard deviations of its error that the share of a group has to exceed."""


@dataclass(frozen=True)
class AnalyticServer:
    """What the server makes of the sums of a round.

    In the state, `first_moment` is the sum of what was received of the layer in hand, `second_moment` the sum of the
    variances of its error, both empty before there is any, and `steps` counts rounds in which something was.

    Args:
        network: that is solved.
        classes: C.
        groups: networks in θ, and blocks of a message.
        regularisation: of the solutions.
        seed: of the label encodings.
    """

    network: PlainCnn
    classes: int
    groups: int
    regularisation: Regularisation
    seed: int

    def step(
        self, state: ServerState, mean_update: torch.Tensor | None, round_index: int, error_var: float = 0.0
    ) -> ServerState:
        """Return the state after a round; None is one in which nothing was received.

        Raises:
            SingularGramError: the sums have no solution.
        """
        if mean_update is None:
            return state
        last = len(self.network.layers) - 1
        depth, received = min(state.steps, last), mean_update.to(torch.float64)
        error = received.new_tensor([error_var])
        if state.steps > last:  # the head again
            received, error = state.first_moment + received, state.second_moment + error
        times = max(state.steps - last, 0) + 1
        theta = state.theta.clone()
        blocks, variance = (received / times).view(self.groups, -1), float(error) / times**2
        for network, (block, share) in zip(
            theta.view(self.groups, -1), self._of_members(blocks, depth, variance), strict=True
        ):
            self._solve(self.network.weights(network)[depth], block, depth, variance / share**2)
        return ServerState(theta, received, error, state.steps + 1)

    def _of_members(self, blocks: torch.Tensor, depth: int, error_var: float) -> list[tuple[torch.Tensor, float]]:
        """Return the mean of each group over its members, and their share of all weights.

        A share is what the column of ones has in G. A group of whom nothing was heard, or nothing above noise, is given
        the mean of all.
        """
        if self.groups == 1:
            return [(blocks[0], 1.0)]
        shares = blocks[:, self.network.layers[depth].inputs - 1].tolist()
        silent = HEARD * sqrt(error_var)
        everybody = blocks.sum(0) / sum(shares), 1 / sqrt(self.groups)
        return [
            (block / share, share) if share > silent else everybody for block, share in zip(blocks, shares, strict=True)
        ]

    def _solve(self, weight: torch.Tensor, block: torch.Tensor, depth: int, error_var: float) -> None:
        """Solve one layer of one network in place."""
        normal = unpack(block, weight.shape[0], self.classes)
        solution = self.regularisation.invert(normal, error_var)
        if self.network.layers[depth].kernel:
            solution = encoded(solution, self.encoding(depth).to(solution), normal.gram)
        weight.copy_(solution)

    def encoding(self, depth: int) -> torch.Tensor:
        """Return Q of a layer, standard normal, shape (classes, outputs)."""
        rng: np.random.Generator = stream(self.seed, Purpose.ENCODING, depth)
        return torch.from_numpy(rng.standard_normal((self.classes, self.network.layers[depth].outputs)))


def depth_in_hand(network: PlainCnn, networks: torch.Tensor) -> int:
    """Return the first layer whose weights are all zero, or the last one.

    Args:
        network: the network.
        networks: its parameters in each group, shape (groups, d); a layer is solved in all groups or in none.
    """
    weights = network.weights(networks.abs().sum(0))
    return next((depth for depth, weight in enumerate(weights) if not weight.any()), len(weights) - 1)
