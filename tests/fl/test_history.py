import pytest

from fl.history import SCHEMA, History, HistoryError, read


def written(path, rounds):
    history = History(path)
    for index in range(rounds):
        history.append({"schema": SCHEMA, "round": index, "train_loss": 0.1 * index})
    return history


def test_what_was_appended_reads_back(tmp_path):
    written(tmp_path / "h.jsonl", 3)
    assert [record["round"] for record in read(tmp_path / "h.jsonl")] == [0, 1, 2]


def test_numbers_that_are_not_finite_become_null(tmp_path):
    History(tmp_path / "h.jsonl").append({"schema": SCHEMA, "a": float("inf"), "b": {"c": [float("nan"), 1.0]}})
    (record,) = read(tmp_path / "h.jsonl")
    assert record["a"] is None
    assert record["b"] == {"c": [None, 1.0]}


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path):
    path = tmp_path / "h.jsonl"
    written(path, 3)
    path.write_bytes(path.read_bytes()[:-5])
    assert len(read(path)) == 2


def test_damage_inside_is_named_by_line_and_the_file_left_alone(tmp_path):
    path = tmp_path / "h.jsonl"
    written(path, 3)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:9], lines[2]]) + "\n")
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="line 2 is damaged; the 1 lines before it are good"):
        read(path)
    with pytest.raises(HistoryError, match="line 2"):
        History(path).rewind(len(before), 3)
    assert path.read_bytes() == before


def test_rewinding_cuts_back_to_the_checkpoint(tmp_path):
    path = tmp_path / "h.jsonl"
    length = written(path, 2).sync()
    content = path.read_bytes()
    History(path).append({"schema": SCHEMA, "round": 2})
    History(path).rewind(length, 2)
    assert path.read_bytes() == content


def test_a_history_shorter_than_its_checkpoint_is_refused(tmp_path):
    history = written(tmp_path / "h.jsonl", 2)
    with pytest.raises(HistoryError, match="the checkpoint needs"):
        history.rewind(10_000, 2)


def test_a_missing_history_is_named(tmp_path):
    with pytest.raises(HistoryError, match="cannot be read"):
        read(tmp_path / "none.jsonl")
