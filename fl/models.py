"""Models as pure functions of one flat parameter vector.

`cnn` is the four-block network of the few-shot literature (Vinyals et al. 2016; Finn, Abbeel, Levine 2017): 3 x 3
convolution without bias, batch norm, ReLU, 2 x 2 max-pooling, then a linear head; d = 28,357 for 32 filters and 112,005
for 64, five ways. Batch norm uses the statistics of the batch at hand: predictions are transductive, reports say so.
Pooling comes before the ReLU, which is the same function and a quarter of the work.
"""

from itertools import pairwise
from math import prod, sqrt
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F

from fl.data.base import SIDE

MLP_HIDDEN = (80, 60)
BLOCKS = 4


class Model(Protocol):
    """A classifier with its parameters outside."""

    @property
    def dimension(self) -> int:
        """d, parameters."""
        ...

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return a first parameter vector, float32, shape (d,)."""
        ...

    def logits(self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        """Return the logits (n, ways) of images (n, 1, 28, 28) at parameters theta (d,).

        `layout` is the memory format of convolutions; it changes the speed and not the function.
        """
        ...


class Cnn:
    """Four convolution blocks and a linear head.

    Args:
        width: filters of each block.
        ways: classes.
    """

    def __init__(self, width: int, ways: int) -> None:
        self.shapes = cnn_shapes(width, ways)
        self._sizes = [prod(shape) for shape in self.shapes]
        self.dimension = sum(self._sizes)

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return θ: He-normal convolutions, unit scales, zero shifts, a head of rms 1/√width; shape (d,)."""
        parts = []
        for shape in self.shapes:
            if len(shape) == 1:
                parts.append(np.zeros(shape))
            elif len(shape) == 4:
                parts.append(rng.standard_normal(shape) * sqrt(2 / prod(shape[1:])))
            else:
                parts.append(rng.standard_normal(shape) / sqrt(shape[1]))
        for block in range(BLOCKS):
            parts[3 * block + 1] += 1  # the scale of batch norm
        return _flatten(parts)

    def logits(self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        """Return the logits (n, ways) of images (n, 1, 28, 28)."""
        parts = [part.view(shape) for part, shape in zip(theta.split(self._sizes), self.shapes, strict=True)]
        hidden = images
        for block in range(BLOCKS):
            kernel, scale, shift = parts[3 * block : 3 * block + 3]
            hidden = F.conv2d(hidden, kernel.contiguous(memory_format=layout), padding=1)
            hidden = F.batch_norm(hidden, None, None, scale, shift, training=True)
            hidden = F.relu(F.max_pool2d(hidden, 2))
        return hidden.flatten(1) @ parts[-2].T + parts[-1]


class Mlp:
    """784-80-60-ways with ELU.

    Args:
        ways: classes.
    """

    def __init__(self, ways: int) -> None:
        self.shapes = mlp_shapes(ways)
        self._sizes = [prod(shape) for shape in self.shapes]
        self.dimension = sum(self._sizes)

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return θ: normal weights of variance 1/fan-in, zero biases; shape (d,)."""
        return _flatten(
            [
                np.zeros(shape) if len(shape) == 1 else rng.standard_normal(shape) / sqrt(shape[1])
                for shape in self.shapes
            ]
        )

    def logits(self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        """Return the logits (n, ways) of images (n, 1, 28, 28); the layout has no meaning here."""
        parts = [part.view(shape) for part, shape in zip(theta.split(self._sizes), self.shapes, strict=True)]
        hidden = images.flatten(1)
        for weight, bias in zip(parts[:-2:2], parts[1:-2:2], strict=True):
            hidden = F.elu(hidden @ weight.T + bias)
        return hidden @ parts[-2].T + parts[-1]


def build(kind: str, width: int, ways: int) -> Model:
    """Return a model by name.

    Raises:
        ValueError: there is no model of this name.
    """
    if kind == "cnn":
        return Cnn(width, ways)
    if kind == "mlp":
        return Mlp(ways)
    raise ValueError(f"model.kind must be cnn or mlp, got {kind!r}")


def parameter_count(kind: str, width: int, ways: int) -> int:
    """Return d of a model."""
    return build(kind, width, ways).dimension


def cnn_shapes(width: int, ways: int) -> list[tuple[int, ...]]:
    """Return the shapes of the CNN's parameters, in the order of the flat vector."""
    shapes: list[tuple[int, ...]] = []
    for block in range(BLOCKS):
        shapes += [(width, 1 if block == 0 else width, 3, 3), (width,), (width,)]
    return [*shapes, (ways, width), (ways,)]


def mlp_shapes(ways: int) -> list[tuple[int, ...]]:
    """Return the shapes of the MLP's parameters, in the order of the flat vector."""
    layers = (SIDE * SIDE, *MLP_HIDDEN, ways)
    return [shape for fan_in, fan_out in pairwise(layers) for shape in ((fan_out, fan_in), (fan_out,))]


def _flatten(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([part.ravel() for part in parts]).astype(np.float32))
