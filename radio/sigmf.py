"""Recordings in SigMF: what a radio heard, kept with the indices of its clock, and heard again as from a receiver.

The format is SigMF 1.2 (https://sigmf.org), datatype cf32_le, one capture per segment. What its core has no word for
stands in the namespace "airmeta": globally `airmeta:samples`, the number of samples in the data file, and the caller's
fields; in a capture `airmeta:index`, the index of its first sample, and `airmeta:lost`; in an annotation its fields.
SigMF counts annotations in samples of the file, we count them, like everything else, by the radio's clock.
"""

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from radio.base import OverrunError, RadioError, Samples

NAMESPACE = "airmeta"
NAMESPACE_VERSION = "1.0.0"
DATATYPE = "cf32_le"
DTYPE = np.dtype("<c8")
META, DATA = ".sigmf-meta", ".sigmf-data"
RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"


class RecordingError(RadioError):
    """A recording cannot be written, cannot be read, or does not hold what was asked for."""


@dataclass(frozen=True)
class Annotation:
    """A name for `count` samples from index `start` on, and what else is known of them (anything JSON can say)."""

    start: int
    count: int
    label: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Segment:
    """Samples to record: complex64, the first one at index `start`, with `lost` of them missing somewhere inside."""

    start: int
    data: np.ndarray
    lost: int = 0


@dataclass(frozen=True)
class Span:
    """Where a recorded segment lies: `count` samples from index `start` on, at sample `offset` of the data file."""

    start: int
    count: int
    lost: int
    offset: int

    @property
    def end(self) -> int:
        """The index after the last sample."""
        return self.start + self.count


def record(  # noqa: PLR0913 (all but the first two are names that end up in the file)
    path: Path,
    segments: Sequence[Segment],
    *,
    sample_rate: float,
    frequency: float | None,
    description: str,
    datetime: str | None,
    annotations: Iterable[Annotation] = (),
    fields: Mapping[str, Any] = {},
) -> None:
    """Write path.sigmf-data and path.sigmf-meta, both whole or neither; a recording of that name is replaced.

    Args:
        path: the name, with or without one of the two suffixes.
        segments: in the order of the clock, not overlapping.
        sample_rate: in samples per second.
        frequency: of the carrier, in hertz; None where there was none.
        description: one sentence for whoever opens the file.
        datetime: when the first sample was heard, RFC 3339 in UTC: 2024-05-01T12:00:00.5Z.
        annotations: each inside what was recorded.
        fields: what else belongs to the recording; anything JSON can say.

    Raises:
        ValueError: an argument breaks one of these rules, or SigMF's schema.
        RecordingError: the files cannot be written.
    """
    spans = _checked_spans(segments)
    if datetime is not None and not re.fullmatch(RFC_3339, datetime):
        raise ValueError(f"datetime must be RFC 3339 in UTC, like 2024-05-01T12:00:00.5Z, got {datetime!r}")
    if "samples" in fields:
        raise ValueError("fields must not name 'samples', which holds the number of samples; rename that field")
    blocks = [np.ascontiguousarray(segment.data, DTYPE).view(np.uint8).data for segment in segments]
    tuning = {} if frequency is None else {"core:frequency": float(frequency)}
    captures = [_capture(span) | tuning for span in spans]
    if datetime is not None:
        captures[0]["core:datetime"] = datetime
    core = {"core:sample_rate": float(sample_rate), "core:description": description}
    metadata = {
        "global": _header(blocks) | core | _prefixed({**fields, "samples": spans[-1].offset + spans[-1].count}),
        "captures": captures,
        "annotations": [_located(annotation, spans) for annotation in sorted(annotations, key=lambda a: a.start)],
    }
    _write(path, blocks, _checked_text(metadata))


class Recording:
    """A recording as a receiver: it hears again what was recorded, at the indices at which it was heard.

    Attributes:
        sample_rate: in samples per second.
        frequency: of the carrier, in hertz; None where there was none.
        fields: what `record` was given.
        segments: where the recorded segments lie, in the order of the clock.
        annotations: by the radio's clock, like the segments.
    """

    sample_rate: float
    frequency: float | None
    fields: dict[str, Any]
    segments: tuple[Span, ...]
    annotations: tuple[Annotation, ...]

    def __init__(self, path: Path) -> None:
        """Open a recording by its name or either of its files, and read all samples once to see that they are whole.

        Raises:
            RecordingError: a file is missing or damaged, or is not a recording that `record` wrote.
        """
        self._meta, file = _files(path)
        metadata = _read_metadata(self._meta)
        header = metadata["global"]
        self.fields = _own_fields(header)
        samples = self.fields.pop("samples")
        _check_data(file, samples, header.get("core:sha512"))
        self.sample_rate = header["core:sample_rate"]
        self.frequency = metadata["captures"][0].get("core:frequency")
        self.segments = _read_spans(self._meta, metadata["captures"], samples)
        self.annotations = tuple(_read_annotation(entry, self.segments) for entry in metadata["annotations"])
        self._data: np.memmap | None = np.memmap(file, DTYPE, mode="r")

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on, out of one segment or several that follow without a gap.

        Raises:
            ValueError: `count` is not positive.
            OverrunError: a segment they lie in has lost some.
            RecordingError: they were not recorded, or the recording is closed.
        """
        if self._data is None:
            raise RecordingError(f"recording {self._meta} is closed; open it again to hear it")
        if count < 1:
            raise ValueError(f"count must be at least 1 sample, got {count}")
        held = _covering(self.segments, at, count)
        if not held:
            raise RecordingError(
                f"samples [{at}, {at + count}) are not in {self._meta}, which holds {_listed(self.segments)}; ask for "
                "a span inside one of these"
            )
        lost = sum(span.lost for span in held)
        if lost:
            raise OverrunError(
                f"{lost} samples were lost while {_listed(held)} of {self._meta} was recorded, nobody knows where, so "
                f"[{at}, {at + count}) cannot be trusted; whole is {_listed([s for s in self.segments if not s.lost])}"
            )
        first = held[0].offset + at - held[0].start
        return Samples(np.array(self._data[first : first + count], np.complex64), at)

    def expect_rate(self, rate: float) -> None:
        """Do nothing, if the recording was sampled at `rate`.

        Raises:
            RecordingError: it was not.
        """
        if self.sample_rate != rate:
            raise RecordingError(
                f"{self._meta} was sampled at {self.sample_rate:.12g} per second, got {rate:.12g} to be heard at; set "
                f"waveform.sample_rate = {self.sample_rate:.12g}, or resample the recording"
            )

    def close(self) -> None:
        """Let go of the data file; a second call does nothing."""
        self._data = None


def _files(path: Path) -> tuple[Path, Path]:
    """The metadata and the data file of a recording; a point in its name starts no suffix."""
    name = path.name.removesuffix(META).removesuffix(DATA)
    return path.with_name(name + META), path.with_name(name + DATA)


def _prefixed(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{NAMESPACE}:{name}": value for name, value in fields.items()}


def _own_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{NAMESPACE}:"
    return {name.removeprefix(prefix): value for name, value in entry.items() if name.startswith(prefix)}


def _listed(spans: Sequence[Span]) -> str:
    """The indices of some spans for a message: eight of them, then a count."""
    shown = ", ".join(f"[{span.start}, {span.end})" for span in spans[:8])
    return (shown + f" and {len(spans) - 8} more" if len(spans) > 8 else shown) or "nothing"


def _covering(spans: Sequence[Span], at: int, count: int) -> list[Span]:
    """The spans that [at, at + count) lies in, none unless they hold all of it.

    Spans do not overlap, so that they hold all of it if the parts inside them add up to `count`; and as one follows
    another in the file without a gap, so do the samples.
    """
    end = at + count
    touched = [span for span in spans if span.start < end and at < span.end]
    inside = sum(min(end, span.end) - max(at, span.start) for span in touched)
    return touched if inside == count else []


def _check_order(spans: Sequence[Span]) -> None:
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise ValueError(
                f"segments must follow one another by the clock, got {_listed([one])} before {_listed([other])}; sort "
                "them, and cut what overlaps"
            )


def _checked_spans(segments: Sequence[Segment]) -> list[Span]:
    if not segments:
        raise ValueError("segments must hold at least one segment, got 0; there is nothing to record")
    spans, offset = [], 0
    for number, segment in enumerate(segments):
        data = segment.data
        if data.ndim != 1 or data.dtype != np.complex64 or not data.size:
            raise ValueError(
                f"segment {number} must be one complex64 series of at least 1 sample, got {data.dtype} of shape "
                f"{data.shape}; convert it with astype(np.complex64), or leave it out"
            )
        if segment.start < 0 or segment.lost < 0:
            raise ValueError(f"segment {number} must have start and lost >= 0, got {segment.start} and {segment.lost}")
        spans.append(Span(int(segment.start), data.size, int(segment.lost), offset))
        offset += data.size
    _check_order(spans)
    return spans


def _capture(span: Span) -> dict[str, Any]:
    """What the file says of a segment; `core:global_index` tells the gaps to those who do not know our namespace."""
    core = {"core:sample_start": span.offset, "core:global_index": span.start}
    return core | _prefixed({"index": span.start, "lost": span.lost})


def _header(blocks: Iterable[memoryview]) -> dict[str, Any]:
    from sigmf import __specification__

    digest = hashlib.sha512()
    for block in blocks:
        digest.update(block)
    return {
        "core:datatype": DATATYPE,
        "core:version": __specification__,
        "core:sha512": digest.hexdigest(),
        "core:extensions": [{"name": NAMESPACE, "version": NAMESPACE_VERSION, "optional": True}],
    }


def _located(annotation: Annotation, spans: Sequence[Span]) -> dict[str, Any]:
    held = _covering(spans, annotation.start, annotation.count) if annotation.count > 0 else []
    if not held:
        raise ValueError(
            f"annotation {annotation.label!r} must cover at least 1 sample and only recorded ones, {_listed(spans)}, "
            f"got [{annotation.start}, {annotation.start + annotation.count}); shorten or drop it"
        )
    return _prefixed(annotation.fields) | {
        "core:sample_start": held[0].offset + int(annotation.start) - held[0].start,
        "core:sample_count": int(annotation.count),
        "core:label": annotation.label,
    }


def _check_schema(metadata: Any) -> None:
    """Raise ValueError, with the place in the file, where the sigmf library refuses the metadata."""
    from jsonschema import ValidationError
    from sigmf.validate import validate

    try:
        with warnings.catch_warnings():
            # Annotating a recording with another tool may bring in a namespace that nobody declared; we do not read it.
            warnings.filterwarnings("ignore", "Found undeclared extensions", DeprecationWarning)
            validate(metadata)
    except ValidationError as error:
        raise ValueError(f"{error.json_path}: {error.message}") from error


def _checked_text(metadata: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(metadata, indent=4, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata must be finite numbers, text, lists and mappings of these; {error}") from error
    try:
        _check_schema(json.loads(text))
    except ValueError as error:
        raise ValueError(f"metadata must obey SigMF's schema; {error}") from error
    return text


def _write_synced(file: Path, blocks: Iterable[bytes | memoryview]) -> None:
    with file.open("wb") as handle:
        for block in blocks:
            handle.write(block)
        handle.flush()
        os.fsync(handle.fileno())


def _write(path: Path, blocks: Sequence[memoryview], text: str) -> None:
    meta, data = _files(path)
    new_meta, new_data = (file.with_name(f".{file.name}.part") for file in (meta, data))
    try:
        _write_synced(new_data, blocks)
        _write_synced(new_meta, [text.encode()])
        meta.unlink(missing_ok=True)  # between the two renames: no recording, rather than old words about new samples
        new_data.replace(data)
        new_meta.replace(meta)
    except OSError as error:
        raise RecordingError(
            f"recording {meta} ({sum(block.nbytes for block in blocks)} bytes of samples) cannot be written: "
            f"{error.strerror}; check that its folder exists, is writable and has room"
        ) from error
    finally:
        new_meta.unlink(missing_ok=True)
        new_data.unlink(missing_ok=True)


def _unreadable(file: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"{file} cannot be read: {error.strerror}; check the name: a recording needs both its files, NAME{META} and "
        f"NAME{DATA}"
    )


def _read_metadata(file: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(file.read_text(encoding="utf-8"))
        _check_schema(metadata)
    except OSError as error:
        raise _unreadable(file, error) from error
    except ValueError as error:
        raise RecordingError(f"{file} is not valid SigMF metadata: {error}; copy the recording again") from error
    header = metadata["global"]
    datatype = header["core:datatype"]
    if datatype != DATATYPE:
        raise RecordingError(
            f"core:datatype of {file} must be {DATATYPE}, got {datatype}; convert the samples to complex64, full scale "
            "1, and write them with radio.sigmf.record"
        )
    captures = [_own_fields(entry) for entry in metadata["captures"]]
    own = [_own_fields(header).get("samples"), *(entry.get(name) for entry in captures for name in ("index", "lost"))]
    if not captures or "core:sample_rate" not in header or not all(isinstance(value, int) for value in own):
        raise RecordingError(
            f"{file} must state core:sample_rate, {NAMESPACE}:samples and, for each of at least one capture, "
            f"{NAMESPACE}:index and {NAMESPACE}:lost, whole numbers, but does not; if another program wrote it, write "
            "its samples again with radio.sigmf.record"
        )
    return dict(metadata)


def _check_data(file: Path, samples: int, sha512: str | None) -> None:
    """Raise RecordingError unless the file holds this many samples, and where a hash is known, just these."""
    expected = samples * DTYPE.itemsize
    try:
        size = file.stat().st_size
        if size != expected:
            missing = samples - size // DTYPE.itemsize
            fault = f"{missing} samples are missing" if size < expected else f"{size - expected} bytes are too many"
            raise RecordingError(
                f"{file} must hold {samples} samples ({expected} bytes) by its metadata, got {size // DTYPE.itemsize} "
                f"({size} bytes): {fault}; copy the recording again, or record it anew"
            )
        with file.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha512").hexdigest()
    except OSError as error:
        raise _unreadable(file, error) from error
    if sha512 is not None and digest != sha512.lower():
        raise RecordingError(
            f"all {samples} samples of {file} are there, but they have changed since they were recorded: core:sha512 "
            f"must be {sha512[:12]}…, got {digest[:12]}…; copy the recording again, or record it anew"
        )


def _read_spans(meta: Path, captures: Sequence[Mapping[str, Any]], samples: int) -> tuple[Span, ...]:
    offsets = [entry["core:sample_start"] for entry in captures]
    counts = np.diff([*offsets, samples]).tolist()
    entries = zip([_own_fields(entry) for entry in captures], counts, offsets, strict=True)
    spans = [Span(own["index"], count, own["lost"], offset) for own, count, offset in entries]
    try:
        _check_order(spans)
        if offsets[0] != 0 or min(counts) < 1:
            raise ValueError(f"captures must share out samples 0 to {samples}, got core:sample_start {offsets[:8]}")
    except ValueError as error:
        raise RecordingError(f"{meta} contradicts itself: {error}; copy the recording again") from error
    return tuple(spans)


def _read_annotation(entry: Mapping[str, Any], spans: Sequence[Span]) -> Annotation:
    """An annotation by the clock; where another tool left out the count, it lasts to the end of its capture (SigMF)."""
    position = entry["core:sample_start"]
    span = max((span for span in spans if span.offset <= position), key=lambda span: span.offset)
    start = span.start + position - span.offset
    count = entry.get("core:sample_count", span.end - start)
    return Annotation(start, count, entry.get("core:label", ""), _own_fields(entry))
