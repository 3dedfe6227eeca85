"""Partitions from configurations: what is dealt, refused, kept and learned from."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from fl import config as configuration
from fl.config import ConfigError, check
from fl.data import base
from fl.data.base import WINDOW, Dataset, load
from fl.data.omniglot import ALPHABETS, alphabets
from fl.data.partition_file import ClassPartition, save
from fl.data.samples import LocalSamples
from fl.experiment import restore, run
from fl.learning import learning
from fl.partitioning import BY_SAMPLE, deal, outputs
from fl.run_folder import RunFolder
from fl.tasks import Group, score
from fl.uplink.waveform.recording import load as load_recording
from fl.uplink.waveform.replay import decode

SMALL = {
    "rounds": 2, "run": {"threads": 1}, "agents": {"count": 4}, "model": {"kind": "mlp"},
    "task": {"dataset": "glyphs", "partition": "iid", "new_agents": 3, "samples": 60, "shots": 4, "queries": 4,
             "support": 0.25, "test": 0.25},
    "algorithm": {"order": "first"}, "uplink": {"kind": "ideal"}, "evaluation": {"tasks": 4, "steps": 1},
}  # fmt: skip


def small(**task):
    """A small experiment over a partition by sample; keys of other tables as table__key."""
    raw = {key: dict(value) if isinstance(value, dict) else value for key, value in SMALL.items()}
    for key, value in task.items():
        table, _, name = key.rpartition("__")
        raw[table or "task"][name] = value
    return check(raw)


@pytest.fixture
def toy():
    """Ten classes of 40 noise images, 20 of each of two owners."""
    rng = np.random.default_rng(0)
    classes = tuple(np.arange(start, start + 40) for start in range(0, 400, 40))
    images = rng.integers(0, 255, (400, 28, 28), np.uint8)
    return Dataset("mnist", images, classes, np.arange(5), np.arange(5, 10), np.arange(400) // 20, tuple("ab"), "d")


@pytest.mark.parametrize("kind", sorted({*BY_SAMPLE} - {"natural"}))
def test_every_partition_by_sample_gives_everybody_data_of_their_own(toy, kind):
    config = small(dataset="mnist", partition=kind, samples=20, classes_per_agent=2, alpha=5.0, shots=2, queries=2)
    held = deal(config, toy)
    assert (len(held.training), len(held.new)) == (4, 3)
    everywhere = np.concatenate([part for _, share in held.named() for _, part in share.parts()])
    assert len(set(everywhere.tolist())) == len(everywhere)
    assert max(len(share) for _, share in held.named()) <= 20
    assert held.digest == deal(config, toy).digest != deal(config.model_copy(update={"seed": 2}), toy).digest


def test_an_agent_of_a_natural_partition_is_one_owner_in_the_order_of_its_samples(toy):
    config = check(
        SMALL | {"task": SMALL["task"] | {"dataset": "femnist", "partition": "natural", "shots": 2, "queries": 2}}
    )
    for _, share in deal(config, toy).named():
        samples = np.concatenate([part for _, part in share.parts()])
        assert len(set(toy.owners[samples])) == 1
        assert sorted(samples) == np.flatnonzero(toy.owners == toy.owners[samples[0]]).tolist()


def test_alphabets_are_the_official_ones_and_agents_hold_them_whole(toy):
    background, evaluation = alphabets()
    assert (len(background), len(evaluation), len(ALPHABETS)) == (30, 20, 50)
    assert np.array_equal(np.concatenate(background), np.arange(964))
    assert np.array_equal(np.concatenate(evaluation), np.arange(964, 1623))
    sizes = {name: len(classes) for name, classes in zip(ALPHABETS, background + evaluation, strict=True)}
    assert [sizes[name] for name in ("Latin", "Greek", "Korean", "Braille", "Tibetan")] == [26, 24, 40, 26, 42]
    raw = {"task": {"dataset": "omniglot", "partition": "alphabet"}, "agents": {"count": 7}}
    held = deal(check(raw), replace(toy, class_images=(toy.class_images[0],) * 1623))
    for classes in held.training:
        owned = set(classes.tolist())
        assert all(owned >= set(a.tolist()) or owned.isdisjoint(a.tolist()) for a in background)
    assert np.array_equal(np.sort(np.concatenate(held.training)), np.arange(964))
    assert len(held.new) == 20


def problems(**task):
    with pytest.raises(ConfigError) as error:
        small(**task)
    return error.value.problems


@pytest.mark.parametrize(
    ("task", "key", "words"),
    [
        ({"partition": "writers"}, "task.partition", "must be one of class, .*natural, or the path of a .json"),
        ({"partition": "natural"}, "task.partition", r"only femnist \(writers\), shakespeare \(roles\) have"),
        ({"partition": "alphabet"}, "task.partition", "only omniglot has alphabets"),
        ({"partition": "alphabet", "dataset": "omniglot", "agents__count": 31, "shots": 1, "queries": 1},
         "agents.count", "set agents.count = 30"),
        ({"partition": "alphabet", "dataset": "omniglot", "ways": 15, "shots": 1, "queries": 1}, "task.ways",
         "smallest alphabet has 14"),
        ({"partition": "class", "dataset": "femnist"}, "task.partition", "set task.partition = natural"),
        ({"partition": "pathological", "dataset": "mnist"}, "task.classes_per_agent", "mnist has 10 classes, got 40"),
        ({"partition": "dirichlet", "alpha": 0}, "task.alpha", "greater than 0"),
        ({"support": 0.5, "test": 0.5}, "task.test", "leave nothing to train on"),
        ({"new_agents": 1}, "task.new_agents", "greater than or equal to 2"),
        ({"holdout": 3}, "task.holdout", "task.test sets samples apart"),
        ({"dataset": "shakespeare", "partition": "natural"}, "model.kind", "set model.kind = gru"),
        ({"model__kind": "gru"}, "model.kind", "set model.kind = cnn or plain_cnn or mlp"),
        ({"partition": "/nowhere/p.json"}, "task.partition", "/nowhere/p.json: cannot be read"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_before_anything_is_read(task, key, words):
    (found,) = problems(**task)
    assert found.startswith(f"{key}: ")
    assert re.search(words, found), found


def test_agents_with_too_little_for_a_batch_are_named_before_any_round(cache):
    with pytest.raises(
        ConfigError, match=r"task.shots: a batch takes 31 samples, agent \d trains on 30; take at most 30"
    ):
        learning(small(shots=31), cache)
    with pytest.raises(ConfigError, match=r"task.support: leaves agent 0 0 samples of support data out of 3"):
        learning(small(samples=3), cache)


@pytest.fixture
def partition_file(cache, tmp_path):
    path = tmp_path / "p.json"
    save(deal(small(partition="dirichlet"), load("glyphs", None, cache)), path)
    return path


def test_a_partition_that_was_kept_is_the_one_that_is_used(cache, partition_file, tmp_path):
    first, again = learning(small(partition="dirichlet"), cache), learning(small(partition=str(partition_file)), cache)
    assert first.held.digest == again.held.digest
    for config in (first.config, again.config):
        folder = RunFolder(tmp_path / config.task.partition.replace("/", "_"))
        run(config, folder, cache, resume=False, observe=lambda record, seconds: False)
    one, other = (folder.read_text() for folder in sorted(tmp_path.glob("*/history.jsonl")))
    assert one == other
    (about, _) = (json.loads(path.read_text()) for path in sorted(tmp_path.glob("*/manifest.json")))
    assert about["partition"]["digest"] == first.held.digest


def test_a_run_can_be_repeated_from_its_folder_wherever_that_is_and_without_the_file(cache, partition_file, tmp_path):
    def play(config, folder):
        run(config, RunFolder(folder), cache, resume=False, observe=lambda record, seconds: False)
        return (folder / "history.jsonl").read_text()

    first = play(small(partition=str(partition_file)), tmp_path / "first")
    partition_file.unlink()
    moved = (tmp_path / "first").rename(tmp_path / "moved")
    assert restore(RunFolder(moved), cache)[0].held.recipe["partition"] == "dirichlet"
    assert play(configuration.load(moved / "config.toml"), tmp_path / "again") == first
    assert 'partition = "partition.json"' in (tmp_path / "again" / "config.toml").read_text()


def test_a_run_does_not_go_on_with_another_partition_file(cache, partition_file, tmp_path):
    folder = RunFolder(tmp_path / "run")
    run(small(partition=str(partition_file)), folder, cache, resume=False, observe=lambda record, seconds: False)
    save(deal(small(partition="iid"), load("glyphs", None, cache)), partition_file)
    with pytest.raises(ConfigError, match=r"(?s)another configuration.*task.partition: [0-9a-f]{64} here, "):
        run(small(partition=str(partition_file)), folder, cache, resume=True, observe=lambda record, seconds: False)


def test_the_digest_of_a_configuration_follows_what_is_in_the_file_and_not_where_it_lies(
    cache, partition_file, tmp_path
):
    moved = tmp_path / "elsewhere.json"
    moved.write_text(partition_file.read_text())
    digest = configuration.digest(small(partition=str(partition_file)))
    assert digest == configuration.digest(small(partition=str(moved)))
    save(deal(small(partition="iid"), load("glyphs", None, cache)), moved)
    assert digest != configuration.digest(small(partition=str(moved)))


def test_a_file_about_other_data_or_agents_is_refused(cache, partition_file, tmp_path):
    assert "glyphs, got omniglot" in problems(partition=str(partition_file), dataset="omniglot")[0]
    assert "set agents.count = 4" in problems(partition=str(partition_file), agents__count=5)[0]
    content = json.loads(partition_file.read_text())
    other = tmp_path / "other.json"
    other.write_text(json.dumps(content | {"dataset_digest": "0" * 64, "digest": None}).replace(', "digest": null', ""))
    with pytest.raises(ConfigError, match="was made from other files of glyphs"):
        learning(small(partition=str(other)), cache)


@pytest.mark.parametrize(
    ("training", "new", "words"),
    [
        ([range(6)] * 4, [range(400, 410)], None),
        ([range(6)] * 4, [range(5, 15)], "class 5 both for training and for new agents"),
        ([range(6)] * 3 + [range(4)], [range(400, 410)], "gives agent 3 4 classes"),
        ([range(6)] * 3 + [[1, 2, 3, 4, 4, 4]], [range(400, 410)], "gives agent 3 4 classes"),
        ([range(6)] * 4, [range(555, 565)], "gives new agent 0 10 classes, each has to be one of 560"),
    ],
)
def test_a_file_of_classes_serves_episodes(cache, tmp_path, training, new, words):
    path = tmp_path / "classes.json"
    save(ClassPartition("glyphs", "", *(tuple(np.array(held) for held in part) for part in (training, new))), path)
    config = small(partition=str(path))
    assert outputs(config.task) == config.task.ways
    if words is not None:
        with pytest.raises(ConfigError, match=words):
            learning(config, cache)
        return
    parts = learning(config, cache)
    assert parts.partition(2).tolist() == list(range(6))
    _, sample = score(parts, parts.first_theta(), Group.NEW, 3)
    allowed = parts.dataset.images[np.concatenate([parts.dataset.class_images[c] for c in new[0]])]
    known = {image.tobytes() for image in allowed}
    pixels = (sample.query.images * 255).round().numpy().astype(np.uint8).reshape(-1, 28, 28)
    assert all(image.tobytes() in known for image in pixels)


@pytest.mark.parametrize("group", Group)
def test_evaluation_takes_each_group_of_agents_from_its_own_data(cache, group, monkeypatch):
    """New agents and held-out figures by support and test data, the training figures by training data alone."""
    parts, seen = learning(small(), cache), []
    monkeypatch.setattr("fl.tasks.gather_samples", lambda dataset, indices, device: seen.append(indices.tolist()))
    monkeypatch.setattr("fl.tasks.fine_tune", lambda learner, theta, tasks, *_: len(tasks))
    assert score(parts, parts.first_theta(), group, 50)[0] == (3 if group is Group.NEW else 4)
    shares = parts.shares.new if group is Group.NEW else parts.shares.training
    pairs = {(tuple(support), tuple(query)) for support, query in zip(seen[::2], seen[1::2], strict=True)}
    if group is Group.TRAINING:
        train = {sample for share in shares for sample in share.train}
        assert {sample for pair in pairs for part in pair for sample in part} <= train
        assert all(set(support).isdisjoint(query) and query for support, query in pairs)
    else:
        assert pairs == {(tuple(share.support), tuple(share.test)) for share in shares}


def test_batches_of_an_agent_are_of_its_training_data_with_labels_that_keep_their_meaning(toy):
    local = LocalSamples(toy, np.arange(30, 90), "cpu")
    rng = np.random.default_rng(0)
    pixels = {toy.images[index].tobytes(): int(toy.labels[index]) for index in range(30, 90)}

    def contents(sets):
        return [
            (image.tobytes(), int(label))
            for images, labels in sets
            for image, label in zip((images * 255).round().to(torch.uint8).numpy(), labels, strict=True)
        ]

    (episode,) = local.episodes(1, [7, 20], rng)
    assert [len(labels) for _, labels in episode] == [7, 20]
    passed = contents(local.epochs(1, 25, rng))
    assert len(passed) == len(set(passed)) == 60
    assert len(local.minibatches(5, 25, rng)) == 5
    for image, label in (*contents(episode), *passed):
        assert pixels[image] == label
    with pytest.raises(ValueError, match="a batch takes 61 samples, the agent trains on 60"):
        local.episodes(1, [61], rng)


def test_weights_follow_the_training_samples(cache):
    parts = learning(small(partition="dirichlet", samples=500, algorithm__weighting="samples"), cache)
    weights = [parts.weight(agent) for agent in range(4)]
    sizes = [len(share.train) for share in parts.shares.training]
    assert np.allclose(weights, 4 * np.array(sizes) / sum(sizes))


@pytest.fixture
def dull_play(tmp_path, monkeypatch):
    """A play of seven roles that each repeat a line of their own."""
    text = "\n\n".join(f"ROLE {name}:\n" + f"I am {name * 4}, and so it goes. " * 100 for name in "ABCDEFG")
    (tmp_path / "tinyshakespeare.txt").write_text(text + "\n")
    monkeypatch.setattr("fl.data.shakespeare.check_sha256", lambda path, expected: None)
    return tmp_path


@pytest.mark.parametrize("kind", ["fedavg", "meta"])
def test_a_character_model_learns_from_roles(dull_play, kind):
    """A line that is repeated is learned in few rounds: far better than the most frequent character."""
    raw = {
        "rounds": 4, "data_root": str(dull_play), "run": {"threads": 1}, "agents": {"count": 4},
        "task": {"dataset": "shakespeare", "partition": "natural", "new_agents": 3, "shots": 6, "queries": 6},
        "model": {"kind": "gru", "width": 24}, "uplink": {"kind": "ideal"}, "server": {"optimizer": "adam", "lr": 0.03},
        "algorithm": {"kind": "meta", "order": "first", "inner_lr": 0.1},
        "evaluation": {"tasks": 4, "steps": 1, "every": 4},
    }  # fmt: skip
    if kind == "fedavg":
        raw |= {"algorithm": {"kind": "fedavg", "local_lr": 0.5, "local_steps": 5, "batch_size": 6}, "server": {}}
    raw["rounds"] = raw["evaluation"]["every"] = 12 if kind == "fedavg" else 30
    run(check(raw), RunFolder(dull_play / "run"), dull_play / "cache", resume=False, observe=lambda *_: False)
    lines = [json.loads(line) for line in (dull_play / "run" / "history.jsonl").read_text().splitlines()]
    assert lines[0]["train_loss"] == pytest.approx(np.log(65), rel=0.15)
    assert lines[-1]["train_loss"] < 0.6 * lines[0]["train_loss"]
    assert lines[-1]["new_agent_accuracy"] > 0.3
    assert lines[-1]["heldout_accuracy"] > 0.3
    assert base.load("shakespeare", dull_play, dull_play / "cache").images.shape[1] == WINDOW + 1


def test_a_recorded_round_is_decoded_again_wherever_its_run_lies_and_without_the_partition_file(
    cache, partition_file, tmp_path
):
    config = configuration.check(
        small(partition=str(partition_file)).model_dump(mode="json", exclude_none=True)
        | {"uplink": {"kind": "waveform"}}
    )
    folder = RunFolder(tmp_path / "run")
    run(config, folder, cache, resume=False, observe=lambda record, seconds: True, record_every=1)
    partition_file.unlink()
    recorded = load_recording(folder.path.rename(tmp_path / "moved") / "recordings" / "round-00000.sigmf-meta")
    assert decode(recorded).heard == tuple(recorded.fields.agents)
