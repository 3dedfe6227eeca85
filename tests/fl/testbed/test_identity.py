"""Which run a folder holds, and how often its server was started."""

import pytest

from fl.run_folder import RunError
from fl.testbed.identity import count_start, is_served


def test_every_start_counts_and_the_run_stays_the_same(tmp_path):
    first = count_start(tmp_path, is_new=True)
    starts = [count_start(tmp_path, is_new=False) for _ in range(3)]
    assert [first.sequence, *(one.sequence for one in starts)] == [1, 2, 3, 4]
    assert {one.run for one in starts} == {first.run}
    assert count_start(tmp_path, is_new=True).run != first.run


def test_a_server_that_was_killed_before_its_first_start_was_counted_is_started_for_the_first_time(tmp_path):
    (tmp_path / "config.toml").write_text("")
    assert count_start(tmp_path, is_new=False).sequence == 1
    assert is_served(tmp_path)


def test_a_run_of_one_process_is_none_of_a_testbed(tmp_path):
    (tmp_path / "history.jsonl").write_text("")
    with pytest.raises(RunError, match="go on with airmeta run --resume, or choose another folder with --out"):
        count_start(tmp_path, is_new=False)


def test_a_damaged_identity_is_not_guessed(tmp_path):
    count_start(tmp_path, is_new=True)
    (tmp_path / "server.json").write_text('{"run": "", "sequence": 1}')
    with pytest.raises(RunError, match=r"server\.json: damaged .* put a copy of it back"):
        count_start(tmp_path, is_new=False)
