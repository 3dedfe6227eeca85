import numpy as np
import pytest
import torch

from fl.gradients import Loss, side_by_side
from fl.models import Cnn, Mlp

MODEL = Cnn(8, 5)
RNG = np.random.default_rng(0)
THETA = MODEL.init(RNG)
DATA = torch.from_numpy(RNG.random((10, 1, 28, 28), np.float32)), torch.arange(5).repeat_interleave(2)


def test_the_gradient_predicts_a_small_step():
    loss, theta, data = Loss(MODEL), THETA.double(), (DATA[0].double(), DATA[1])
    value, gradient = loss.gradient(theta, data)
    moved = float(loss.value(theta - 1e-7 * gradient, data))
    assert np.isclose((float(value) - moved) / 1e-7, float(gradient @ gradient), rtol=1e-3)


def test_a_hessian_product_is_linear_and_symmetric():
    loss, theta, data = Loss(MODEL), THETA.double(), (DATA[0].double(), DATA[1])
    a, b = torch.from_numpy(RNG.standard_normal((2, MODEL.dimension)))
    product_a, product_b = loss.hessian_vector(theta, a, data), loss.hessian_vector(theta, b, data)
    assert np.isclose(float(product_a @ b), float(product_b @ a), rtol=1e-8)
    assert torch.allclose(loss.hessian_vector(theta, 2 * a + b, data), 2 * product_a + product_b)


def test_brain_floats_are_close_for_the_gradient_and_the_exact_product():
    """bfloat16 has eight bits: relative errors of some per cent, and the direction is kept."""
    wide, narrow = Loss(MODEL), Loss(MODEL, torch.bfloat16)
    exact, rough = wide.gradient(THETA, DATA)[1], narrow.gradient(THETA, DATA)[1]
    assert rough.dtype == torch.float32
    assert torch.cosine_similarity(exact, rough, dim=0) > 0.9


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(threads):
    assert side_by_side(lambda item: item * item, list(range(20)), threads) == [item * item for item in range(20)]


def test_an_error_in_one_item_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda item: 1 // item, [1, 0], 2)


def test_threads_do_not_change_a_single_bit():
    work = [DATA] * 4
    alone = [Loss(MODEL).gradient(THETA, item)[1] for item in work]
    torch.set_num_threads(2)
    together = side_by_side(lambda item: Loss(MODEL).gradient(THETA, item)[1], work, 2)
    assert all(torch.equal(together[0], other) for other in together)
    assert torch.allclose(together[0], alone[0], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_images", [1, 10, 40, 300])
def test_the_gradient_that_is_written_out_has_the_bits_of_autograd(n_images, dtype):
    model = Mlp(5)
    theta = model.init(RNG).to(dtype)
    images, labels = torch.rand(n_images, 1, 28, 28, dtype=dtype), torch.randint(0, 5, (n_images,))
    point = theta.clone().requires_grad_()
    value = Loss(model).value(point, (images, labels))
    (expected,) = torch.autograd.grad(value, point)
    found, gradient = Loss(model).gradient(theta, (images, labels))
    assert torch.equal(found, value.detach())
    assert torch.equal(gradient, expected)
