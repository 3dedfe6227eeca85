"""A model that costs nothing to learn: logistic regression on means of 7 x 7 pixels, d = 17 parameters a class.

Everything else of an experiment is as its configuration says, so that a thousand agents in one process do all that an
agent does, and what takes time is not the learning.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from fl.algorithms.table import ALGORITHMS
from fl.config import Config
from fl.data.base import SIDE
from fl.gradients import Loss
from fl.learning import Learning, learning

AREA = 7  # pixels
INPUTS = (SIDE // AREA) ** 2


class Coarse:
    """Logistic regression on a picture of 4 x 4 means.

    Args:
        ways: classes.
    """

    def __init__(self, ways: int) -> None:
        self.ways = ways
        self.dimension = ways * (INPUTS + 1)

    def init(self, rng: np.random.Generator) -> torch.Tensor:
        """Return θ: normal weights of variance 1/16, zero biases; shape (d,)."""
        weights = rng.standard_normal((self.ways, INPUTS)) / np.sqrt(INPUTS)
        return torch.from_numpy(np.concatenate([weights.ravel(), np.zeros(self.ways)]).astype(np.float32))

    def logits(self, theta: torch.Tensor, images: torch.Tensor, layout: torch.memory_format) -> torch.Tensor:
        """Return the logits (n, ways) of images (n, 1, 28, 28); the layout has no meaning here."""
        weights, biases = theta.split([self.ways * INPUTS, self.ways])
        return F.avg_pool2d(images, AREA).flatten(1) @ weights.view(self.ways, INPUTS).T + biases


def small_learning(config: Config, cache: Path) -> Learning:
    """Return what an experiment learns, with this model in the place of its own.

    Args:
        config: of the experiment.
        cache: folder of the data caches.

    Raises:
        DataError: its images are missing or damaged.
    """
    model = Coarse(config.task.ways)
    learner = ALGORITHMS[config.algorithm.kind].build(config, Loss(model))
    return replace(learning(config, cache), model=model, learner=learner)
