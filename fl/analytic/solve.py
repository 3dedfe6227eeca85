"""A layer's weights from the sums that the server has received, which may carry noise.

    W = (Ĝ₊ + γI)⁻¹ B̂ Q,   Ĝ₊: negative eigenvalues of Ĝ set to 0,   γ = ridge·mean(G_ii) + κ·√(p·v/2)

v is the variance of the error on an entry of the message, as the receiver predicts it: v/2 on an entry of Ĝ beside the
diagonal, so by Wigner's law the eigenvalues of the error have the standard deviation √(p·v/2), the noise scale, and lie
within twice that. κ = 1 is the noise scale; κ = 2 keeps Ĝ + γI definite against any error within the bound, and was
less accurate on MNIST than .6 above the threshold. That γ is at least the noise scale, and the scale, are our
reconstruction of how the sums of FedACnnL can be had over the air.

Blocks are solved for encoded labels, W = (…)⁻¹ B Q_l, and their columns scaled to unit mean square before the ReLU,
wᵀGw = 1, so that features and the column of ones are of one size; the head has Q = I and is left as it is.
"""

from dataclasses import dataclass
from math import sqrt

import torch

from fl.analytic.statistics import Normal

TINY = 1e-12
"""Of the largest eigenvalue, below which a Gram matrix is singular in float64."""


class SingularGramError(ValueError):
    """Normal equations without one solution."""


@dataclass(frozen=True)
class Regularisation:
    """What is added to a Gram matrix before it is inverted.

    Args:
        ridge: γ without noise, over the mean of the diagonal.
        noise_ridge: κ, γ for noise, over the standard deviation of the eigenvalues of noise alone.
        clip: whether negative eigenvalues are set to 0 first.
    """

    ridge: float
    noise_ridge: float = 1.0
    clip: bool = True

    def invert(self, normal: Normal, error_var: float) -> torch.Tensor:
        """Return (Ĝ₊ + γI)⁻¹ B̂, float64, shape (inputs, classes).

        Args:
            normal: Ĝ and B̂.
            error_var: v, as the receiver predicts it; 0: the sums are exact.

        Raises:
            SingularGramError: there is no γ and G has not full rank.
        """
        values, vectors = torch.linalg.eigh(normal.gram)
        if self.clip:
            values = values.clamp(min=0)
        values = values + self.gamma(normal, error_var)
        smallest, largest = values.abs().min(), values.abs().max()
        if float(smallest) <= TINY * float(largest):
            rank = int((values.abs() > TINY * largest).sum())
            raise SingularGramError(
                f"algorithm.ridge: a Gram matrix of {len(values)} features has rank {rank} and no inverse, got "
                f"{self.ridge:g}; set algorithm.ridge = 1e-5"
            )
        return vectors @ ((vectors.T @ normal.cross) / values[:, None])

    def gamma(self, normal: Normal, error_var: float) -> float:
        """Return γ."""
        noise_scale = sqrt(len(normal.gram) * error_var / 2)
        return self.ridge * max(float(normal.gram.diagonal().mean()), 0.0) + self.noise_ridge * noise_scale


def encoded(weight: torch.Tensor, encoding: torch.Tensor, gram: torch.Tensor) -> torch.Tensor:
    """Return the weights of a block, columns scaled to wᵀGw = 1 where that is positive.

    Args:
        weight: (G + γI)⁻¹B, shape (inputs, classes).
        encoding: Q_l, shape (classes, outputs).
        gram: G, shape (inputs, inputs).
    """
    turned = weight @ encoding
    power = (turned * (gram @ turned)).sum(0)
    return turned / torch.where(power > 0, power, torch.ones_like(power)).sqrt()
