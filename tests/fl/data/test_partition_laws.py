"""The laws of every partition by sample, over drawn sizes: everybody has all parts, and no sample is in two places."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.data import skew
from fl.data.shares import PartitionError, SamplePartition, Share, check, class_counts, least, split
from fl.data.writers import pseudo_writers

CLASSES = 4


def world(sizes, seed):
    """Classes of the given sizes, images of noise, and owners."""
    rng = np.random.default_rng(seed)
    bounds = np.cumsum([0, *sizes])
    class_images = [np.arange(a, b) for a, b in pairwise(bounds)]
    images = rng.integers(0, 255, (bounds[-1], 6, 6), np.uint8)
    return class_images, images, rng.integers(0, 12, bounds[-1])


DEALERS = {
    "iid": lambda c, i, o, n, rng: skew.iid(len(i), n, rng),
    "class_skew": lambda c, i, o, n, rng: skew.class_skew(c, n, None, rng),
    "pathological": lambda c, i, o, n, rng: skew.pathological(c, n, 2, rng),
    "dirichlet": lambda c, i, o, n, rng: skew.dirichlet(c, n, 1.0, 8, rng),
    "by_owner": lambda c, i, o, n, rng: skew.by_owner(o, n, 8, rng),
    "pseudo_writers": lambda c, i, o, n, rng: pseudo_writers(i, c, n, rng),
}


@pytest.mark.parametrize("kind", DEALERS)
@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(60, 90), min_size=CLASSES, max_size=CLASSES),
    n_agents=st.integers(4, 8),
    fractions=st.tuples(st.floats(0.15, 0.4), st.floats(0.15, 0.4)),
    seed=st.integers(0, 1000),
)
def test_training_support_and_test_data_never_overlap(kind, sizes, n_agents, fractions, seed):
    class_images, images, owners = world(sizes, seed)
    dealt = DEALERS[kind](class_images, images, owners, n_agents, np.random.default_rng(seed))
    shares = tuple(split(samples, *fractions, place < n_agents - 2) for place, samples in enumerate(dealt))
    everywhere = np.concatenate([part for share in shares for _, part in share.parts()])
    assert len(set(everywhere.tolist())) == len(everywhere)
    assert set(everywhere.tolist()) <= set(range(len(images)))
    assert [len(share) for share in shares] == [len(samples) for samples in dealt]
    assert not any(len(share.train) for share in shares[-2:])
    check(SamplePartition("toy", "", shares[:-2], shares[-2:]), len(images))


@pytest.mark.parametrize("kind", DEALERS)
def test_the_generator_alone_says_who_holds_what(kind):
    class_images, images, owners = world([60, 70, 80, 90], 3)
    first, again, other = (
        DEALERS[kind](class_images, images, owners, 6, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def counts(dealt, class_images):
    labels = np.repeat(np.arange(len(class_images)), [len(images) for images in class_images])
    return class_counts(labels, [split(samples, 0.2, 0.2, True) for samples in dealt], len(class_images))


@settings(max_examples=40, deadline=None)
@given(n_agents=st.integers(1, 30), k=st.integers(1, 10), seed=st.integers(0, 1000))
def test_pathological_agents_hold_exactly_k_classes_and_classes_have_equally_many_holders(n_agents, k, seed):
    class_images, _, _ = world([50] * 10, 0)
    held = counts(skew.pathological(class_images, n_agents, k, np.random.default_rng(seed)), class_images) > 0
    assert (held.sum(1) == k).all()
    assert np.ptp(held.sum(0)) <= 1


@pytest.mark.parametrize("samples", [None, 40, 41])
def test_class_skew_is_equal_shares_for_some_and_half_and_double_ones_for_the_others(samples):
    class_images, _, _ = world([300] * 10, 0)
    table = counts(skew.class_skew(class_images, 12, samples, np.random.default_rng(0)), class_images)
    a = table[0, 0]
    assert a == (8 if samples else table[:, :5].max())
    assert (table[::2] == [a] * 5 + [0] * 5).all()
    assert (np.sort(table[1::2], axis=1)[:, -3:] == [0, a // 2, 2 * a]).all()
    assert (table[1::2, 5:].max(1) == 2 * a).all()


def test_dirichlet_tends_to_equal_mixes_for_large_alpha_and_to_few_classes_for_small():
    """The mean share of an agent's largest class: 1/10 where mixes are equal, near 1 where an agent has one class."""
    class_images, _, _ = world([500] * 10, 0)

    def largest(alpha):
        table = counts(skew.dirichlet(class_images, 10, alpha, 8, np.random.default_rng(0)), class_images)
        return (table.max(1) / table.sum(1)).mean()

    assert largest(1e4) < 0.12
    assert largest(0.3) > 0.3


def test_dirichlet_leaves_no_sample_out():
    class_images, images, _ = world([50, 60, 70, 80], 0)
    dealt = skew.dirichlet(class_images, 5, 0.5, 1, np.random.default_rng(0))
    assert np.array_equal(np.sort(np.concatenate(dealt)), np.arange(len(images)))


@settings(max_examples=200, deadline=None)
@given(
    fractions=st.tuples(st.floats(0.02, 0.45), st.floats(0.02, 0.45)),
    train=st.integers(2, 30),
    extra=st.integers(0, 60),
)
def test_the_least_number_of_samples_is_just_enough_for_three_parts(fractions, train, extra):
    fewest = least(*fractions, train)
    enough, short = (
        [len(part) for _, part in split(np.arange(n), *fractions, True).parts()] for n in (fewest + extra, fewest - 1)
    )
    assert enough[0] >= train
    assert min(enough[1:]) >= 1
    assert short[0] < train or min(short[1:]) < 1


@pytest.mark.parametrize(
    ("deal", "words"),
    [
        (lambda c, o, rng: skew.class_skew(c[:3], 4, None, rng), "task.partition: class_skew needs an even number"),
        (lambda c, o, rng: skew.class_skew(c, 4, 2, rng), "task.samples: class_skew for 4 agents takes 4 to"),
        (lambda c, o, rng: skew.class_skew(c, 4, 1000, rng), "task.samples: class_skew for 4 agents"),
        (lambda c, o, rng: skew.pathological(c, 4, 5, rng), "task.classes_per_agent: pathological takes 1 to 4"),
        (lambda c, o, rng: skew.pathological(c, 200, 4, rng), "task.classes_per_agent: 200 agents hold a class of 60"),
        (lambda c, o, rng: skew.dirichlet(c, 20, 0.01, 8, rng), "task.alpha: in 100 draws at α = 0.01"),
        (lambda c, o, rng: skew.by_owner(o, 13, 8, rng), "agents.count: 12 owners have the 8 samples"),
    ],
)
def test_what_cannot_be_dealt_names_the_key(deal, words):
    class_images, _, owners = world([60, 70, 80, 90], 0)
    with pytest.raises(PartitionError, match=words):
        deal(class_images, owners, np.random.default_rng(0))


def share(*parts):
    return split(np.concatenate([np.asarray(part) for part in parts]), 0.25, 0.25, True)


GOOD = share(range(4)), share(range(4, 8))
NEW = split(np.arange(8, 12), 0.25, 0.25, False), split(np.arange(12, 16), 0.25, 0.25, False)


@pytest.mark.parametrize(
    ("training", "new", "words"),
    [
        (GOOD, NEW[:1], "task.new_agents: intervals of an evaluation need 2 or more agents, got 1"),
        (GOOD[:1], NEW, "agents.count: intervals of an evaluation need 2 or more agents, got 1"),
        (GOOD, (NEW[0], share(range(12, 16))), "new agent 1 has 2 samples to train; new agents have none"),
        ((GOOD[0], share(range(4, 7))), NEW, "task.support: leaves agent 1 0 samples of support data out of 3"),
        (GOOD, (NEW[0], split(np.arange(12, 13), 0.5, 0.5, False)), "task.test: leaves new agent 1 0 samples of test"),
        (
            (GOOD[0], Share(np.arange(4, 5), np.arange(5, 6), np.arange(6, 7))),
            NEW,
            "task.samples: leaves agent 1 1 samp",
        ),
        ((GOOD[0], share(range(3, 7))), NEW, "sample 3 is in agent 0's test data and in agent 1's train data"),
        ((GOOD[0], share([4, 4, 5, 6])), NEW, "sample 4 is in agent 1's train data and in agent 1's train data"),
        ((GOOD[0], share([4, 5, 6, 99])), NEW, "sample 99 is none, the dataset has 16"),
    ],
)
def test_what_is_no_partition_says_who_lacks_what(training, new, words):
    with pytest.raises(PartitionError, match=words):
        check(SamplePartition("toy", "", tuple(training), tuple(new)), 16)
