"""P2, the gradients: B3, B4 and B5 on softmax regression in double precision, where every derivative is smooth."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

from fl.algorithms.meta import MetaLearner, Order, OuterStep
from fl.data.tensors import Set
from fl.gradients import Loss
from tools.reproduce.logistic import CLASSES, FEATURES, Logistic, data
from tools.reproduce.verdict import Mean, Verdict, shown

ALPHA, ETA = 0.5, 0.1
NUS = 1, 2, 3, 5
PROBLEMS = 10
SAME, EXACT, HESSIAN_FREE = 1e-12, 1e-10, 2e-9
REFERENCE = {1: 0.09, 2: 0.18, 3: 0.28, 5: 0.52}
"""Relative error of first order by ν, as the reference measurement has it, on a problem of its own [C]."""


def start(problem: int) -> torch.Tensor:
    """Return a model, shape (d,)."""
    return Logistic().init(np.random.default_rng(problem))


def learner(order: Order) -> MetaLearner:
    """Return the learner that is checked."""
    return MetaLearner(Loss(Logistic()), ALPHA, ETA, order)


def outer_step(nu: int, problem: int = 0, independent: bool = False) -> OuterStep:
    """Return the data of an outer step; Hessians have the inner steps' data or, if independent, data of their own."""
    first = 100 * problem
    inner = [data(first + 10 + index) for index in range(nu)]
    return OuterStep(
        inner, data(first + 1), [data(first + 50 + index) for index in range(nu)] if independent else inner
    )


def meta_loss(theta: torch.Tensor, sets: OuterStep) -> float:
    """Return f(u_ν; D_out), by steps that share nothing with the learner's."""
    for images, labels in sets.inner:
        point = theta.detach().requires_grad_()
        loss = F.cross_entropy(Logistic().logits(point, images), labels)
        theta = theta - ALPHA * torch.autograd.grad(loss, point)[0]
    return float(F.cross_entropy(Logistic().logits(theta, sets.outer[0]), sets.outer[1]))


def numerical_gradient(theta: torch.Tensor, sets: OuterStep, h: float = 1e-3) -> torch.Tensor:
    """Return the gradient of `meta_loss` by Richardson extrapolation of central differences: error O(h⁶)."""
    gradient = torch.zeros_like(theta)
    for index in range(len(theta)):
        estimates = []
        for width in (h, h / 2, h / 4):
            shift = torch.zeros_like(theta)
            shift[index] = width
            estimates.append((meta_loss(theta + shift, sets) - meta_loss(theta - shift, sets)) / (2 * width))
        once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(estimates)]
        gradient[index] = (16 * once[1] - once[0]) / 15
    return gradient


def per_fedavg(theta: torch.Tensor, steps: Sequence[OuterStep]) -> torch.Tensor:
    """Return w after steps of Per-FedAvg, written from its paper with a dense Hessian (Fallah et al., NeurIPS 2020).

    w <- w − β(I − αH(w; D3))∇f(w − α∇f(w; D1); D2)
    """

    def f(w: torch.Tensor, sample: Set) -> torch.Tensor:
        logits = sample[0].flatten(1)[:, :FEATURES] @ w.reshape(FEATURES, CLASSES)
        return torch.nn.functional.nll_loss(torch.log_softmax(logits, -1), sample[1])

    def gradient(w: torch.Tensor, sample: Set) -> torch.Tensor:
        found: torch.Tensor = torch.autograd.functional.jacobian(partial(f, sample=sample), w)
        return found

    w = theta.clone()
    for one in steps:
        adapted = w - ALPHA * gradient(w, one.inner[0])
        outer = gradient(adapted, one.outer)
        hessian = torch.autograd.functional.hessian(partial(f, sample=one.hessian[0]), w)
        w = w - ETA * (torch.eye(len(w), dtype=w.dtype) - ALPHA * hessian) @ outer
    return w


def step_difference(problem: int) -> float:
    """Return the largest difference of two outer steps of ν = 1 to those of Per-FedAvg."""
    steps = [outer_step(1, problem, independent=True), outer_step(1, problem + PROBLEMS, independent=True)]
    theta = start(problem)
    delta, _ = learner("exact").local_update(theta, steps)
    return float((theta - delta - per_fedavg(theta, steps)).abs().max())


def gradients(nu: int, problem: int, order: Order) -> torch.Tensor:
    """Return the learner's meta-gradient, shape (d,)."""
    return learner(order).meta_gradient(start(problem), outer_step(nu, problem))[1]


def first_order_error(nu: int) -> np.ndarray:
    """Return ‖g_first − g‖/‖g‖, shape (problems,)."""
    errors = []
    for problem in range(PROBLEMS):
        exact, first = (gradients(nu, problem, order) for order in ("exact", "first"))
        errors.append(float((first - exact).norm() / exact.norm()))
    return np.array(errors)


def b3() -> Verdict:
    """Return whether one inner step is Per-FedAvg."""
    worst = max(step_difference(problem) for problem in range(PROBLEMS))
    return Verdict(
        "B3",
        "[A] "
        "One inner step is Per-FedAvg. Shown if two outer steps differ from an independently written Per-FedAvg with "
        f"a dense Hessian by at most {SAME:.0e} in every entry, in double precision, on {PROBLEMS} problems.",
        shown(worst <= SAME),
        f"Largest difference {worst:.1e}.",
        "Softmax regression, three independent batches a step, as Per-FedAvg draws them; steps on the networks of B1 "
        "are the same code.",
    )


def b4() -> Verdict:
    """Return whether the gradients are right."""
    exact, free = {}, {}
    for nu in NUS:
        mine = gradients(nu, 0, "exact")
        exact[nu] = float((mine - numerical_gradient(start(0), outer_step(nu))).abs().max())
        free[nu] = float((mine - gradients(nu, 0, "hessian_free")).abs().max())
    return Verdict(
        "B4",
        "[C] "
        f"The exact meta-gradient is the numerical one to {EXACT:.0e}, the Hessian-free one (δ = 1e-3) the exact one "
        f"to {HESSIAN_FREE:.0e}, for ν = 1, 2, 3 and 5 in double precision. Shown if every entry is.",
        shown(max(exact.values()) <= EXACT and max(free.values()) <= HESSIAN_FREE),
        f"Largest error, exact: {_by_nu(exact)}; Hessian-free: {_by_nu(free)}.",
        f"α = {ALPHA}, numerical gradient by Richardson extrapolation. This holds for a smooth loss; where a step of δ "
        "crosses kinks of ReLU or pooling, a difference is not a product with the Hessian, whatever the precision.",
    )


def b5(trained: Sequence[str] = ()) -> Verdict:
    """Return whether leaving the Hessian out costs more with every inner step.

    Args:
        trained: what training with it made of that, a sentence each.
    """
    errors = {nu: first_order_error(nu) for nu in NUS}
    grows = [Mean.of(errors[after] - errors[before]) for before, after in pairwise(NUS)]
    figures = ", ".join(f"{Mean.of(errors[nu]).text(2)} at ν = {nu} (reference {REFERENCE[nu]:.2f})" for nu in NUS)
    return Verdict(
        "B5",
        "[C] "
        "The first-order gradient is the worse, the more inner steps. Shown if its relative error grows from each ν "
        f"of 1, 2, 3, 5 to the next beyond the 95 % interval, paired over {PROBLEMS} problems.",
        shown(all(step.low > 0 for step in grows)),
        f"Relative error of the first-order gradient: {figures}.",
        " ".join(
            [
                f"Softmax regression at α = {ALPHA}; the reference [C] is of another problem. The error is of the "
                "order of ναL, so it is small where α is.",
                *trained,
            ]
        ),
    )


def _by_nu(values: dict[int, float]) -> str:
    return ", ".join(f"{value:.1e} at ν = {nu}" for nu, value in values.items())
