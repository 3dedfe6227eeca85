"""An agent's own head: near the group's, and as near as its own data say.

    W = argmin ‖XW − Y‖² + λ‖W − W_g‖² = (XᵀX + λI)⁻¹(XᵀY + λW_g) = W_g + Xᵀ(XXᵀ + λI)⁻¹(Y − XW_g)

λ is the one of a grid with the least error on held-out data: each sample in turn, from one eigendecomposition of XXᵀ,

    e_i = [(K + λI)⁻¹R]_i / [(K + λI)⁻¹]_ii,   K = XXᵀ,  R = Y − XW_g

and λ = ∞, the group's head itself, is in the grid: an agent with too few samples to do better keeps it. The
objective is that of pFedACnnL (Gu, You, Guo, Qu, Ren, Xie, Luo, arXiv 2502.06915) in our reconstruction; holding out
one sample at a time is ours, and so is that only the head is the agent's own.
"""

import torch

GRID = torch.logspace(-3, 5, 33, dtype=torch.float64)
"""λ over the mean of K's diagonal."""


def personal_head(features: torch.Tensor, targets: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
    """Return W, shape (inputs, classes).

    Args:
        features: X, ones in the last column, float64, shape (n, inputs).
        targets: Y, one-hot, shape (n, classes).
        shared: W_g, shape (inputs, classes).
    """
    residual = targets - features @ shared
    kernel = features @ features.T
    values, vectors = torch.linalg.eigh(kernel)
    scale = kernel.diagonal().mean()
    best, chosen = residual.square().sum(), torch.zeros_like(residual)
    turned = vectors.T @ residual
    for relative in GRID:
        inverse = 1 / (values.clamp(min=0) + relative * scale)
        dual = vectors @ (inverse[:, None] * turned)
        leverage = (vectors.square() * inverse).sum(1)
        error = (dual / leverage[:, None]).square().sum()
        if error < best:
            best, chosen = error, dual
    return shared + features.T @ chosen
