import pytest
import torch

from fl import checkpoint
from fl.checkpoint import Checkpoint, CheckpointError
from fl.server import ServerState


def made(rounds):
    state = ServerState(torch.full((7,), float(rounds)), torch.ones(7), torch.zeros(7), steps=rounds)
    return Checkpoint(state, rounds, 100 * rounds, "hash")


def test_a_checkpoint_reads_back(tmp_path):
    checkpoint.save(tmp_path, made(3))
    found = checkpoint.load(tmp_path)
    assert (found.rounds, found.history_bytes, found.config_hash, found.state.steps) == (3, 300, "hash", 3)
    assert torch.equal(found.state.theta, made(3).state.theta)


def test_a_truncated_checkpoint_is_refused_and_the_one_before_is_named(tmp_path):
    checkpoint.save(tmp_path, made(3))
    checkpoint.save(tmp_path, made(6))
    path = tmp_path / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"checkpoint.previous.safetensors \(after 3 rounds\) is whole"):
        checkpoint.load(tmp_path)
    (tmp_path / checkpoint.PREVIOUS).replace(path)
    assert checkpoint.load(tmp_path).rounds == 3


def test_a_flipped_bit_is_found(tmp_path):
    checkpoint.save(tmp_path, made(3))
    path = tmp_path / checkpoint.NAME
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        checkpoint.load(tmp_path)


def test_no_checkpoint_says_so(tmp_path):
    assert not checkpoint.exists(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        checkpoint.load(tmp_path)


def of_older_code(path):
    """Let a checkpoint have a header that does not say for how many checkpoints residuals are kept."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    about = content[8 : 8 + length].replace(b'\\"kept\\": 2, ', b"")
    assert len(about) < length
    path.write_bytes(len(about).to_bytes(8, "little") + about + content[8 + length :])


def test_a_checkpoint_whose_residuals_older_code_removed_is_not_gone_back_to(tmp_path):
    for rounds in (3, 6):
        checkpoint.save(tmp_path, made(rounds))
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        of_older_code(tmp_path / name)
    assert checkpoint.load(tmp_path).rounds == 6  # the last one is as good as ever
    checkpoint.recover(tmp_path)
    (tmp_path / checkpoint.NAME).write_bytes(b"")
    assert checkpoint.usable(tmp_path)[1].rounds == 3  # without residuals none is missing
    (tmp_path / "residuals").mkdir()
    (tmp_path / "residuals" / "00000001-00000006.safetensors").write_bytes(b"")
    for go_back in (checkpoint.recover, checkpoint.load, checkpoint.usable):
        with pytest.raises(CheckpointError, match=r"residuals of the one before it \(after 3 rounds\) were removed"):
            go_back(tmp_path)


def test_a_damaged_checkpoint_is_recovered_from_the_one_before_it(tmp_path):
    for rounds in (3, 6):
        checkpoint.save(tmp_path, made(rounds))
    checkpoint.recover(tmp_path)  # nothing is wrong yet
    assert checkpoint.load(tmp_path).rounds == 6
    path = tmp_path / checkpoint.NAME
    path.write_bytes(path.read_bytes()[:-10])
    assert checkpoint.usable(tmp_path)[1].rounds == 3
    checkpoint.recover(tmp_path)
    assert checkpoint.load(tmp_path).rounds == checkpoint.rounds_done(tmp_path) == 3
    for name in (checkpoint.NAME, checkpoint.PREVIOUS):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=checkpoint.NAME):
        checkpoint.recover(tmp_path)
