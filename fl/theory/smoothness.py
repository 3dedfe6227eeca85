"""How smooth the objective of ν-step meta-learning is, F_i(w) = f_i(w^ν), w^l = w^{l−1} − α∇f_i(w^{l−1}) (P2).

    L_F(ν) = L(1+αL)^{2ν} + (ρB/L)(1+αL)^{ν−1}((1+αL)^ν − 1)

for f_i with L-Lipschitz gradient, ρ-Lipschitz Hessian and ‖∇f_i‖ <= B [R]; docs/theory.md has the derivation. At ν = 1
it is L(1+αL)² + αρB, which for α <= 1/L is at most 4L + αρB, the form of Per-FedAvg (Fallah, Mokhtari, Ozdaglar,
NeurIPS 2020). For functions of one data set; a mean of F_i has at most the mean of their constants.
"""


def meta_smoothness(nu: int, inner_lr: float, smoothness: float, hessian_lipschitz: float, gradient: float) -> float:
    """Return L_F(ν), a Lipschitz constant of ∇F_i.

    Args:
        nu: ν, inner steps; 0 is the loss itself.
        inner_lr: α.
        smoothness: L of the loss, positive.
        hessian_lipschitz: ρ of the loss.
        gradient: B, the largest norm of its gradient.

    Raises:
        ValueError: L is not positive, or another argument is negative.
    """
    if not smoothness > 0:
        raise ValueError(f"smoothness must be positive, got {smoothness}")
    if min(nu, inner_lr, hessian_lipschitz, gradient) < 0:
        raise ValueError("nu, inner_lr, hessian_lipschitz and gradient must not be negative")
    if nu == 0:
        return smoothness
    growth = 1 + inner_lr * smoothness
    curvature = hessian_lipschitz * gradient / smoothness * growth ** (nu - 1) * (growth**nu - 1)
    return float(smoothness * growth ** (2 * nu) + curvature)


def meta_gradient_limit(nu: int, inner_lr: float, smoothness: float, gradient: float) -> float:
    """Return (1+αL)^ν·B, the largest norm of ∇F_i = Π_l(I − αH(w^l))·∇f_i(w^ν)."""
    return float((1 + inner_lr * smoothness) ** nu * gradient)
