import re
from pathlib import Path

import pytest
import torch

from fl.residuals import ResidualError, ResidualStore


def saved(store, round_index, **residuals):
    for agent, value in residuals.items():
        store.put(int(agent[1:]), torch.full((5,), float(value)))
    store.save(round_index)
    store.prune(round_index)


def test_an_agent_that_never_sent_has_no_file(tmp_path):
    store = ResidualStore(tmp_path)
    saved(store, 2, a1=1)
    assert store.get(7) is None
    assert len(list(tmp_path.iterdir())) == 1


def test_two_files_an_agent_however_many_rounds(tmp_path):
    """That of the last checkpoint, and that of the one before it."""
    store = ResidualStore(tmp_path)
    for round_index in range(2, 10, 2):
        saved(store, round_index, a1=round_index, a2=-round_index)
    assert len(list(tmp_path.iterdir())) == 4
    assert store.get(1)[0] == 8


@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_can_go_on_from_the_checkpoint_before_the_last(tmp_path, resumed):
    store = ResidualStore(tmp_path)
    saved(store, 2, a1=2, a2=2)
    saved(store, 4, a1=4)
    if resumed:
        store = ResidualStore(tmp_path)
        store.restore(4)
    saved(store, 6, a1=6, a3=6)
    before = ResidualStore(tmp_path)
    before.restore(4)
    assert (before.get(1)[0], before.get(2)[0], before.get(3)) == (4, 2, None)


def test_what_a_kill_left_behind_is_undone(tmp_path):
    store = ResidualStore(tmp_path)
    saved(store, 2, a1=2)
    store.put(1, torch.full((5,), 4.0))
    store.put(3, torch.full((5,), 4.0))
    store.save(4)  # killed here: no checkpoint of round 4, nothing pruned
    again = ResidualStore(tmp_path)
    again.restore(2)
    assert again.get(1)[0] == 2
    assert again.get(3) is None


def test_a_kill_after_the_checkpoint_keeps_the_newer_one(tmp_path):
    store = ResidualStore(tmp_path)
    saved(store, 2, a1=2)
    store.put(1, torch.full((5,), 4.0))
    store.save(4)
    again = ResidualStore(tmp_path)
    again.restore(4)
    assert again.get(1)[0] == 4
    saved(again, 6, a1=6)
    assert {path.stem for path in tmp_path.iterdir()} == {"00000001-00000004", "00000001-00000006"}


def test_a_damaged_residual_names_the_agent_and_what_makes_it_zero(tmp_path):
    """Its newest file alone would leave an older residual, of which some entries were sent since."""
    store = ResidualStore(tmp_path)
    saved(store, 2, a1=1, a2=2)
    saved(store, 4, a1=3)
    path = tmp_path / "00000001-00000004.safetensors"
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ResidualError, match="agent 1") as caught:
        store.get(1)
    (remedy,) = re.findall(r"remove (\S+) to go on", str(caught.value))
    for one in tmp_path.glob(Path(remedy).name):
        one.unlink()
    again = ResidualStore(tmp_path)
    again.restore(4)
    assert again.get(1) is None
    assert again.get(2)[0] == 2
