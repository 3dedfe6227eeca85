import pytest
import torch

from fl.server import ServerOptimizer, ServerState

UPDATES = torch.randn(6, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
START = torch.linspace(-1, 1, 40, dtype=torch.float64)


def ours(kind, lr, local_lr=1.0):
    optimizer, state = ServerOptimizer(kind, lr, 0.9, local_lr), ServerState.start(START)
    for update in UPDATES:
        state = optimizer.step(state, update)
    return state


def theirs(optimizer_of, scale=1.0):
    theta = START.clone().requires_grad_()
    optimizer = optimizer_of([theta])
    for update in UPDATES:
        theta.grad = scale * update
        optimizer.step()
    return theta.detach()


@pytest.mark.parametrize(
    ("kind", "lr", "reference"),
    [
        ("sgd", 0.5, lambda p: torch.optim.SGD(p, 0.5)),
        ("momentum", 0.5, lambda p: torch.optim.SGD(p, 0.5, momentum=0.9)),
        ("adam", 0.01, lambda p: torch.optim.Adam(p, 0.01)),
    ],
)
def test_steps_are_those_of_the_textbook(kind, lr, reference):
    assert torch.allclose(ours(kind, lr).theta, theirs(reference), atol=1e-12)


def test_adam_sees_the_gradient_and_not_the_step():
    assert torch.allclose(
        ours("adam", 0.01, local_lr=0.1).theta, theirs(lambda p: torch.optim.Adam(p, 0.01), scale=10.0), atol=1e-12
    )


def test_plain_averaging_subtracts_the_mean_update():
    assert torch.allclose(ours("sgd", 1.0).theta, START - UPDATES.sum(0))
    assert ours("sgd", 1.0).steps == 6
