import numpy as np
import pytest

from fl.data.partition import by_class, by_class_overlap

CLASSES = np.arange(964)


def test_every_class_has_exactly_one_owner():
    partition = by_class(CLASSES, 20, 5, np.random.default_rng(0))
    owned = np.concatenate([partition(agent) for agent in range(20)])
    assert np.array_equal(np.sort(owned), CLASSES)
    sizes = {len(partition(agent)) for agent in range(20)}
    assert sizes == {48, 49}


def test_too_many_agents_are_refused_with_the_limit():
    with pytest.raises(ValueError, match="at most 192 agents"):
        by_class(CLASSES, 193, 5, np.random.default_rng(0))


def test_overlapping_agents_draw_on_their_own_and_always_the_same():
    partition = by_class_overlap(CLASSES, 40, np.random.default_rng)
    assert np.array_equal(partition(9_999), partition(9_999))
    assert len(set(partition(3))) == 40
    assert not np.array_equal(partition(3), partition(4))


def test_an_agent_cannot_hold_more_classes_than_there_are():
    with pytest.raises(ValueError, match="classes_per_agent"):
        by_class_overlap(CLASSES, 965, np.random.default_rng)
