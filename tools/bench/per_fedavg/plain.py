"""Per-FedAvg in the plain way of personalised-FL libraries, to measure ours against: part of a bench, of nothing else.

Written for this bench after what such libraries have in common, and after the code of none: a torch module and a
DataLoader for every client, clients one after the other, and in first order

    w̃ = w − α∇f(w; first half of a batch);   w <- w − β∇f(w̃; second half),   then the mean of the clients' parameters

What costs libraries more than that is left out: deep copies of models, data read again in every round, evaluation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils.data import DataLoader, TensorDataset

from fl.data.base import SIDE
from fl.data.tensors import Set
from fl.learning_config import Model
from fl.models import BLOCKS, MLP_HIDDEN


@dataclass(frozen=True)
class PlainPerFedAvg:
    """Clients and what they do in a round.

    Args:
        modules: a model of each client.
        loaders: its batches, for both halves of a step.
        first_half: samples of a batch for the inner step.
        inner_lr: α.
        outer_lr: β.
        steps: of a client in a round.
    """

    modules: Sequence[nn.Module]
    loaders: Sequence[DataLoader]
    first_half: int
    inner_lr: float
    outer_lr: float
    steps: int

    def play(self, theta: torch.Tensor, scheduled: Sequence[int]) -> torch.Tensor:
        """Return the mean parameters after a round of the scheduled clients, shape (d,)."""
        total = torch.zeros_like(theta)
        for client in scheduled:
            vector_to_parameters(theta.clone(), self.modules[client].parameters())
            for batch in islice(_again_and_again(self.loaders[client]), self.steps):
                self.step(self.modules[client], batch)
            total += parameters_to_vector(self.modules[client].parameters()).detach()
        return total / len(scheduled)

    def step(self, module: nn.Module, batch: Set) -> None:
        """Take one step of a client in place."""
        images, labels = batch
        parameters = list(module.parameters())
        before = [parameter.detach().clone() for parameter in parameters]
        _differentiate(module, images[: self.first_half], labels[: self.first_half])
        _descend(parameters, self.inner_lr)
        _differentiate(module, images[self.first_half :], labels[self.first_half :])
        for parameter, old in zip(parameters, before, strict=True):
            parameter.data.copy_(old)
        _descend(parameters, self.outer_lr)


def loader_of(samples: Set, batch_size: int, seed: int) -> DataLoader:
    """Return the shuffled whole batches of a client."""
    drawn = torch.Generator().manual_seed(seed)
    return DataLoader(TensorDataset(*samples), batch_size, shuffle=True, drop_last=True, generator=drawn)


def module_of(about: Model, ways: int) -> nn.Module:
    """Return a module with the layers of the mlp or the cnn, whose parameters have the order of the flat vector."""
    if about.kind == "mlp":
        sizes = SIDE * SIDE, *MLP_HIDDEN, ways
        layers = [layer for fan_in, fan_out in pairwise(sizes) for layer in (nn.Linear(fan_in, fan_out), nn.ELU())]
        return nn.Sequential(nn.Flatten(), *layers[:-1])
    blocks: list[nn.Module] = []
    for block in range(BLOCKS):
        convolution = nn.Conv2d(about.width if block else 1, about.width, 3, padding=1, bias=False)
        normal = nn.BatchNorm2d(about.width, track_running_stats=False)
        blocks += [convolution, normal, nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*blocks, nn.Flatten(), nn.Linear(about.width, ways))


def _again_and_again(loader: DataLoader) -> Iterator[Set]:
    while True:
        yield from loader


def _differentiate(module: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    module.zero_grad()
    nn.functional.cross_entropy(module(images), labels).backward()


def _descend(parameters: Sequence[nn.Parameter], rate: float) -> None:
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.data.add_(parameter.grad, alpha=-rate)
