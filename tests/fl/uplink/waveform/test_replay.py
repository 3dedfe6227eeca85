"""What was recorded is decoded again: the same bytes, or what another receiver would have made of the same samples."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fl.config import ConfigError, dump
from fl.uplink.waveform.recording import load, save, sha256
from fl.uplink.waveform.replay import RECEIVER_KEYS, decode
from radio.base import OverrunError
from radio.sigmf import RecordingError

CARRIER = 2.4e9


@pytest.fixture(scope="module")
def recorded(played, configured, tmp_path_factory):
    """Return a function that plays rounds, records them, and returns captures, deliveries and recordings."""

    def make(*overrides, **options):
        captures, deliveries = played(*overrides, **options)
        folder = tmp_path_factory.mktemp("recorded")
        for capture in captures:
            save(capture, folder / str(capture.round_index), dump(configured(*overrides)), CARRIER)
        return captures, deliveries, [folder / str(capture.round_index) for capture in captures]

    return make


@pytest.fixture(scope="module")
def rounds(recorded):
    return recorded(rounds=3)


def test_the_same_settings_give_the_same_bytes(rounds):
    for capture, delivery, path in zip(*rounds, strict=True):
        found = decode(load(path))
        assert found.as_live
        assert found.estimate.tobytes() == delivery.total.numpy().tobytes()
        assert found.payload.scaled.tobytes() == capture.payload.scaled.tobytes()
        assert found.predicted_nmse_db == delivery.predicted_nmse_db
        assert found.heard == (0, 1, 2)
        assert found.excluded == {}


def test_the_channels_are_those_of_the_round(rounds):
    for capture, _, path in zip(*rounds, strict=True):
        links = decode(load(path)).links
        assert {agent: link.channel.tobytes() for agent, link in links.items()} == {
            agent: link.channel.tobytes() for agent, link in capture.links.items()
        }


@pytest.mark.parametrize(("key", "value"), [("receiver", "lmmse"), ("prior", "gaussian_mixture")])
def test_another_receiver_makes_of_it_what_it_would_have_made_live(rounds, played, key, value):
    _, live = played(("uplink", key, value), rounds=3)
    for path, delivery in zip(rounds[2], live, strict=True):
        found = decode(load(path), [f"uplink.{key}={value}"])
        assert not found.as_live
        assert found.sha256 == sha256(delivery.total.numpy())
        assert found.changed[0].startswith(f"uplink.{key}: {value} here")


def test_a_stricter_receiver_misses_an_agent_and_says_so(rounds):
    found = decode(load(rounds[2][0]), ["waveform.presence_false_alarm=1e-300"])
    assert set(found.heard) | set(found.excluded) == {0, 1, 2}
    assert not set(found.heard) & set(found.excluded)
    assert found.excluded
    assert all("silent" in reason for reason in found.excluded.values())


def test_every_receiver_setting_may_be_set_to_what_it_was(rounds, configured):
    content = configured().model_dump(mode="json")
    same = [f"{key}={content[key.split('.')[0]][key.split('.')[1]]}" for key in RECEIVER_KEYS]
    assert decode(load(rounds[2][0]), same).as_live


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("seed=2", "seed: shaped what was sent"),
        ("uplink.sensing=random_rows", "uplink.sensing: shaped what was sent"),
        ("uplink.measurements=0.3", "uplink.measurements: shaped what was sent"),
        ("waveform.half_width=90", "waveform.half_width: shaped what was sent"),
        ("agents.count=2", "agents.count: shaped what was sent"),
        ("model.width=4", "model.width: shaped what was sent"),
        ("radio.loopback.gain_db=-3", "radio.loopback.gain_db: describes a radio"),
        ("evaluation.tasks=3", "evaluation.tasks: has no part"),
        ("uplink.reciever=lmmse", "did you mean uplink.receiver"),
    ],
)
def test_what_cannot_change_any_more_is_refused_with_the_reason(rounds, setting, reason):
    with pytest.raises(ConfigError, match=reason):
        decode(load(rounds[2][0]), [setting])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_here_is_refused(rounds):
    with pytest.raises(ConfigError, match=r"cuda is not here; decode with --set run\.device=cpu"):
        decode(load(rounds[2][0]), ["run.device=cuda"])


def test_another_sampling_rate_is_refused_with_both_numbers(rounds):
    with pytest.raises(RecordingError, match=r"sampled at 4000000 per second, got 5000000 .*set waveform.sample_rate"):
        decode(load(rounds[2][0]), ["waveform.sample_rate=5e6"])


def test_a_file_that_claims_another_sampling_rate_is_refused(recorded):
    path = recorded()[2][0].with_suffix(".sigmf-meta")
    metadata = json.loads(path.read_text())
    metadata["global"]["core:sample_rate"] = 1e6
    path.write_text(json.dumps(metadata))
    with pytest.raises(RecordingError, match=r"sampled at 1000000 per second, got 4000000 to be heard at"):
        decode(load(path))


class Losing:
    """A radio that has lost samples in its `which`-th reception."""

    def __init__(self, radio, which):
        self.radio, self.left = radio, which

    def __getattr__(self, name):
        return getattr(self.radio, name)

    def receive(self, count, at):
        self.left -= 1
        return replace(self.radio.receive(count, at), lost=5 if self.left == 0 else 0)


@pytest.mark.parametrize("which", [1, 2, 3])
def test_lost_samples_fail_the_replay_as_they_failed_the_round(recorded, which):
    _, deliveries, paths = recorded(spoil=lambda server: Losing(server, which))
    assert "lost 5 of" in deliveries[0].failure
    with pytest.raises(OverrunError, match=r"5 samples were lost while \[.*record it anew"):
        decode(load(paths[0]))


def test_a_round_in_which_nobody_was_granted_a_payload_is_as_it_was(recorded):
    _, deliveries, paths = recorded(("uplink", "min_headroom_db", 90.0))
    found = decode(load(paths[0]))
    assert found.as_live
    assert found.failure == "nobody had been granted a payload"
    assert found.excluded == deliveries[0].excluded
    assert set(found.links) == {0, 1, 2}


def test_a_round_that_failed_before_the_grant_says_who_was_silent(recorded):
    class Deaf(Losing):
        def receive(self, count, at):
            heard = self.radio.receive(count, at)
            noise = np.random.default_rng(at).standard_normal((count, 2)).astype(np.float32) @ [1, 1j]
            return replace(heard, data=(0.01 * noise).astype(np.complex64))

    _, deliveries, paths = recorded(spoil=lambda server: Deaf(server, 0))
    assert "the air was silent" in deliveries[0].failure
    found = decode(load(paths[0]))
    assert found.as_live
    assert "failed before" in found.failure
    assert all("its sounding was not heard" in found.excluded[agent] for agent in range(3))
