import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import sigmf
from hypothesis import given
from hypothesis import strategies as st

from radio.base import OverrunError, RadioError, Receiver
from radio.sigmf import Annotation, Recording, RecordingError, Segment, record

RATE, CARRIER = 1e6, 2.45e9
ROOT = Path(__file__).parents[2]


def samples(count, seed=0):
    """Any bits at all, so that NaN, infinities and signed zeros are among them."""
    return np.random.default_rng(seed).integers(0, 256, 8 * count, np.uint8).view(np.complex64)


# Two that follow without a gap, then one after a gap, then one that lost 7.
SEGMENTS = (
    Segment(100, samples(50, 1)),
    Segment(150, samples(30, 2)),
    Segment(1000, samples(40, 3)),
    Segment(2000, samples(20, 4), lost=7),
)
EVERYTHING = np.concatenate([segment.data for segment in SEGMENTS])


def write(path, segments=SEGMENTS, **changes):
    words = {"sample_rate": RATE, "frequency": CARRIER, "description": "a test", "datetime": None}
    record(path, segments, **(words | changes))
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "round.3", fields={"seed": 5, "nested": {"snr_db": [1.5, None]}})


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(write(tmp_path_factory.mktemp("recording") / "a"))


def meta_of(path):
    return path.with_name(path.name + ".sigmf-meta")


def data_of(path):
    return path.with_name(path.name + ".sigmf-data")


@contextmanager
def edited(path):
    metadata = json.loads(meta_of(path).read_text())
    yield metadata
    meta_of(path).write_text(json.dumps(metadata))


def same_bits(one, other):
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def test_what_was_recorded_is_heard_again_bit_for_bit(path):
    recording: Receiver = Recording(path)
    for segment in SEGMENTS[:3]:
        heard = recording.receive(segment.data.size, segment.start)
        assert (heard.start, heard.lost, type(heard.data)) == (segment.start, 0, np.ndarray)
        assert same_bits(heard.data, segment.data)


def test_either_file_or_the_bare_name_opens_it(path):
    for name in (path, meta_of(path), data_of(path)):
        recording = Recording(name)
        assert (recording.sample_rate, recording.frequency) == (RATE, CARRIER)
        assert recording.fields == {"seed": 5, "nested": {"snr_db": [1.5, None]}}
        assert [(s.start, s.count, s.lost) for s in recording.segments] == [
            (segment.start, segment.data.size, segment.lost) for segment in SEGMENTS
        ]


@pytest.mark.parametrize("suffix", ["", ".sigmf-meta", ".sigmf-data"])
def test_it_is_written_under_the_bare_name_whatever_suffix_is_given(tmp_path, suffix):
    write(tmp_path / f"a{suffix}")
    assert {file.name for file in tmp_path.iterdir()} == {"a.sigmf-meta", "a.sigmf-data"}


@given(st.lists(st.integers(1, 79), max_size=8, unique=True))
def test_any_split_of_receive_gives_the_same_samples(recording, cuts):
    edges = [0, *sorted(cuts), 80]
    parts = [recording.receive(b - a, 100 + a).data for a, b in pairwise(edges)]
    assert same_bits(np.concatenate(parts), recording.receive(80, 100).data)
    assert same_bits(np.concatenate(parts), EVERYTHING[:80])


def test_what_is_heard_may_be_changed_and_does_not_change_the_recording(path):
    recording = Recording(path)
    recording.receive(50, 100).data[:] = 0
    assert same_bits(recording.receive(50, 100).data, SEGMENTS[0].data)


def test_the_sigmf_library_reads_the_same_samples_and_finds_nothing_wrong(path):
    library = sigmf.fromfile(meta_of(path))  # compares core:sha512
    library.validate()
    assert same_bits(np.asarray(library.read_samples()), EVERYTHING)
    assert same_bits(np.asarray(library.read_samples_in_capture(2)), SEGMENTS[2].data)
    assert library.get_global_info()["core:sample_rate"] == RATE
    assert [c["core:global_index"] for c in library.get_captures()] == [s.start for s in SEGMENTS]
    assert [c["core:frequency"] for c in library.get_captures()] == [CARRIER] * 4


def test_a_numpy_number_is_as_good_as_a_python_one(tmp_path):
    numbers = {"sample_rate": np.float32(RATE), "frequency": np.int64(5)}
    segment = Segment(np.int64(4), samples(9), np.int32(0))
    path = write(tmp_path / "a", [segment], annotations=[Annotation(np.int64(5), np.int64(2), "b")], **numbers)
    assert same_bits(Recording(path).receive(9, 4).data, segment.data)


def test_every_second_sample_of_an_array_can_be_recorded(tmp_path):
    data = samples(20)[::2]
    assert same_bits(Recording(write(tmp_path / "a", [Segment(0, data)])).receive(10, 0).data, data.copy())


def test_without_a_carrier_there_is_no_frequency(tmp_path):
    assert Recording(write(tmp_path / "a", frequency=None)).frequency is None


def test_the_time_stands_at_the_first_sample(tmp_path):
    captures = sigmf.fromfile(write(tmp_path / "a", datetime="2024-05-01T12:00:00.5Z")).get_captures()
    assert [c.get("core:datetime") for c in captures] == ["2024-05-01T12:00:00.5Z", None, None, None]


def test_annotations_come_back_by_the_clock_in_its_order(tmp_path):
    notes = [
        Annotation(1010, 30, "data", {"agent": 3, "gain": [0.5, 1.0]}),
        Annotation(2000, 20, "overrun"),
        Annotation(140, 20, "across two segments"),
    ]
    path = write(tmp_path / "a", annotations=notes)
    assert Recording(path).annotations == (notes[2], notes[0], notes[1])
    assert [a["core:sample_start"] for a in sigmf.fromfile(path).get_annotations()] == [40, 90, 120]


def test_an_annotation_of_another_tool_is_read(path):
    with edited(path) as metadata:
        metadata["annotations"] = [{"core:sample_start": 85, "other:colour": "red"}]
    assert Recording(path).annotations == (Annotation(1005, 35, ""),)


def test_after_close_nothing_is_heard(path):
    recording = Recording(path)
    recording.close()
    recording.close()
    with pytest.raises(RecordingError, match="is closed; open it again"):
        recording.receive(1, 100)


@pytest.mark.parametrize("at, count", [(99, 2), (179, 2), (0, 5), (500, 1), (170, 900), (1039, 2), (3000, 1)])
def test_a_span_that_was_not_recorded_is_refused_and_the_recorded_ones_listed(path, at, count):
    listed = r"holds \[100, 150\), \[150, 180\), \[1000, 1040\), \[2000, 2020\); ask"
    with pytest.raises(RecordingError, match=rf"samples \[{at}, {at + count}\) are not in .*{listed}"):
        Recording(path).receive(count, at)


def test_a_long_list_of_spans_is_cut_short(tmp_path):
    path = write(tmp_path / "a", [Segment(10 * n, samples(5)) for n in range(20)])
    with pytest.raises(RecordingError, match=r"\[70, 75\) and 12 more;"):
        Recording(path).receive(1, 7)


def test_a_segment_that_lost_samples_is_not_heard(path):
    with pytest.raises(OverrunError, match=r"7 samples were lost while \[2000, 2020\).*whole is \[100, 150\), "):
        Recording(path).receive(5, 2010)


def test_the_neighbours_of_a_segment_that_lost_samples_are_heard(tmp_path):
    segments = [Segment(0, samples(5)), Segment(5, samples(5), lost=1), Segment(10, samples(5))]
    recording = Recording(write(tmp_path / "a", segments))
    assert same_bits(recording.receive(5, 0).data, recording.receive(5, 10).data)
    for at in (1, 9):
        with pytest.raises(OverrunError, match="1 samples were lost"):
            recording.receive(5, at)


def test_no_samples_are_no_span(path):
    with pytest.raises(ValueError, match="count must be at least 1 sample, got 0"):
        Recording(path).receive(0, 100)


def test_another_sampling_rate_is_refused_with_both_numbers(path):
    recording = Recording(path)
    recording.expect_rate(RATE)
    message = r"sampled at 1000000 per second, got 2500000 .*set waveform.sample_rate = 1000000, or resample"
    with pytest.raises(RecordingError, match=message):
        recording.expect_rate(2.5e6)


def test_errors_of_recordings_are_errors_of_radios():
    assert issubclass(RecordingError, RadioError)


@pytest.mark.parametrize("file", [meta_of, data_of])
def test_a_missing_file_is_named(path, file):
    file(path).unlink()
    with pytest.raises(RecordingError, match=rf"{file(path).name} cannot be read: No such file.*needs both its files"):
        Recording(path)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[]"])
def test_metadata_that_are_not_json_are_refused(path, content):
    meta_of(path).write_bytes(content)
    with pytest.raises(RecordingError, match=r"is not valid SigMF metadata: .*copy the recording again"):
        Recording(path)


def test_metadata_that_break_the_schema_are_refused_where_they_do(path):
    with edited(path) as metadata:
        metadata["global"]["core:sample_rate"] = -1
    with pytest.raises(RecordingError, match=r"not valid SigMF metadata: \$\.global.*core:sample_rate.*: -1 is less"):
        Recording(path)


@pytest.mark.parametrize("datatype", ["ci16_le", "cf32_be", "cf64_le", "rf32_le"])
def test_another_datatype_is_refused(path, datatype):
    with edited(path) as metadata:
        metadata["global"]["core:datatype"] = datatype
    with pytest.raises(RecordingError, match=f"must be cf32_le, got {datatype}; convert"):
        Recording(path)


@pytest.mark.parametrize("key", ["core:sample_rate", "airmeta:samples"])
def test_a_recording_of_another_program_is_refused(path, key):
    with edited(path) as metadata:
        del metadata["global"][key]
    with pytest.raises(RecordingError, match=r"must state core:sample_rate, airmeta:samples .*record"):
        Recording(path)


@pytest.mark.parametrize("key, value", [("airmeta:index", None), ("airmeta:index", "9"), ("airmeta:lost", 0.5)])
def test_a_segment_without_its_place_is_refused(path, key, value):
    with edited(path) as metadata:
        metadata["captures"][1][key] = value
    with pytest.raises(RecordingError, match="airmeta:index and airmeta:lost, whole numbers"):
        Recording(path)


def test_a_recording_without_segments_is_refused(path):
    with edited(path) as metadata:
        metadata["captures"] = []
    with pytest.raises(RecordingError, match="at least one capture"):
        Recording(path)


@pytest.mark.parametrize("key, value", [("airmeta:index", 149), ("core:sample_start", 0), ("core:sample_start", 80)])
def test_segments_that_contradict_each_other_are_refused(path, key, value):
    with edited(path) as metadata:
        metadata["captures"][1][key] = value
    with pytest.raises(RecordingError, match="contradicts itself"):
        Recording(path)


@pytest.mark.parametrize("hashed", [True, False])
@pytest.mark.parametrize("size, kept, missing", [(8 * 137, 137, 3), (8 * 137 + 5, 137, 3), (1, 0, 140), (0, 0, 140)])
def test_missing_samples_are_counted_even_without_the_hash(path, hashed, size, kept, missing):
    os.truncate(data_of(path), size)
    if not hashed:
        with edited(path) as metadata:
            del metadata["global"]["core:sha512"]
    message = rf"must hold 140 samples \(1120 bytes\).*got {kept} \({size} bytes\): {missing} samples are missing"
    with pytest.raises(RecordingError, match=message):
        Recording(path)


def test_too_many_samples_are_no_recording_either(path):
    data_of(path).write_bytes(data_of(path).read_bytes() + b"abc")
    with pytest.raises(RecordingError, match=r"got 140 .*: 3 bytes are too many"):
        Recording(path)


def test_one_flipped_bit_is_noticed(path):
    content = bytearray(data_of(path).read_bytes())
    content[77] ^= 1
    data_of(path).write_bytes(content)
    with pytest.raises(RecordingError, match=r"all 140 samples .* have changed .*core:sha512 must be"):
        Recording(path)


@pytest.mark.parametrize(
    "segments, message",
    [
        ([], "at least one segment, got 0"),
        ([Segment(0, samples(3).astype(np.complex128))], "segment 0 must be one complex64 .*got complex128"),
        ([Segment(0, samples(4).reshape(2, 2))], r"of shape \(2, 2\)"),
        ([Segment(0, samples(0))], r"at least 1 sample.*of shape \(0,\)"),
        ([Segment(-1, samples(3))], "must have start and lost >= 0, got -1 and 0"),
        ([Segment(0, samples(3), -2)], "must have start and lost >= 0, got 0 and -2"),
        ([Segment(0, samples(3)), Segment(2, samples(3))], r"got \[0, 3\) before \[2, 5\)"),
        ([Segment(9, samples(3)), Segment(2, samples(3))], r"got \[9, 12\) before \[2, 5\); sort"),
    ],
)
def test_segments_out_of_shape_or_order_are_refused(tmp_path, segments, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a", segments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words, message",
    [
        ({"sample_rate": 0}, r"obey SigMF's schema; \$\.global.*core:sample_rate.*: 0\.0 is less"),
        ({"sample_rate": float("nan")}, "must be finite numbers"),
        ({"frequency": 1e13}, r"obey SigMF's schema; \$\.captures\[\d\].*core:frequency"),
        ({"description": 5}, "obey SigMF's schema"),
        ({"datetime": "2024-05-01T12:00:00+02:00"}, "RFC 3339 in UTC"),
        ({"fields": {"h": np.zeros(3)}}, "must be finite numbers, text.*ndarray"),
        ({"fields": {"samples": 3}}, "must not name 'samples'"),
        ({"annotations": [Annotation(149, 32, "b")]}, r"annotation 'b' must cover .*got \[149, 181\)"),
        ({"annotations": [Annotation(500, 1, "b")]}, r"only recorded ones, \[100, 150\)"),
        ({"annotations": [Annotation(120, 0, "b")]}, "at least 1 sample"),
    ],
)
def test_what_cannot_be_said_in_sigmf_is_refused_before_anything_is_written(tmp_path, words, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "a", **words)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"1120 bytes.* cannot be written: No such file.*check that its folder"):
        write(tmp_path / "none" / "a")


def test_a_full_disk_leaves_the_old_recording_and_no_rest(path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(RecordingError, match=r"2097152 bytes of samples\) cannot be written: File too large"):
            write(path, [Segment(0, samples(1 << 18))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert set(path.parent.iterdir()) == {meta_of(path), data_of(path)}
    assert same_bits(Recording(path).receive(50, 100).data, SEGMENTS[0].data)


def test_a_writer_killed_among_its_samples_leaves_no_recording(tmp_path):
    """A file-size limit whose signal is not caught kills the process inside write()."""
    code = f"""if True:
        import resource, signal
        from pathlib import Path
        import numpy as np
        from radio.sigmf import Segment, record
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        record(Path({str(tmp_path / "a")!r}), [Segment(0, np.zeros(1 << 18, np.complex64))], sample_rate=1.0,
               frequency=None, description="", datetime=None)
    """
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -signal.SIGXFSZ
    assert not meta_of(tmp_path / "a").exists()
    with pytest.raises(RecordingError, match="No such file"):
        Recording(tmp_path / "a")
    assert Recording(write(tmp_path / "a")).segments
    assert {file.name for file in tmp_path.iterdir()} == {"a.sigmf-meta", "a.sigmf-data"}


@pytest.mark.parametrize("step", [0, 1])
def test_a_writer_stopped_between_its_renames_leaves_no_words_about_other_samples(path, monkeypatch, step):
    steps, rename = [], Path.replace

    def stopped(source, target):
        if len(steps) == step:
            raise KeyboardInterrupt
        steps.append(target)
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(path, [Segment(0, samples(140, 9))])
    assert set(path.parent.iterdir()) == {data_of(path)}
