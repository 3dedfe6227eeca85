import numpy as np
import pytest
import torch

from dsp.sensing import PartialDFT, padded_length
from fl.config import check
from fl.setup import build_uplink
from fl.theory.recovery import expected_nmse_db
from fl.uplink.base import Offer

LENGTH = 8192


@pytest.mark.parametrize(("sparsity", "measurements"), [(0.01, 0.2), (0.02, 0.4)])
def test_the_prediction_from_the_history_meets_what_the_receiver_reached(sparsity, measurements):
    """Away from the transition, to 1 dB. Gaussian entries on a random support: those of top-k have a hole at 0, and are
    recovered better."""
    table = {"sparsity": sparsity, "measurements": measurements, "snr_db": 10.0, "fading": {"kind": "none"}}
    link = build_uplink(check({"model": {"kind": "mlp"}, "uplink": table}), LENGTH)
    rng = np.random.default_rng(2)
    values = rng.standard_normal((10, LENGTH))
    kept = torch.from_numpy(np.where(rng.random(values.shape) < sparsity, values, 0.0))
    delivery = link.deliver(Offer(tuple(range(10)), kept), 0)
    truth = kept.sum(0)
    measured = 10 * np.log10(float(((delivery.total - truth) ** 2).sum() / (truth**2).sum()))
    ratio = 2 * PartialDFT(LENGTH, round(measurements * LENGTH), 0).n_symbols / padded_length(LENGTH)
    union = float((kept != 0).any(0).double().mean())
    assert abs(expected_nmse_db(union, ratio, delivery.oracle_symbol_nmse_db) - measured) < 1.0


def test_a_full_measurement_of_a_dense_sum_is_a_wiener_filter():
    assert expected_nmse_db(1.0, 1.0, 0.0) == pytest.approx(10 * np.log10(0.5), abs=0.01)


def test_a_wider_union_is_recovered_worse():
    found = [expected_nmse_db(union, 0.8, -20.0) for union in (0.1, 0.3, 0.6, 1.0)]
    assert found == sorted(found)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="union_support must be in"):
        expected_nmse_db(0.0, 0.8, -20.0)
    with pytest.raises(ValueError, match="symbol_nmse_db must be finite"):
        expected_nmse_db(0.1, 0.8, float("-inf"))
