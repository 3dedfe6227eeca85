"""How far the loss on new tasks can be from that on the tasks of training, by what was learned from these.

    |gen| <= √(2σ_ℓ²·I(θ_T; D)/n)        (Xu, Raginsky, NIPS 2017) [T]

With I from `fl.theory.information` it says that noise and fewer channel uses shrink the bound, our reconstruction [R]
of the kind of statement that P1 makes [A]. At the sizes of an experiment it is vacuous [C], by orders of magnitude.

It is rigorous when

* n counts what is drawn independently from one law, for training and for new agents alike. Classes (with all their
  images) may be taken as that; an episode needs `ways` of them, so its loss is a U-statistic over the classes of an
  agent, and by Hoeffding's argument (a mean over arrangements into blocks that share no class) each agent contributes
  ⌊classes/ways⌋. Agents that share a class are not independent of each other: they are put into groups within which
  nobody shares one, the bound holds for each group, and its mean over C groups has C times fewer tasks at the most
  (Janson 2004): `independent_tasks`. Classes counted one by one, 964 of Omniglot, give a bound smaller by √ways that is
  a figure of speech. New agents of Omniglot write *other alphabets*: a change of law that no such bound covers;
* the loss of a task is σ_ℓ-sub-Gaussian for every model. Cross-entropy is unbounded, so this is an assumption about it;
  a loss cut to [0, B] has σ_ℓ = B/2 by Hoeffding's lemma, and 0-1 loss, that is accuracy, σ_ℓ = 1/2;
* the gap is that of the mean over draws of everything; the gap of one run scatters about it.
"""

from collections.abc import Sequence
from fractions import Fraction

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


def independent_tasks(classes: Sequence[np.ndarray], ways: int) -> int:
    """Return n of a loss that is the mean over the training agents, from below.

        n = ⌊m²/(C·Σ_i 1/k_i)⌋,  k_i = ⌊classes of agent i / ways⌋

    of m agents with an episode, in C groups within which no two share a class. It is Σ_i k_i where all have as many
    classes and none in common, and k where all have the same k·ways ones.

    Args:
        classes: of each agent.
        ways: classes of an episode.
    """
    able = [np.unique(one) for one in classes if len(one) >= ways]
    if not able:
        return 0
    blocks = sum(Fraction(1, len(one) // ways) for one in able)
    return int(len(able) ** 2 / (blocks * disjoint_groups(able)))


def disjoint_groups(classes: Sequence[np.ndarray]) -> int:
    """Return a number of groups into which agents can be put so that no two of a group share a class.

    Those who share with most others choose first, and take the first group that has room; fewer groups may do.
    """
    _, which = np.unique(np.concatenate(classes), return_inverse=True)
    held = np.zeros((len(classes), which.max() + 1), np.float32)
    held[np.repeat(np.arange(len(classes)), [len(one) for one in classes]), which] = 1
    shares = held @ held.T > 0
    np.fill_diagonal(shares, False)
    groups = np.full(len(classes), -1)
    for agent in np.argsort(-shares.sum(1), kind="stable"):
        taken = set(groups[shares[agent]].tolist())
        groups[agent] = next(group for group in range(len(classes)) if group not in taken)
    return int(groups.max()) + 1


def bounded_sigma(ceiling: float) -> float:
    """Return σ_ℓ = B/2 of a loss in [0, B] (Hoeffding's lemma)."""
    return ceiling / 2


def is_vacuous(bound: float, sigma: float) -> bool:
    """Return whether a bound says nothing: a loss in [0, 2σ_ℓ] never has a gap beyond 2σ_ℓ."""
    return bound >= 2 * sigma
