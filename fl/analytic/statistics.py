"""What an agent sends of a layer, and what the server reads: Gram and cross matrix in one vector.

    G = XᵀX/rows,  B = Xᵀ·onehot(Y)/rows          message: [G_ii | √2·G_ij, i < j | c·B | zeros]

X are the layer's patches (`fl.plain_cnn`), each with the label of its image. Least squares wants Xᵀ(onehot(Y)·Q_l),
which is B·Q_l: the server has Q_l as well, so B has as many columns as there are classes and not as the layer has
outputs. That, the √2 and c are ours.

Noise of the air has the same variance on every entry of a message, and grows with its energy. √2 makes the noise of G
isotropic, every symmetric matrix of norm 1 as likely as another, and weighs each entry as often as G has it. With noise
of energy ∝ ‖G‖² + c²‖B‖², the residual δB − δG·W of the normal equations is least for c² = ‖G‖/(‖B‖·ω), ω² half of
the mean of ‖w‖² over classes. Of c both sides have to know, and nobody knows ω before the solution; the minimum is
flat, so c is the constant `CROSS_SCALE`: on MNIST the law says 4.25 for the head, and from 4 to 64 accuracy is the same
to a point.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import torch
import torch.nn.functional as F

from dsp.sensing import padded_length
from fl.data.tensors import Set
from fl.plain_cnn import Layer, PlainCnn

CROSS_SCALE = 4.0
STRIDE = 4
"""Between the positions of a block that count, each way: patches beside each other say nearly the same."""
CACHED = 20
"""Images that go through the blocks together: in double precision 20 took a quarter of the time of 200."""


@dataclass(frozen=True)
class Normal:
    """The normal equations of one layer, of one agent or of all, in float64.

    Args:
        gram: G, shape (inputs, inputs).
        cross: B, shape (inputs, classes).
    """

    gram: torch.Tensor
    cross: torch.Tensor


def accumulate(model: PlainCnn, theta: torch.Tensor, depth: int, batches: Iterable[Set], classes: int) -> Normal:
    """Return the mean normal equations of layer `depth` over the rows of all mini-batches, in whatever sizes they come.

    Args:
        model: the network.
        theta: float64, with all layers before this one solved, shape (d,).
        depth: of the layer.
        batches: images and labels.
        classes: C.
    """
    inputs = model.layers[depth].inputs
    gram, cross = theta.new_zeros(inputs, inputs), theta.new_zeros(inputs, classes)
    rows = 0
    with torch.no_grad():
        for images, labels in batches:
            parts = [model.hidden(theta, part.to(theta.dtype), depth) for part in images.split(CACHED)]
            patches = model.patches(torch.cat(parts), depth, STRIDE)
            cross += patches.sum(1).T @ F.one_hot(labels, classes).to(theta.dtype)
            flat = patches.flatten(0, 1)
            gram += flat.T @ flat
            rows += len(flat)
    return Normal(gram / rows, cross / rows)


def length(layers: Iterable[Layer], classes: int) -> int:
    """Return the entries of a message: the largest layer's, and zeros up to what a fast transform takes as it is."""
    return padded_length(max(entries(layer.inputs, classes) for layer in layers))


def entries(inputs: int, classes: int) -> int:
    """Return the entries of G's upper triangle and of B."""
    return inputs * (inputs + 1) // 2 + inputs * classes


def pack(normal: Normal, size: int) -> torch.Tensor:
    """Return the message, shape (size,)."""
    upper = _upper(len(normal.gram), normal.gram.device)
    off_diagonal = sqrt(2) * normal.gram[upper[0], upper[1]]
    parts = torch.cat([normal.gram.diagonal(), off_diagonal, CROSS_SCALE * normal.cross.flatten()])
    return F.pad(parts, (0, size - len(parts)))


def unpack(message: torch.Tensor, inputs: int, classes: int) -> Normal:
    """Return the normal equations of a message, G symmetric."""
    message = message.to(torch.float64)
    pairs = inputs * (inputs - 1) // 2
    diagonal, off_diagonal, cross = message[: entries(inputs, classes)].split([inputs, pairs, inputs * classes])
    upper = _upper(inputs, message.device)
    gram = torch.diag(diagonal)
    gram[upper[0], upper[1]] = off_diagonal / sqrt(2)
    gram[upper[1], upper[0]] = off_diagonal / sqrt(2)
    return Normal(gram, cross.view(inputs, classes) / CROSS_SCALE)


def _upper(inputs: int, device: torch.device) -> torch.Tensor:
    return torch.triu_indices(inputs, inputs, 1, device=device)
