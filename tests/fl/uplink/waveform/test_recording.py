import json
import os

import numpy as np
import pytest
import sigmf

from fl.config import dump
from fl.uplink.waveform.recording import Recorder, load, name_of, save, save_listening, sha256
from radio.base import Samples
from radio.sigmf import RecordingError

CARRIER = 2.4e9


@pytest.fixture(scope="module")
def capture(played):
    return played()[0][0]


@pytest.fixture
def path(capture, configured, tmp_path):
    save(capture, tmp_path / "a", dump(configured()), CARRIER)
    return tmp_path / "a"


def meta_of(path):
    return path.with_name(path.name + ".sigmf-meta")


def edit(path, change):
    metadata = json.loads(meta_of(path).read_text())
    change(metadata)
    meta_of(path).write_text(json.dumps(metadata))


def test_the_sigmf_library_reads_what_each_agent_sounded(capture, path):
    library = sigmf.fromfile(meta_of(path))
    library.validate()
    (label, samples), *_ = capture.segments
    length = capture.frame.slot_length
    found = {note["core:label"]: note for note in library.get_annotations() if note["core:sample_start"] < 3 * length}
    assert set(found) == {label, *(f"sounding of agent {agent}" for agent in capture.agents)}
    for row, agent in enumerate(capture.agents):
        start = found[f"sounding of agent {agent}"]["core:sample_start"]
        heard = library.read_samples(start, length)
        assert np.array_equal(heard, samples.data[row * length : (row + 1) * length])


def test_the_decision_is_read_back_to_the_same_bits(capture, path):
    loaded, grant = load(path).granted, capture.granted.grant
    assert loaded.pilot_amplitude.tobytes() == capture.granted.pilot_amplitude.tobytes()
    for name in ("heard", "sent_fraction", "amplitude", "noise_var"):
        assert getattr(loaded.grant, name).tobytes() == getattr(grant, name).tobytes()
    assert loaded.grant.common_scale == grant.common_scale
    assert np.isnan(loaded.grant.weights).all()


def test_a_recording_knows_its_round(capture, configured, path):
    loaded = load(path)
    fields = loaded.fields
    assert (fields.round, fields.agents, fields.start, fields.cycles) == (0, capture.agents, capture.start, 2)
    assert fields.configuration == dump(configured())
    assert fields.sha256 == sha256(capture.estimate)
    assert loaded.carrier == CARRIER
    assert fields.versions["numpy"] == np.__version__


def test_lists_of_numbers_take_one_line_each(path):
    assert len(meta_of(path).read_text().splitlines()) < 250


def test_every_nth_round_is_kept(played, configured, tmp_path):
    recorder = Recorder(tmp_path / "deep" / "down", 2, dump(configured()), CARRIER)
    for capture in played(rounds=4)[0]:
        recorder(capture)
    names = [f"{name_of(index)}.sigmf-{kind}" for index in (1, 3) for kind in ("data", "meta")]
    assert sorted(file.name for file in (tmp_path / "deep" / "down").iterdir()) == names


def test_a_round_in_which_nothing_was_received_leaves_nothing(played, configured, tmp_path):
    def deaf(server):
        server.mute()
        return server

    captures, deliveries = played(spoil=deaf)
    assert "no agent heard the beacon" in deliveries[0].failure
    Recorder(tmp_path / "a", 1, dump(configured()), CARRIER)(captures[0])
    assert not (tmp_path / "a").exists()


def test_silence_is_no_round(tmp_path):
    save_listening([Samples(np.zeros(5, np.complex64), 7), Samples(np.zeros(4, np.complex64), 12)], tmp_path / "a",
                   4e6, CARRIER)  # fmt: skip
    with pytest.raises(RecordingError, match=r"holds 9 samples, but no round; give a recording that"):
        load(tmp_path / "a")


def test_missing_samples_are_counted(path):
    data = path.with_name("a.sigmf-data")
    os.truncate(data, data.stat().st_size - 8 * 100)
    with pytest.raises(RecordingError, match=r"100 samples are missing; copy the recording again"):
        load(path)


def test_a_damaged_field_is_named(path):
    edit(path, lambda metadata: metadata["global"]["airmeta:grant"].update(amplitude=["x"]))
    with pytest.raises(
        RecordingError, match=r"1 fields .* airmeta:grant.amplitude.0 first: .*copy the recording again"
    ):
        load(path)


@pytest.mark.parametrize("name", ["heard", "noise_var", "pilot_amplitude"])
def test_a_decision_about_somebody_else_is_refused(path, name):
    edit(path, lambda metadata: metadata["global"]["airmeta:grant"][name].pop())
    with pytest.raises(RecordingError, match=r"must be of 3 agents on 200 subcarriers throughout, got"):
        load(path)


def test_a_recording_without_a_carrier_is_refused(path):
    edit(path, lambda metadata: [entry.pop("core:frequency") for entry in metadata["captures"]])
    with pytest.raises(RecordingError, match="must state core:frequency"):
        load(path)
