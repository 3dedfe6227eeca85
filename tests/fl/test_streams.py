from itertools import product

from fl.streams import Purpose, stream


def first_draws(seed):
    keys = product(Purpose, range(3), range(3))
    return [stream(seed, purpose, index, agent).integers(2**62) for purpose, index, agent in keys]


def test_no_two_purposes_rounds_or_agents_share_a_stream():
    assert len(set(first_draws(1))) == len(Purpose) * 9


def test_another_seed_changes_every_stream():
    assert all(one != other for one, other in zip(first_draws(1), first_draws(2), strict=True))


def test_the_same_key_gives_the_same_stream():
    assert first_draws(5) == first_draws(5)
