"""Groups of agents whose labels are distributed alike, and who belongs to which.

Groups of similar agents are of pFedACnnL (Gu, You, Guo, Qu, Ren, Xie, Luo, arXiv 2502.06915) [T]; what is similar, and
how groups are found, is our reconstruction [R].

k-means on label histograms p_i (fractions, so that an agent's size has no weight), with the farthest agents as first
centres, so that there is nothing to draw. An agent needs its own histogram and the centres to find its group, a new
agent as well. Histograms are C numbers an agent: they are known to the server before the first round and are not sent
over the air.
"""

import numpy as np

ROUNDS = 100


def centres(counts: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the mean histogram of each group, shape (n_groups, classes).

    Args:
        counts: samples of each class that an agent trains on, shape (agents, classes).
        n_groups: at most the agents.

    Raises:
        ValueError: agents have fewer histograms that differ than there are groups.
    """
    shares = counts / counts.sum(1, keepdims=True)
    if len(np.unique(shares, axis=0)) < n_groups:
        raise ValueError(f"{n_groups} groups need as many label histograms, got {len(np.unique(shares, axis=0))}")
    found = shares[[int(np.argmax(((shares - shares.mean(0)) ** 2).sum(1)))]]
    while len(found) < n_groups:
        found = np.vstack([found, shares[np.argmax(_distances(shares, found).min(1))]])
    for _ in range(ROUNDS):
        member = _distances(shares, found).argmin(1)
        moved = np.stack([shares[member == k].mean(0) if (member == k).any() else found[k] for k in range(n_groups)])
        if np.array_equal(moved, found):
            break
        found = moved
    return found


def group_of(counts: np.ndarray, found: np.ndarray) -> int:
    """Return the group whose centre is nearest to an agent's histogram; counts have shape (classes,)."""
    return int(_distances((counts / counts.sum())[None], found).argmin())


def _distances(shares: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.asarray(((shares[:, None] - found[None]) ** 2).sum(-1))
