"""Many agents, of which few take part in a round."""

import pytest

from tests.fl.testbed.bench import experiment, play

ROUNDS, PER_ROUND = 15, 20


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_all_register_and_those_that_are_scheduled_are_heard(tmp_path, learned, count):
    config = experiment(ROUNDS, count, PER_ROUND, heartbeat_s=2.0, patience_s=30.0)
    books = play(config, learned, tmp_path)
    joined = {about["agent"] for about in books.events["joined"]}
    assert joined >= {agent for line in books.lines for agent in line["agents_scheduled"]}
    assert len(joined) >= 0.9 * count
    for line in books.lines:
        assert line["agents_heard"] == line["agents_scheduled"]
        assert len(line["agents_heard"]) == PER_ROUND
    books.balance()
