"""Benches run and report what they measure; their figures are not tested here."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss
from fl.models import Cnn
from tools.bench.group import command
from tools.bench.local import INNER_LR, plain_meta_gradient
from tools.bench.oamp import problem


@pytest.mark.parametrize("order", ["exact", "first"])
def test_the_plain_loop_computes_what_is_measured_against_it(order):
    model, rng = Cnn(8, 5), np.random.default_rng(0)
    theta = model.init(rng).double()
    sets = [(torch.from_numpy(rng.random((10, 1, 28, 28))), torch.arange(5).repeat(2)) for _ in range(3)]
    step = OuterStep(sets[:1], sets[1], sets[2:])
    ours = MetaLearner(Loss(model), INNER_LR, 0.1, order).meta_gradient(theta, step)[1]
    assert torch.allclose(plain_meta_gradient(model, theta, step, order), ours, atol=1e-9)


def test_the_round_bench_reports_stages_and_memory(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text('[model]\nkind = "mlp"\n[agents]\ncount = 3\n')
    arguments = ["round", str(config), "--rounds", "3", "--json", "--cache", str(tmp_path)]
    result = json.loads(CliRunner().invoke(command, arguments).stdout)
    assert {"local", "link_and_server", "residuals_to_disk", "link_share", "peak_mib"} <= set(result)
    assert 0 < result["link_share"] < 1


def test_the_table_is_measured_at_the_snr_it_says():
    """3,277 symbols: five standard errors of the noise power are 9 %, 0.4 dB."""
    x, sensing, received, _, support = problem(10, 0.04, 0.4, 10, 0)
    clean = sensing.forward(x)
    measured = 10 * np.log10((np.abs(clean) ** 2).mean() / (np.abs(received - clean) ** 2).mean())
    assert abs(measured - 10) < 0.4
    assert abs(support - 0.334) < 0.02
