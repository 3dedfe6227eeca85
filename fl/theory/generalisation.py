"""How far the loss on new tasks can be from that on the tasks of training, by what was learned from these.

    |gen| <= √(2σ_ℓ²·I(θ_T; D)/n)        (Xu, Raginsky, NIPS 2017) [T]

With I from `fl.theory.information` it says that noise and fewer channel uses shrink the bound, our reconstruction [R]
of the kind of statement that P1 makes [A]. At the sizes of an experiment it is vacuous [C], by orders of magnitude.

It is rigorous when

* n counts what is drawn independently from one law, for training and for new agents alike. Classes (with all their
  images) may be taken as that; an episode needs `ways` of them, so its loss is a U-statistic over the classes of an
  agent, and by Hoeffding's argument (a mean over arrangements into blocks that share no class) each agent contributes
  ⌊classes/ways⌋: `independent_tasks`. Classes counted one by one, 964 of Omniglot, give a bound smaller by √ways that
  is a figure of speech. New agents of Omniglot write *other alphabets*: a change of law that no such bound covers;
* the loss of a task is σ_ℓ-sub-Gaussian for every model. Cross-entropy is unbounded, so this is an assumption about it;
  a loss cut to [0, B] has σ_ℓ = B/2 by Hoeffding's lemma, and 0-1 loss, that is accuracy, σ_ℓ = 1/2;
* the gap is that of the mean over draws of everything; the gap of one run scatters about it.
"""

from collections.abc import Iterable

import numpy as np


def generalisation_bound(information: np.ndarray | float, n_tasks: int, sigma: float = 1.0) -> np.ndarray:
    """Return √(2σ_ℓ²·I/n), an upper limit of |loss on new tasks − loss on those of training|, in units of the loss.

    Args:
        information: I, nats, any shape.
        n_tasks: n, independent tasks of training.
        sigma: σ_ℓ of the loss of a task.

    Raises:
        ValueError: there are no tasks, σ_ℓ is not positive, or I is negative.
    """
    if n_tasks < 1:
        raise ValueError(f"n_tasks must be at least 1, got {n_tasks}")
    if not sigma > 0:
        raise ValueError(f"sigma must be positive, got {sigma}")
    nats = np.asarray(information, float)
    if not (nats >= 0).all():
        raise ValueError("information must not be negative, nor NaN")
    return sigma * np.sqrt(2 * nats / n_tasks)


def independent_tasks(classes_per_agent: Iterable[int], ways: int) -> int:
    """Return Σ_i ⌊classes of agent i / ways⌋, how many episodes that share no class the training agents have.

    Args:
        classes_per_agent: of agents of which no two share a class.
        ways: classes of an episode.
    """
    return sum(classes // ways for classes in classes_per_agent)


def bounded_sigma(ceiling: float) -> float:
    """Return σ_ℓ = B/2 of a loss in [0, B] (Hoeffding's lemma)."""
    return ceiling / 2


def is_vacuous(bound: float, sigma: float) -> bool:
    """Return whether a bound says nothing: a loss in [0, 2σ_ℓ] never has a gap beyond 2σ_ℓ."""
    return bound >= 2 * sigma
