"""Reptile: K steps of SGD on one task, then a part of the way towards where they led.

    Δ_i = θ − SGD_K(θ; task of agent i);  θ <- θ − ε·(1/n)Σ Δ_i,  ε = server.lr

Nichol, Achiam, Schulman, arXiv 1803.02999. The local work is that of federated averaging with as many steps for every
agent (P3: Jiang, Konečný, Rush, Kannan, arXiv 1909.12488), and so is the code. What differs is what it is for: a start
from which K steps lead far. P3 takes Adam for the server's step, `server.optimizer = adam`.
"""

from typing import TYPE_CHECKING

from fl.algorithms.base import Kind
from fl.algorithms.fedavg import LocalSgd, batch_conflicts
from fl.gradients import Loss

if TYPE_CHECKING:
    from fl.config import Config


def _build(config: "Config", loss: Loss) -> LocalSgd:
    keys = config.algorithm
    return LocalSgd(loss, keys.local_lr, keys.batch_size, keys.local_steps)


KIND = Kind(_build, frozenset({"local_steps", "local_lr", "batch_size"}), batch_conflicts)
