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


def constants(images: torch.Tensor) -> tuple[float, float, float]:
    """Return L, ρ and B of the mean cross-entropy over these images, whatever their labels.

    The gradient of a sample is x ⊗ (p − y), ‖p − y‖ <= √2; the Hessian xxᵀ ⊗ (diag p − ppᵀ), the second factor at most
    ½; the third derivative in directions u, u, v a covariance of the classes' u² and v, at most √2·½.

    Args:
        images: shape (n, 1, 28, 28).
    """
    x = images.flatten(1)[:, :FEATURES].numpy()
    norms = np.linalg.norm(x, axis=1)
    smoothness = 0.5 * np.linalg.eigvalsh(x.T @ x / len(x)).max()
    return float(smoothness), float(np.sqrt(0.5) * np.mean(norms**3)), float(np.sqrt(2) * np.mean(norms))
