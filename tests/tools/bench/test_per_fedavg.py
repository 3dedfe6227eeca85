"""The plain Per-FedAvg that ours is measured against computes the same, from the same data."""

import json

import numpy as np
import pytest
import torch

from fl.algorithms.meta import MetaLearner, OuterStep
from fl.gradients import Loss
from fl.learning_config import Model
from fl.models import build
from tests.tools.cli import call, refused
from tools.bench.per_fedavg.plain import PlainPerFedAvg, module_of

CONFIG = """
rounds = 2
[agents]
count = 3
per_round = 2
[task]
partition = "iid"
new_agents = 2
samples = 60
shots = 3
queries = 4
[model]
kind = "mlp"
[algorithm]
order = "first"
local_steps = 2
[uplink]
kind = "ideal"
[evaluation]
steps = 1
tasks = 2
"""


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_the_plain_rounds_give_the_mean_of_our_updates_for_the_same_batches(kind):
    model, rng = build(kind, 4, 6), np.random.default_rng(0)
    theta = model.init(rng).double()
    batches = [(torch.from_numpy(rng.random((12, 1, 28, 28))), torch.arange(6).repeat(2)) for _ in range(4)]
    clients = [batches[:2], batches[2:]]
    modules = [module_of(Model(kind=kind, width=4), 6).double() for _ in clients]
    plain = PlainPerFedAvg(modules, clients, 5, 0.1, 0.3, 2).play(theta, [0, 1])
    learner = MetaLearner(Loss(model), 0.1, 0.3, "first")
    drawn = [[OuterStep([(x[:5], y[:5])], (x[5:], y[5:]), []) for x, y in client] for client in clients]
    deltas, _ = learner.local_updates(theta, drawn, 1)
    assert torch.allclose(plain, theta - deltas.mean(0), rtol=0, atol=1e-10)


def test_times_and_accuracies_of_both_are_reported(cache, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    found = json.loads(call("bench", "per-fedavg", config, "--threads", 1, "--json", "--cache", cache).stdout)
    assert [result["threads"] for result in found] == [1]
    assert found[0]["ratio"] > 0
    assert set(found[0]["accuracy"]) == {"training agents", "new agents"}
    assert "times as fast" in call("bench", "per-fedavg", config, "--threads", 1, "--cache", cache).stdout


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (["algorithm.inner_steps=2"], "algorithm.inner_steps: the plain implementation has 1 alone, got 2"),
        (["uplink.kind=symbol"], "uplink.kind: the plain implementation has ideal alone, got symbol"),
        (["task.shots=30", "task.queries=30"], "task.shots: a step takes 60 samples with task.queries, an agent has"),
        (["task.partition=class"], "task.partition: it has to be by sample, got class"),
    ],
)
def test_what_the_plain_implementation_cannot_do_is_refused(cache, tmp_path, changed, says):
    config = tmp_path / "c.toml"
    config.write_text(CONFIG)
    settings = [word for item in changed for word in ("--set", item)]
    refused("bench", "per-fedavg", config, *settings, "--cache", cache, says=says)
