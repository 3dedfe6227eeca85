"""Models as pure functions of one flat parameter vector.

`cnn` is the four-block network of the few-shot literature (Vinyals et al. 2016; Finn, Abbeel, Levine 2017): 3 x 3
convolution without bias, batch norm, ReLU, 2 x 2 max-pooling, then a linear head; d = 28,357 for 32 filters and
112,005 for 64, five ways. Batch norm uses the statistics of the batch at hand: predictions are transductive, reports
say so. Pooling comes before the ReLU, which is the same function and a quarter of the work.

`plain_cnn` is `fl.plain_cnn`. `gru` predicts the next character of a text (Cho et al., EMNLP 2014): an embedding of 8
numbers a character, as in McMahan et al. (AISTATS 2017) and LEAF, one layer of gated recurrent units where they have
two of LSTM, and a linear head.
"""

from itertools import pairwise
from math import prod, sqrt
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F

from fl.data.base import SIDE, WINDOW
from fl.plain_cnn import PlainCnn

MLP_HIDDEN = (80, 60)
_ATEN = torch.ops.aten
MEAN, NOTHING_IGNORED = 1, -100  # how torch numbers the reductions of a loss, and the label that would not count
BLOCKS = 4
EMBEDDING = 8
TAKES = {"cnn": (1, SIDE, SIDE), "plain_cnn": (1, SIDE, SIDE), "mlp": (1, SIDE, SIDE), "gru": (WINDOW,)}
"""Shape of a sample, by the name of the model."""


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

        Of text, codes of characters (n, length), they are (n, ways, length): of the character after each.
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
        hidden = _laid_out(images, layout)
        for block in range(BLOCKS):
            kernel, scale, shift = parts[3 * block : 3 * block + 3]
            hidden = F.conv2d(hidden, _laid_out(kernel, layout), padding=1)
            hidden = F.batch_norm(hidden, None, None, scale, shift, training=True)
            hidden = F.relu(F.max_pool2d(hidden, 2))
        return hidden.flatten(1) @ parts[-2].T + parts[-1]


def _laid_out(array: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
    """Return an array (n, channels, height, width) in a memory format.

    An array of one channel is in both, whatever its strides, so torch would leave them and take the slower path.
    """
    if layout is torch.channels_last and array.shape[1] == 1:
        return array.reshape(len(array), *array.shape[2:], 1).permute(0, 3, 1, 2)
    return array.contiguous(memory_format=layout)


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
        parts = self._parts(theta)
        hidden = images.flatten(1)
        for weight, bias in zip(parts[:-2:2], parts[1:-2:2], strict=True):
            hidden = F.elu(hidden @ weight.T + bias)
        return hidden @ parts[-2].T + parts[-1]

    def gradient(
        self, theta: torch.Tensor, images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean cross-entropy of images (n, 1, 28, 28) and labels (n,), and its gradient, shape (d,).

            δ_L = (softmax(z_L) − onehot)/n;  δ_{l−1} = (W_lᵀδ_l)∘elu'(z_{l−1});  ∂W_l = δ_l·h_{l−1}ᵀ;  ∂b_l = Σ δ_l

        Written out because autograd's graph costs as much as mini-batches themselves: it halves the time of batches of
        10. Kernels and their order are autograd's, so both give the same bits.
        """
        parts = self._parts(theta)
        inputs, driven = [images.flatten(1)], []
        for weight, bias in zip(parts[:-2:2], parts[1:-2:2], strict=True):
            driven.append(inputs[-1] @ weight.T + bias)
            inputs.append(F.elu(driven[-1]))
        scores = (inputs[-1] @ parts[-2].T + parts[-1]).log_softmax(1)
        value, n_labels = _ATEN.nll_loss_forward.default(scores, labels, None, MEAN, NOTHING_IGNORED)
        into_scores = _ATEN.nll_loss_backward.default(
            value.new_ones(()), scores, labels, None, MEAN, NOTHING_IGNORED, n_labels
        )
        error = _ATEN._log_softmax_backward_data.default(into_scores, scores, 1, scores.dtype)
        gradient = torch.empty_like(theta)
        into = self._parts(gradient)
        for layer in reversed(range(len(inputs))):
            torch.mm(inputs[layer].T, error, out=into[2 * layer].T)
            torch.sum(error, 0, out=into[2 * layer + 1])
            if layer:
                error = _ATEN.elu_backward.default(error @ parts[2 * layer], 1, 1, 1, False, driven[layer - 1])
        return value, gradient

    def _parts(self, theta: torch.Tensor) -> list[torch.Tensor]:
        parts = zip(theta.split_with_sizes(self._sizes), self.shapes, strict=True)
        return [part if len(shape) == 1 else part.view(shape) for part, shape in parts]


class Gru:
    """A character model: embedding, one recurrent layer, linear head.

        x_t = E[c_t];  r, z = σ(U x_t + V h_{t−1} + b);  ñ = tanh(U x_t + b + r∘(V h_{t−1} + b'));  h_t = (1−z)∘ñ +
        z∘h_{t−1}

    The state begins at zero with every window. Gates are in the order and with the biases of torch.nn.GRU.

    Args:
        width: units.
        ways: characters of the vocabulary.
    """

    def __init__(self, width: int, ways: int) -> None:
        self.width = width
        self.shapes = gru_shapes(width, ways)
        self._sizes = [prod(shape) for shape in self.shapes]
        self.dimension = sum(self._sizes)

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return θ: unit normal embeddings, normal weights of variance 1/fan-in, zero biases; shape (d,)."""
        parts = [
            np.zeros(shape) if len(shape) == 1 else rng.standard_normal(shape) / sqrt(shape[1]) for shape in self.shapes
        ]
        parts[0] *= sqrt(EMBEDDING)
        return _flatten(parts)

    def logits(self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        """Return the logits (n, ways, length) of codes of characters (n, length); the layout has no meaning here."""
        parts = [part.view(shape) for part, shape in zip(theta.split(self._sizes), self.shapes, strict=True)]
        embedding, into, again, into_bias, again_bias, head, head_bias = parts
        driven = embedding[images.long()] @ into.T + into_bias
        state = driven.new_zeros(len(images), self.width)
        states = []
        for step in driven.unbind(1):
            reset_in, keep_in, new_in = step.chunk(3, -1)
            reset_state, keep_state, new_state = (state @ again.T + again_bias).chunk(3, -1)
            keep = torch.sigmoid(keep_in + keep_state)
            new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_state) * new_state)
            state = new + keep * (state - new)
            states.append(state)
        return (torch.stack(states, 1) @ head.T + head_bias).transpose(1, 2)


def build(kind: str, width: int, ways: int) -> Model:
    """Return a model by name.

    Raises:
        ValueError: there is no model of this name.
    """
    if kind == "cnn":
        return Cnn(width, ways)
    if kind == "plain_cnn":
        return PlainCnn(width, ways)
    if kind == "mlp":
        return Mlp(ways)
    if kind == "gru":
        return Gru(width, ways)
    raise ValueError(f"model.kind must be cnn, plain_cnn, mlp or gru, got {kind!r}")


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


def gru_shapes(width: int, ways: int) -> list[tuple[int, ...]]:
    """Return the shapes of the character model's parameters, in the order of the flat vector."""
    layer = [(3 * width, EMBEDDING), (3 * width, width), (3 * width,), (3 * width,)]
    return [(ways, EMBEDDING), *layer, (ways, width), (ways,)]


def _flatten(parts: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([part.ravel() for part in parts]).astype(np.float32))
