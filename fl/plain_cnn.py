"""A convolution network without batch norm, whose layers are each a matrix: gradients or closed form can train it.

    H_0 = images;  H_l = pool(relu(X_l W_l)),  X_l = patches of H_{l−1} and a column of ones;  logits = X_L W_L

One block of 9 x 9 patches and 4 x 4 max-pooling, then a linear head on its 7 x 7 positions: d = 18,314 for 32 filters
and ten classes. The last row of every W_l is the bias.
"""

from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import torch
import torch.nn.functional as F

from fl.data.base import SIDE

BLOCKS = ((9, 4),)
"""Side of the patches and of the pooling of each block."""


@dataclass(frozen=True)
class Layer:
    """One matrix of the network.

    Args:
        inputs: rows of W_l: numbers of a patch, and one for the bias.
        outputs: columns of W_l.
        kernel: side of a patch; 0: the head, which takes all there is.
        pool: side of the pooling that follows.
    """

    inputs: int
    outputs: int
    kernel: int = 0
    pool: int = 1


class PlainCnn:
    """Blocks of convolution, ReLU and max-pooling, and a linear head.

    Args:
        width: filters of a block.
        ways: classes.
        blocks: side of the patches, odd, and of the pooling of each block.
    """

    def __init__(self, width: int, ways: int, blocks: tuple[tuple[int, int], ...] = BLOCKS) -> None:
        layers, channels, side = [], 1, SIDE
        for kernel, pool in blocks:
            layers.append(Layer(channels * kernel**2 + 1, width, kernel, pool))
            channels, side = width, side // pool
        self.layers = (*layers, Layer(channels * side**2 + 1, ways))
        self._shapes = [(layer.inputs, layer.outputs) for layer in self.layers]
        self.dimension = sum(prod(shape) for shape in self._shapes)

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return θ: He-normal blocks, a head of variance 1/fan-in, zero biases; shape (d,)."""
        parts = []
        for layer in self.layers:
            weight = rng.standard_normal((layer.inputs, layer.outputs))
            weight *= sqrt((2 if layer.kernel else 1) / (layer.inputs - 1))
            weight[-1] = 0
            parts.append(weight.ravel())
        return torch.from_numpy(np.concatenate(parts).astype(np.float32))

    def weights(self, theta: torch.Tensor) -> list[torch.Tensor]:
        """Return W_l of each layer, shape (inputs, outputs), as views of θ."""
        sizes = [prod(shape) for shape in self._shapes]
        return [part.view(shape) for part, shape in zip(theta.split(sizes), self._shapes, strict=True)]

    def logits(self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        """Return the logits (n, ways) of images (n, 1, 28, 28)."""
        head = self.weights(theta)[-1]
        hidden = self.hidden(theta, images, len(self.layers) - 1, layout).flatten(1)
        return hidden @ head[:-1] + head[-1]

    def hidden(
        self,
        theta: torch.Tensor,
        images: torch.Tensor,
        depth: int,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> torch.Tensor:
        """Return H_depth, the input of layer `depth`, counted from 0, shape (n, channels, side, side)."""
        hidden = images
        for layer, weight in zip(self.layers[:depth], self.weights(theta), strict=False):
            if hidden.dtype == torch.float64:
                hidden = F.relu(_pooled(hidden, layer, weight))
                continue
            filters = weight[:-1].T.reshape(layer.outputs, -1, layer.kernel, layer.kernel)
            hidden = F.conv2d(hidden, filters.contiguous(memory_format=layout), weight[-1], padding=layer.kernel // 2)
            hidden = F.relu(F.max_pool2d(hidden, layer.pool))  # pooling first: the same function, and less work
        return hidden

    def patches(self, hidden: torch.Tensor, depth: int, stride: int) -> torch.Tensor:
        """Return X of layer `depth`, a row for every `stride`-th position each way, ones in the last column.

        Args:
            hidden: H_depth, shape (n, channels, side, side).
            depth: of the layer.
            stride: between positions; the head has one, and no use for it.

        Returns:
            Shape (n, positions, inputs).
        """
        kernel = self.layers[depth].kernel
        if kernel:
            rows = F.unfold(hidden, kernel, padding=kernel // 2, stride=stride).transpose(1, 2)
        else:
            rows = hidden.flatten(1)[:, None]
        return torch.cat([rows, rows.new_ones(*rows.shape[:2], 1)], -1)


def _pooled(hidden: torch.Tensor, layer: Layer, weight: torch.Tensor) -> torch.Tensor:
    """Return max-pooled convolutions, shape (n, outputs, side, side), as one product.

    A row is all that the filters see from one place of the pooling, (kernel + pool − 1)² numbers a channel, and the
    filters at each of its positions are columns beside each other. In double precision, for which torch has no fast
    convolution, this took a third of the time.

    Args:
        hidden: shape (n, channels, height, width).
        layer: a block.
        weight: W_l, shape (inputs, outputs).
    """
    channels, side, seen = hidden.shape[1], hidden.shape[-1] // layer.pool, layer.kernel + layer.pool - 1
    filters = weight[:-1].view(channels, layer.kernel, layer.kernel, -1)
    columns = weight.new_zeros(channels, seen, seen, layer.pool, layer.pool, layer.outputs)
    for down in range(layer.pool):
        for across in range(layer.pool):
            columns[:, down : down + layer.kernel, across : across + layer.kernel, down, across] = filters
    padded = F.pad(hidden, (layer.kernel // 2,) * 4)
    windows = padded.unfold(2, seen, layer.pool).unfold(3, seen, layer.pool)[:, :, :side, :side]
    rows = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * seen**2)
    found = (rows @ columns.view(len(rows[0]), -1)).view(len(rows), layer.pool**2, -1).amax(1) + weight[-1]
    return found.view(len(hidden), side, side, -1).permute(0, 3, 1, 2)
