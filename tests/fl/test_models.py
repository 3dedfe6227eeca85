import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fl.models import BLOCKS, Cnn, build, parameter_count

LAYOUTS = torch.contiguous_format, torch.channels_last


@pytest.mark.parametrize(("width", "parameters"), [(32, 28_357), (64, 112_005)])
def test_the_cnn_has_the_parameters_of_the_literature(width, parameters):
    assert parameter_count("cnn", width, 5) == parameters


def test_the_mlp_has_its_layers():
    assert parameter_count("mlp", 0, 10) == 784 * 80 + 80 + 80 * 60 + 60 + 60 * 10 + 10


def reference(theta, images, width, ways):
    """The network as it is drawn: convolution, batch norm, ReLU, then pooling."""
    place, hidden = 0, images
    for block in range(BLOCKS):
        channels = 1 if block == 0 else width
        size = width * channels * 9
        kernel = theta[place : place + size].view(width, channels, 3, 3)
        scale, shift = (
            theta[place + size : place + size + width],
            theta[place + size + width : place + size + 2 * width],
        )
        place += size + 2 * width
        hidden = F.conv2d(hidden, kernel, padding=1)
        mean, var = hidden.mean((0, 2, 3), keepdim=True), hidden.var((0, 2, 3), unbiased=False, keepdim=True)
        hidden = (hidden - mean) / (var + 1e-5).sqrt() * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)
        hidden = F.max_pool2d(F.relu(hidden), 2)
    head = theta[place : place + ways * width].view(ways, width)
    return hidden.flatten(1) @ head.T + theta[-ways:]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_cnn_is_the_network_that_is_drawn(layout):
    model, rng = Cnn(8, 5), np.random.default_rng(0)
    theta = model.init(rng).double() + 0.1 * torch.from_numpy(rng.standard_normal(model.dimension))
    images = torch.from_numpy(rng.random((10, 1, 28, 28)))
    assert torch.allclose(model.logits(theta, images, layout), reference(theta, images, 8, 5), atol=1e-10)


def test_a_first_model_guesses():
    """Loss near ln 5 for the MLP; the CNN's head sees 32 features of order one."""
    rng = np.random.default_rng(0)
    images, labels = torch.from_numpy(rng.random((50, 1, 28, 28), np.float32)), torch.arange(5).repeat(10)
    for kind in ("cnn", "mlp"):
        model = build(kind, 32, 5)
        loss = F.cross_entropy(model.logits(model.init(rng), images, torch.channels_last), labels)
        assert 1.2 < loss < 3.5


def test_init_follows_its_generator():
    model = build("cnn", 32, 5)
    first, again, other = (model.init(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="cnn or mlp"):
        build("transformer", 1, 5)
