"""Closed-form training as an experiment: over the air, without a gradient, and what is refused."""

import numpy as np
import pytest
import torch

from fl import checkpoint
from fl.algorithms.table import ALGORITHMS
from fl.config import ConfigError, check
from fl.dimension import dimension, message_length
from fl.experiment import run
from fl.run_folder import RunFolder
from fl.setup import assemble, unopened
from tests.fl.analytic.world import EXPERIMENT as BASE

DENSE = {"kind": "symbol", "sparsity": 1.0, "measurements": 0.5, "receiver": "lmmse", "memory": False}


def raw(**tables):
    return BASE | {name: BASE.get(name, {}) | values for name, values in tables.items()}


def trained(folder, cache, config):
    folder = RunFolder(folder)
    assert run(config, folder, cache, resume=False, observe=lambda *_: False)
    return checkpoint.load(folder.path).state.theta


def test_no_gradient_is_computed_in_a_whole_run(tmp_path, cache, monkeypatch):
    """D5: whatever of autograd is called fails, from the first round to the evaluation of agents' own models."""

    def forbidden(*_, **__):
        raise AssertionError("a gradient")

    for place, name in (
        (torch.autograd, "grad"), (torch.autograd, "backward"), (torch.Tensor, "backward"),
        (torch.Tensor, "requires_grad_"),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, forbidden)
    theta = trained(tmp_path / "run", cache, check(raw(uplink=DENSE)))
    assert theta.any()
    assert not theta.requires_grad
    with pytest.raises(AssertionError, match="a gradient"):
        trained(tmp_path / "other", cache, check(raw(algorithm={"kind": "fedavg"})))


def test_a_message_has_the_largest_layer_s_triangle_and_cross_matrix_and_a_group_one_each():
    config = check(raw(model={"width": 8}))
    inputs = 7 * 7 * 8 + 1
    needed = inputs * (inputs + 1) // 2 + inputs * 3
    assert needed <= message_length(config) < 1.02 * needed
    assert dimension(config) == 82 * 8 + inputs * 3
    over = check(raw(uplink=DENSE, model={"width": 8}))
    assert 2 * unopened(over)["channel_uses_per_round"] == unopened(over)["kept_entries"] == message_length(over)
    grouped = check(raw(task=BY_SAMPLE, algorithm={"groups": 3}))
    assert message_length(grouped) == 3 * message_length(check(raw(task=BY_SAMPLE)))
    assert message_length(check({})) == dimension(check({}))


def test_as_noise_vanishes_the_air_gives_what_error_free_links_give(tmp_path, cache):
    """Without fading, 50 dB more of SNR move θ towards it by a factor of about 10^2.5: noise enters linearly."""
    exact = trained(tmp_path / "ideal", cache, check(raw()))
    errors = []
    for snr_db in (140, 190):
        config = check(raw(uplink=DENSE | {"snr_db": snr_db, "fading": {"kind": "none"}}))
        errors.append(float((trained(tmp_path / f"{snr_db}", cache, config) - exact).norm() / exact.norm()))
    assert errors[1] < 1e-4
    assert errors[0] > 100 * errors[1]


def test_a_run_in_double_precision_goes_on_to_the_byte(tmp_path, cache):
    config = check(raw(rounds=3, run={"threads": 1, "checkpoint_every": 1}, uplink=DENSE) | {"rounds": 3})
    through, halved = RunFolder(tmp_path / "through"), RunFolder(tmp_path / "halved")
    assert run(config, through, cache, resume=False, observe=lambda *_: False)
    assert not run(config, halved, cache, resume=False, observe=lambda line, _: line["round"] == 1)
    assert run(config, halved, cache, resume=True, observe=lambda *_: False)
    assert halved.history.read_bytes() == through.history.read_bytes()
    assert torch.equal(*(checkpoint.load(folder.path).state.theta for folder in (through, halved)))


BY_SAMPLE = {"partition": "dirichlet", "alpha": 1.0, "new_agents": 2}


@pytest.mark.parametrize(
    ("tables", "key", "words"),
    [
        ({"model": {"kind": "cnn"}}, "model.kind", ["plain_cnn"]),
        ({"model": {"kind": "mlp"}}, "model.kind", ["plain_cnn"]),
        ({"run": {"precision": "bfloat16"}}, "run.precision", ["float64"]),
        ({"algorithm": {"groups": 2}}, "algorithm.groups", ["episodes", "= 1"]),
        ({"algorithm": {"groups": 5}, "task": BY_SAMPLE}, "algorithm.groups", ["at most", "(4)"]),
        ({"uplink": {"ideal_top_k": True}}, "uplink.ideal_top_k", ["dense"]),
        ({"uplink": DENSE | {"sparsity": 0.5}}, "uplink.sparsity", ["uplink.sparsity = 1.0"]),
        ({"uplink": DENSE | {"measurements": 0.4}}, "uplink.measurements", ["uplink.measurements = 0.5"]),
        ({"uplink": DENSE | {"receiver": "oamp"}}, "uplink.receiver", ["no sparse prior", "lmmse"]),
        ({"uplink": DENSE | {"memory": True}}, "uplink.memory", ["another layer", "= false"]),
        (
            {"uplink": DENSE | {"measurements": 1.0, "sensing": "identity"}},
            "uplink.measurements uplink.sensing",
            ["partial_dft"],
        ),
        (
            {"task": {"dataset": "shakespeare", "partition": "natural"}},
            "model.kind algorithm.kind",
            ["28 x 28", "shakespeare is text"],
        ),
        (
            {"task": {"dataset": "shakespeare", "partition": "natural"}, "model": {"kind": "gru"}},
            "algorithm.kind",
            ["shakespeare is text"],
        ),
        ({"algorithm": {"ridge": 0.0}}, "algorithm.ridge", ["zero eigenvalues", "= 1e-5"]),
        ({"algorithm": {"ridge": 1e-10}}, "algorithm.ridge", ["of 197 features", "got 1e-10"]),
        (
            {"algorithm": {"ridge": 0.0, "noise_ridge": 0.0}, "uplink": DENSE},
            "algorithm.ridge",
            ["zero eigenvalues"],
        ),
        ({"server": {"lr": 0.5}}, "server.lr", ["no optimiser", "leave it out"]),
        ({"server": {"optimizer": "adam", "lr": 0.01}}, "server.optimizer server.lr", ["got adam"]),
    ],
)
def test_what_cannot_be_solved_or_sent_is_named_with_the_remedy(tables, key, words):
    with pytest.raises(ConfigError) as error:
        check(raw(**tables))
    assert {line.split(":")[0] for line in error.value.problems} == set(key.split())
    assert all(any(word in line for line in error.value.problems) for word in words)


def test_a_ridge_that_is_not_refused_is_enough_for_features_that_never_fire(tmp_path, cache):
    """Of 197 features the least is 2e-10; over the air without a ridge γ is that of the noise."""
    assert trained(tmp_path / "least", cache, check(raw(algorithm={"ridge": 3e-10}))).isfinite().all()
    assert check(raw(algorithm={"ridge": 0.0}, uplink=DENSE))


def test_fewer_rounds_than_layers_are_refused():
    with pytest.raises(ConfigError, match="rounds: analytic solves a layer a round, and the network has 2, got 1"):
        check(BASE | {"rounds": 1})


def test_data_from_which_a_layer_cannot_be_solved_are_refused_before_any_round(cache):
    few = check(raw(task=BY_SAMPLE | {"partition": "iid", "samples": 20}))
    with pytest.raises(ConfigError, match=r"task\.samples: no agent trains on a sample of class"):
        assemble(few, cache)
    alike = check(raw(algorithm={"groups": 4}, task=BY_SAMPLE))
    counts = np.ones((4, 560), int)
    parts = assemble(check(raw(task=BY_SAMPLE)), cache)
    with pytest.raises(ConfigError, match=r"algorithm\.groups: agents have 1 different label histograms, got 4"):
        ALGORITHMS["analytic"].settle(alike, parts.learner, counts)
