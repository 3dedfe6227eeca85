import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.data.files import DataError
from fl.data.partition_file import ClassPartition, load, save
from fl.data.shares import SamplePartition, split


def samples(n_agents=3, seed=0):
    dealt = np.array_split(np.random.default_rng(seed).permutation(60), n_agents + 2)
    shares = tuple(split(part, 0.25, 0.25, place < n_agents) for place, part in enumerate(dealt))
    return SamplePartition("toy", "abc", shares[:n_agents], shares[n_agents:], {"kind": "iid"})


CLASSES = ClassPartition("toy", "abc", (np.arange(3), np.arange(3, 7)), (np.arange(7, 9),), {"kind": "class"})


def same(a, b):
    rows = [[held] if isinstance(held, np.ndarray) else [part for _, part in held.parts()]
            for partition in (a, b) for held in (*partition.training, *partition.new)]  # fmt: skip
    half = len(rows) // 2
    return all(np.array_equal(x, y) for left, right in zip(rows[:half], rows[half:], strict=True)
               for x, y in zip(left, right, strict=True))  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(n_agents=st.integers(1, 8), seed=st.integers(0, 100))
def test_what_is_saved_reads_back_the_same(tmp_path_factory, n_agents, seed):
    path = tmp_path_factory.mktemp("partition") / "p.json"
    for partition in (samples(n_agents, seed), CLASSES):
        save(partition, path)
        found = load(path)
        assert type(found) is type(partition)
        assert same(found, partition)
        assert (found.dataset, found.recipe, found.digest) == ("toy", partition.recipe, partition.digest)


def test_the_digest_follows_who_holds_what_and_not_how_it_was_made():
    a = samples(seed=0)
    assert a.digest == SamplePartition(a.dataset, a.dataset_digest, a.training, a.new, {"kind": "by hand"}).digest
    assert a.digest != samples(seed=1).digest
    assert a.digest != SamplePartition(a.dataset, "other", a.training, a.new).digest
    moved = SamplePartition(a.dataset, a.dataset_digest, a.training[:-1], (a.training[-1], *a.new))
    assert a.digest != moved.digest


def written(path, change):
    save(samples(), path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_a_file_written_by_hand_needs_no_digest(tmp_path):
    def change(content):
        content["agents"][0]["train"].pop()
        del content["digest"], content["recipe"], content["new_agents"][0]["train"]

    assert len(load(written(tmp_path / "p.json", change)).training[0].train) == len(samples().training[0].train) - 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["agents"][0]["train"].pop(), "do not have its digest .* remove its digest"),
        (lambda c: c.update(version=2), "version 2 of partitions, this airmeta reads 1"),
        (lambda c: c.update(format="poem"), "not a partition"),
        (lambda c: c.update(form="songs"), "form must be samples or classes"),
        (lambda c: c["agents"][0].update(train=[0.5]), "whole numbers"),
        (lambda c: c["agents"][0].update(train=[True]), "whole numbers"),
        (lambda c: c["agents"][0].update(train="all"), "not as a partition is written"),
        (lambda c: c["agents"][0].pop("support"), "not as a partition is written.*support"),
        (lambda c: c.pop("agents"), "not as a partition is written.*agents"),
        (lambda c: c.update(agents=[]), "not as a partition is written.*not empty"),
        (lambda c: c.update(dataset_digest=5), "not as a partition is written.*texts"),
        (lambda c: c.update(recipe=7), "not as a partition is written.*recipe a table"),
        (lambda c: c.update(digest=5), "do not have its digest 5"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name_with_the_remedy(tmp_path, change, words):
    path = written(tmp_path / "p.json", change)
    with pytest.raises(DataError, match=f"p.json: .*{words}") as error:
        load(path)
    assert "airmeta data partition" in str(error.value) or "remove its digest" in str(error.value)


def test_a_missing_or_cut_file_says_how_to_make_one(tmp_path):
    path = tmp_path / "p.json"
    with pytest.raises(DataError, match=r"cannot be read .*airmeta data partition CONFIG --out FILE"):
        load(path)
    save(samples(), path)
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match="damaged or cut short"):
        load(path)
    with pytest.raises(DataError, match="cannot be written"):
        save(samples(), tmp_path / "none" / "p.json")
