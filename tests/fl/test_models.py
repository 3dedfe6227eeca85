import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fl.gradients import Loss
from fl.models import BLOCKS, Cnn, Gru, build, parameter_count
from fl.plain_cnn import PlainCnn

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


def text(rng, n=3, length=7, ways=11):
    codes = torch.from_numpy(rng.integers(0, ways, (n, length + 1)))
    return codes[:, :-1].float(), codes[:, 1:]


def test_the_character_model_is_the_recurrent_network_of_the_textbook():
    """Against torch's own GRU with the same weights, in double."""
    model, rng = Gru(6, 11), np.random.default_rng(0)
    theta = model.init(rng).double() + 0.1 * torch.from_numpy(rng.standard_normal(model.dimension))
    codes, _ = text(rng)
    place, parts = 0, []
    for shape in model.shapes:
        size = int(np.prod(shape))
        parts.append(theta[place : place + size].view(shape))
        place += size
    layer = torch.nn.GRU(8, 6, batch_first=True).double()
    with torch.no_grad():
        for own, weight in zip(layer.parameters(), parts[1:5], strict=True):
            own.copy_(weight)
        expected = layer(parts[0][codes.long()])[0] @ parts[5].T + parts[6]
    found = model.logits(theta, codes, torch.contiguous_format)
    assert torch.allclose(found.transpose(1, 2), expected, atol=1e-12)


def test_the_character_model_never_looks_ahead():
    model, rng = Gru(6, 11), np.random.default_rng(0)
    theta, (codes, _) = model.init(rng), text(rng)
    changed = codes.clone()
    changed[:, 4:] = 0
    one, other = (model.logits(theta, inputs, torch.contiguous_format) for inputs in (codes, changed))
    assert torch.equal(one[:, :, :4], other[:, :, :4])
    assert not torch.equal(one[:, :, 4:], other[:, :, 4:])


def test_the_loss_of_text_is_the_mean_over_characters_and_has_all_derivatives():
    """∇f and H·v against differences of f, in double, whose error is of order δ² = 1e-10."""
    model, rng = Gru(5, 11), np.random.default_rng(0)
    loss, data = Loss(model), text(rng)
    theta = model.init(rng).double()
    logits = model.logits(theta, data[0], torch.contiguous_format)
    each = -logits.log_softmax(1).gather(1, data[1][:, None])
    assert torch.allclose(loss.value(theta, data), each.mean())
    vector = torch.from_numpy(rng.standard_normal(model.dimension))
    _, gradient = loss.gradient(theta, data)
    ahead, behind = (loss.value(theta + step * vector, data) for step in (1e-5, -1e-5))
    assert torch.isclose(gradient @ vector, (ahead - behind) / 2e-5, rtol=1e-6)
    exact, difference = loss.hessian_vector(theta, vector, data), loss.hessian_difference(theta, vector, data)
    assert torch.allclose(exact, difference, rtol=1e-3, atol=1e-4 * float(exact.abs().max()))


def test_init_follows_its_generator():
    model = build("cnn", 32, 5)
    first, again, other = (model.init(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.dtype == torch.float32


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="cnn, mlp or gru"):
        build("transformer", 1, 5)


@pytest.mark.parametrize("blocks", [((9, 4),), ((5, 4), (3, 2)), ((3, 3), (5, 2))])
def test_the_blocks_of_plain_cnn_in_double_precision_are_pooled_convolutions(blocks):
    """As one product; 28 is no multiple of 3, and what pooling leaves over has no part in it."""
    network, rng = PlainCnn(4, 3, blocks), np.random.default_rng(1)
    theta = torch.from_numpy(rng.standard_normal(network.dimension))
    expected = images = torch.from_numpy(rng.standard_normal((5, 1, 28, 28)))
    for layer, weight in zip(network.layers, network.weights(theta)[:-1], strict=False):
        filters = weight[:-1].T.reshape(layer.outputs, -1, layer.kernel, layer.kernel)
        expected = F.conv2d(expected, filters, weight[-1], padding=layer.kernel // 2)
        expected = F.max_pool2d(F.relu(expected), layer.pool)
    torch.testing.assert_close(network.hidden(theta, images, len(blocks)), expected, rtol=0, atol=1e-12)
