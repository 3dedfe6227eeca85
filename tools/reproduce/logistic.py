"""A smooth model in double precision, on which every derivative can be checked: softmax regression on few features."""

from dataclasses import dataclass

import numpy as np
import torch

from fl.data.tensors import Set

FEATURES, CLASSES = 16, 3


@dataclass(frozen=True)
class Logistic:
    """Softmax regression on the first pixels of an image."""

    dimension: int = FEATURES * CLASSES

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return parameters as they are drawn, float64, shape (d,)."""
        return torch.from_numpy(rng.standard_normal(self.dimension) * 0.3)

    def logits(
        self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format | None = None
    ) -> torch.Tensor:
        """Return logits, shape (n, classes)."""
        return images.flatten(1)[:, :FEATURES] @ theta.view(FEATURES, CLASSES)


def data(seed: int, n: int = 12) -> Set:
    """Return n images of noise with labels by chance."""
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(0.6 * rng.standard_normal((n, 1, 28, 28)))
    return images, torch.from_numpy(rng.integers(0, CLASSES, n))
