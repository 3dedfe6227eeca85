import numpy as np
import pytest
import torch

from fl.config import check
from fl.theory.aggregation import ideal_limit, mean_deviation

LENGTH = 3000  # its own padded length


def config(**keys):
    return check({"model": {"kind": "mlp"}, "uplink": ideal_limit() | keys})


def updates(dtype):
    return torch.from_numpy(np.random.default_rng(0).standard_normal((10, LENGTH))).to(dtype)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_in_the_ideal_limit_the_step_is_the_plain_mean(dtype, limit):
    assert mean_deviation(config(), updates(dtype)) < limit


@pytest.mark.parametrize(
    ("keys", "at_least"),
    [
        ({"snr_db": 10.0}, 0.05),
        ({"sparsity": 0.04}, 0.5),
        ({"measurements": 0.2}, 0.5),
        ({"fading": {"kind": "rayleigh"}, "power_rule": "phase_only"}, 0.05),
    ],
)
def test_each_departure_from_the_limit_is_measured(keys, at_least):
    assert mean_deviation(config(**keys), updates(torch.float32)) > at_least


def test_noise_moves_the_mean_by_its_own_share():
    """σ²/ρ over the power of the sum of ten updates of unit power: NMSE 1/(10·SNR), over 3000 entries to 13 %."""
    found = mean_deviation(config(snr_db=20.0, receiver="lmmse"), updates(torch.float64)) ** 2
    assert found == pytest.approx(1e-3, rel=0.2)


def test_a_round_in_which_nobody_is_heard_moves_it_by_all():
    """One agent, silent while |h|² < 1, that is in 63 % of the rounds."""
    faded = config(snr_db=200.0, min_headroom_db=200.0, fading={"kind": "rayleigh"})
    found = [mean_deviation(faded, updates(torch.float32)[:1], index) for index in range(20)]
    assert all(value == 1.0 or value < 1e-5 for value in found)
    assert 0 < found.count(1.0) < 20


def test_an_uplink_that_tells_only_a_direction_is_refused():
    vote = check({"model": {"kind": "mlp"}, "server": {"lr": 0.001}, "uplink": {"kind": "one_bit"}})
    with pytest.raises(ValueError, match="delivers a direction"):
        mean_deviation(vote, updates(torch.float32))
