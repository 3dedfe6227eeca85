"""What `airmeta bench sweep` makes of the seconds that it measures; the runs themselves are made up."""

from contextlib import nullcontext

import pytest

from tests.tools.cli import call
from tools.bench import sweep
from tools.bench.sweep import BLOCKS, OVERHEAD, SPEED_UP, Spent, compare, missed

GOOD = {"workers": 2, "overhead": OVERHEAD, "speed_up": SPEED_UP}


def blocks(wall, processor, runs):
    return [Spent(wall, processor, runs)] * BLOCKS


def test_overhead_is_the_time_of_the_workers_that_no_run_has():
    """Two workers are there for 5 s a block and spend 8 s of these 10 in its 4 runs."""
    found = compare(blocks(8.0, 8.0, 8.0), blocks(5.0, 9.0, 8.0), 4 * BLOCKS, 2)
    assert found["overhead"] == pytest.approx((2 * 5 - 8) / 4)
    assert found["overhead_processor"] == pytest.approx((9 - 8) / 4)
    assert found["speed_up"] == found["speed_up_least"] == pytest.approx(8 / 5)


def test_one_slow_block_shows_in_the_least_speed_up_only():
    slow = [*blocks(5.0, 9.0, 8.0)[1:], Spent(50.0, 9.0, 8.0)]
    found = compare(blocks(10.0, 8.0, 8.0), slow, 4 * BLOCKS, 2)
    assert (found["speed_up"], found["speed_up_least"]) == (2.0, 0.2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, []),
        ({"overhead": 2 * OVERHEAD}, ["0.40 s to a run"]),
        ({"speed_up": 1.2}, ["1.20 times as fast"]),
        ({"speed_up": 1.2, "workers": 3}, []),  # nothing is claimed of 3
        ({"speed_up": 1.0, "overhead": 1.0}, ["1.00 s to a run", "1.00 times as fast"]),
    ],
)
def test_each_claim_that_is_missed_is_named(change, words):
    lines = missed(GOOD | change)
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))


@pytest.mark.parametrize(("together", "code"), [(4.0, 0), (8.0, 1)])
def test_the_exit_code_says_whether_the_claims_hold(monkeypatch, cache, together, code):
    monkeypatch.setattr(sweep, "local", lambda workers, threads: nullcontext())
    monkeypatch.setattr(sweep, "muster", lambda *arguments: 2)
    monkeypatch.setattr(sweep, "_alone", lambda jobs, folder, cache: Spent(8.0, 8.0, 8.0))
    monkeypatch.setattr(sweep, "_together", lambda jobs, dispatch, within: Spent(together, 8.0, 2 * together))
    result = call("bench", "sweep", "--runs", 8, "--cache", cache, code=code)
    assert "speed-up" in result.stdout
    assert ("missed: 2 workers" in result.stderr) == bool(code)
