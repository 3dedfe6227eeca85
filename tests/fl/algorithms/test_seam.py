"""What every algorithm has to do, over every uplink; and what is refused before a round starts."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from fl.algorithms.table import ALGORITHMS
from fl.config import ConfigError, check
from fl.conflicts import COMMON
from fl.data.base import SHAPES
from fl.experiment import restore, run
from fl.history import read
from fl.learning_config import Algorithm
from fl.round import training_steps
from fl.run_folder import RunFolder
from fl.setup import assemble
from fl.tasks import evaluate
from fl.uplink.table import OFF_AIR
from fl.uplink_config import Uplink

UPLINKS = {
    "ideal": {},
    "digital": {},
    "one_bit": {"server": {"lr": 0.01}},
    "symbol": {},
    "a_dsgd": {"uplink": {"kind": "symbol", "sensing": "gaussian", "receiver": "amp"}},
    "airfl_mem": {"uplink": {"fading": {"blocks": 8}, "min_gain": 0.1}},
    "waveform": {},
}
KEYS = {
    "meta": {"order": "first", "inner_lr": 0.1},
    "fedavg": {"local_epochs": 1},
    "reptile": {"local_steps": 2},
    "personalized_fedavg": {"local_steps": 2, "reptile_from": 2, "reptile_steps": 3},
    "pfedme": {"inner_steps": 2, "local_steps": 2, "inner_lr": 0.1},
    "analytic": {},
    "local": {},
}
WHOLE = {"sparsity": 1.0, "memory": False}
DENSE = {  # what analytic asks of each uplink
    "digital": WHOLE | {"measurements": 0.5},
    "symbol": WHOLE | {"measurements": 0.5, "receiver": "lmmse"},
    "airfl_mem": WHOLE | {"measurements": 0.5},
    "waveform": WHOLE | {"measurements": 0.5, "receiver": "lmmse"},
}
REFUSED = {("analytic", "one_bit"), ("analytic", "a_dsgd")}


def tiny(kind, uplink="ideal", /, **tables):
    raw = {
        "rounds": 3,
        "run": {"threads": 1},
        "agents": {"count": 3},
        "task": {"dataset": "glyphs", "ways": 3, "shots": 2, "queries": 2},
        "model": {"kind": "plain_cnn" if kind == "analytic" else "cnn", "width": 4},
        "algorithm": {"kind": kind, **KEYS[kind]},
        "uplink": {"kind": uplink, "sparsity": 0.2} | (DENSE.get(uplink, {}) if kind == "analytic" else {}),
        "evaluation": {"every": 3, "tasks": 2, "steps": 2, "queries": 2},
    }
    for name, values in tables.items():
        raw[name] = raw.get(name, {}) | values
    return check(raw)


def test_the_tables_are_what_a_configuration_may_name():
    kinds = {tables.get("uplink", {}).get("kind", name) for name, tables in UPLINKS.items()}
    assert kinds == {*OFF_AIR, "waveform"} == set(get_args(Uplink.model_fields["kind"].annotation))
    assert set(KEYS) == set(ALGORITHMS)
    for kind in ALGORITHMS:
        assert tiny(kind).algorithm.kind == kind
    with pytest.raises(ConfigError, match=r"algorithm\.kind"):
        check({"algorithm": {"kind": "sgd"}})


@pytest.mark.parametrize("uplink", UPLINKS)
@pytest.mark.parametrize("kind", ALGORITHMS)
def test_every_algorithm_runs_three_rounds_over_every_uplink(kind, uplink, cache, tmp_path):
    if (kind, uplink) in REFUSED:
        with pytest.raises(ConfigError, match=r"uplink\.(kind|sensing)"):
            tiny(kind, uplink, **UPLINKS[uplink])
        return
    config, folder = tiny(kind, uplink, **UPLINKS[uplink]), RunFolder(tmp_path / "run")
    assert run(config, folder, cache, resume=False, observe=lambda *_: False)
    lines = list(read(folder.history))
    parts, saved = restore(folder, cache)
    silent = kind == "local"
    assert [line["outcome"] for line in lines] == ["nothing_to_send" if silent else "ok"] * 3
    assert all(bool(line["agents_heard"]) != silent for line in lines)
    assert torch.equal(saved.state.theta, parts.first_theta()) == silent
    assert torch.isfinite(saved.state.theta).all()
    assert 0 <= lines[-1]["new_agent_accuracy"] <= 1
    assert len(lines[-1]["accuracy_by_step"]) == 3


@pytest.mark.parametrize("kind", [kind for kind in ALGORITHMS if kind not in ("local", "analytic")])
def test_an_update_depends_on_the_agent_the_round_and_the_seed_and_on_nobody_else(kind, cache):
    parts = assemble(tiny(kind), cache)
    other = assemble(tiny(kind).model_copy(update={"seed": 2}), cache)
    theta = parts.first_theta()

    def update(agents, index=0, source=parts, threads=1):
        return source.learner.local_updates(theta, training_steps(source, agents, index), threads)[0]

    together = update([0, 1, 2], threads=2)
    assert together.shape == (3, len(theta))
    assert torch.equal(together[1], update([1])[0])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(update([1], 1)[0], together[1])
    assert not torch.equal(update([1], source=other)[0], together[1])
    alike = replace(parts, partition=lambda agent: parts.dataset.train_classes)
    first, second = update([0, 1], source=alike)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_personalisation_begins_at_theta_and_descends_on_the_support_set(kind, cache):
    parts = assemble(tiny(kind), cache)
    theta = parts.first_theta()
    if kind == "analytic":  # an own head needs the features of layers that are solved
        theta = theta + 0.1 * torch.from_numpy(np.random.default_rng(1).standard_normal(len(theta)))
    ((support, _),) = parts.local_data(0).episodes(1, [5, 5], np.random.default_rng(0))
    path = parts.learner.personalise(theta, support, 20)
    assert len(path) == 21
    assert torch.equal(path[0], theta)
    loss = parts.learner.loss
    assert float(loss.value(path[-1], support)) < 0.9 * float(loss.value(theta, support))


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_an_evaluation_scores_new_and_training_agents(kind, cache):
    parts = assemble(tiny(kind, task={"holdout": 3}), cache)
    found = evaluate(parts, parts.first_theta(), 2)[0]
    assert {"new_agent_accuracy", "train_agent_accuracy", "heldout_accuracy"} <= set(found)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_a_key_that_the_algorithm_does_not_use_is_refused_with_those_that_do(kind):
    assert set(Algorithm.model_fields) >= ALGORITHMS[kind].keys
    other = {
        "order": "hessian_free", "inner_lr": 0.3, "inner_steps": 2, "batches": "shared", "local_steps": 4,
        "batch_size": 7, "local_epochs": 2, "local_lr": 0.2, "proximity": 3.0, "reptile_from": 1, "reptile_steps": 4,
        "reptile_lr": 0.2, "groups": 2, "ridge": 0.1, "noise_ridge": 2.0, "clip_eigenvalues": False,
        "adaptive_batch": True,
    }  # fmt: skip
    assert set(other) | COMMON == set(Algorithm.model_fields)
    idle = set(other) - ALGORITHMS[kind].keys
    with pytest.raises(ConfigError) as error:
        check({"rounds": 3, "algorithm": {"kind": kind} | {key: other[key] for key in idle}})
    problems = [line for line in error.value.problems if line.startswith("algorithm.")]
    assert {line.split(":")[0] for line in problems} == {f"algorithm.{key}" for key in idle}
    for line in problems:
        key = line.split(":")[0].removeprefix("algorithm.")
        assert all(user in line for user, one in ALGORITHMS.items() if key in one.keys)


@pytest.mark.parametrize(
    ("raw", "key", "words"),
    [
        ({"kind": "fedavg", "batch_size": 200}, "algorithm.batch_size", ["at least 100", "= 100"]),
        ({"kind": "reptile", "batch_size": 101}, "algorithm.batch_size", ["at least 100"]),
        ({"kind": "fedavg", "local_epochs": 2, "local_steps": 3}, "algorithm.local_epochs", ["leave one"]),
        ({"kind": "pfedme", "proximity": 30.0, "inner_lr": 0.01}, "algorithm.local_lr", ["below 2", "0.0333"]),
        ({"kind": "personalized_fedavg", "reptile_from": 100}, "algorithm.reptile_from", ["from 1 to 99", "fedavg"]),
    ],
)
def test_what_an_algorithm_cannot_do_is_named_with_the_remedy(raw, key, words):
    with pytest.raises(ConfigError) as error:
        check({"algorithm": raw})
    (found,) = error.value.problems
    assert found.startswith(f"{key}:")
    assert all(word in found for word in words)


def test_adam_at_a_rate_of_one_is_refused_for_what_is_no_gradient():
    adam = {"server": {"optimizer": "adam"}}
    assert check(adam)
    for kind in ("fedavg", "reptile", "pfedme"):
        with pytest.raises(ConfigError, match=r"server\.lr"):
            check(adam | {"algorithm": {"kind": kind}})


def test_a_model_for_samples_of_another_shape_is_refused(monkeypatch):
    monkeypatch.setitem(SHAPES, "glyphs", replace(SHAPES["glyphs"], sample=(80,)))
    with pytest.raises(ConfigError, match=r"model\.kind: cnn takes samples of 1 x 28 x 28, those of glyphs are 80"):
        check({})
