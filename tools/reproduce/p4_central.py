"""Closed-form training in one place, by other means: least squares on all rows at once (D1)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from fl.analytic.statistics import STRIDE
from fl.plain_cnn import PlainCnn


def central(
    network: PlainCnn, images: torch.Tensor, labels: torch.Tensor, ridge: float, encoding: Callable[[int], torch.Tensor]
) -> list[torch.Tensor]:
    """Return the weights of every layer, float64, by a solver that forms no Gram matrix; the ridge is rows of its own.

    Args:
        network: that is solved.
        images: of all agents, shape (n, 1, 28, 28).
        labels: one-hot, shape (n, classes).
        ridge: γ over the mean of the diagonal of XᵀX.
        encoding: Q_l of a block, by its depth.
    """
    hidden, weights = images.double(), []
    for depth, layer in enumerate(network.layers):
        rows, targets = hidden.flatten(1), labels.double()
        if layer.kernel:
            unfolded = F.unfold(hidden, layer.kernel, padding=layer.kernel // 2, stride=STRIDE)
            targets = (targets @ encoding(depth)).repeat_interleave(unfolded.shape[-1], 0)
            rows = unfolded.transpose(1, 2).flatten(0, 1)
        rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
        gamma = ridge * rows.square().sum(0).mean()
        penalty = gamma.sqrt() * torch.eye(layer.inputs, dtype=rows.dtype)
        below = rows.new_zeros(layer.inputs, targets.shape[1])
        weight = torch.linalg.lstsq(torch.cat([rows, penalty]), torch.cat([targets, below]), driver="gelsd").solution
        if layer.kernel:
            weight = weight / (rows @ weight).square().mean(0).sqrt()
            filters = weight[:-1].T.reshape(layer.outputs, -1, layer.kernel, layer.kernel)
            hidden = F.conv2d(hidden, filters, weight[-1], padding=layer.kernel // 2)
            hidden = F.max_pool2d(F.relu(hidden), layer.pool)
        weights.append(weight)
    return weights


def distance(network: PlainCnn, theta: torch.Tensor, weights: list[torch.Tensor]) -> float:
    """Return the largest error of a layer's weights, over the largest weight of the layer."""
    found = network.weights(theta)
    return max(float((one - two).abs().max() / two.abs().max()) for one, two in zip(found, weights, strict=True))
