"""A small data set and network whose layers can be solved in one place, too, by other means."""

import numpy as np
import torch
import torch.nn.functional as F

from fl.algorithms.analytic import ClosedForm
from fl.analytic.server import AnalyticServer
from fl.analytic.solve import Regularisation
from fl.data.base import Dataset
from fl.data.samples import LocalSamples
from fl.gradients import Loss
from fl.plain_cnn import PlainCnn
from fl.server import ServerState
from tools.reproduce.p4_central import central as in_one_place

WAYS, IMAGES, RIDGE = 3, 60, 1e-3
NETWORK = PlainCnn(4, WAYS, ((5, 4), (3, 2)))
LAYERS = len(NETWORK.layers)
EXPERIMENT = {
    "rounds": 2,
    "run": {"threads": 1},
    "agents": {"count": 4},
    "task": {"dataset": "glyphs", "ways": 3, "shots": 2, "queries": 2},
    "model": {"kind": "plain_cnn", "width": 4},
    "algorithm": {"kind": "analytic"},
    "uplink": {"kind": "ideal"},
    "evaluation": {"every": 2, "tasks": 2, "steps": 1, "queries": 2},
}
"""Closed-form training as a configuration, of few agents with little data."""


def dataset(seed=0, images=IMAGES):
    """Noise, of another brightness in each class."""
    rng = np.random.default_rng(seed)
    bounds = np.linspace(0, images, WAYS + 1).astype(int)
    pixels = np.concatenate(
        [rng.integers(0, 80 * (c + 1), (bounds[c + 1] - bounds[c], 28, 28)) for c in range(WAYS)]
    ).astype(np.uint8)
    classes = tuple(np.arange(bounds[c], bounds[c + 1]) for c in range(WAYS))
    return Dataset("noise", pixels, classes, np.arange(WAYS), np.arange(0))


def learner(batch_size=IMAGES, centres=None, adaptive=False):
    alike = np.full((1, WAYS), 1 / WAYS)
    return ClosedForm(Loss(NETWORK), NETWORK, WAYS, batch_size, adaptive, alike if centres is None else centres)


def server(groups=1, ridge=RIDGE, seed=1, **others):
    return AnalyticServer(NETWORK, WAYS, groups, Regularisation(ridge, **others), seed)


def federated(data, dealt, batch_size=IMAGES, centres=None, rounds=LAYERS, adaptive=False):
    """Return θ of agents with these samples, each with the weight of its number of samples."""
    agents, step = learner(batch_size, centres, adaptive), server(1 if centres is None else len(centres))
    groups = step.groups
    state = ServerState.start(torch.zeros(groups * NETWORK.dimension, dtype=torch.float64))
    for index in range(rounds):
        rng = np.random.default_rng(index)
        drawn = [agents.draw(LocalSamples(data, samples, "cpu"), index, rng) for samples in dealt]
        messages, _ = agents.local_updates(state.theta, drawn, 1)
        sizes = torch.tensor([len(samples) for samples in dealt], dtype=torch.float64)
        state = step.step(state, (sizes[:, None] * messages).sum(0) / sizes.sum(), index)
    return state.theta


def central(data, samples=None, seed=1):
    """Return the weights of every layer by least squares on all rows at once."""
    samples = np.arange(len(data.images)) if samples is None else samples
    images = torch.from_numpy(data.images[samples] / np.float32(255)).double()[:, None]
    labels = F.one_hot(torch.from_numpy(data.labels[samples]), WAYS)
    return in_one_place(NETWORK, images, labels, RIDGE, server(seed=seed).encoding)
