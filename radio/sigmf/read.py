"""Reading a recording: refused unless both files are whole and fit each other, then heard as from a radio."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radio.base import OverrunError, Samples
from radio.sigmf.layout import (
    DATA,
    DATATYPE,
    DTYPE,
    META,
    NAMESPACE,
    Annotation,
    RecordingError,
    Span,
    check_order,
    check_schema,
    covering,
    files_of,
    listed,
    own_fields,
)


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
        self._meta, file = files_of(path)
        metadata = _read_metadata(self._meta)
        header = metadata["global"]
        self.fields = own_fields(header)
        samples = self.fields.pop("samples")
        _check_data(file, samples, header.get("core:sha512"))
        self.sample_rate = header["core:sample_rate"]
        self.frequency = metadata["captures"][0].get("core:frequency")
        self.segments = _read_spans(self._meta, metadata["captures"], samples)
        self.annotations = tuple(_read_annotation(entry, self.segments) for entry in metadata["annotations"])
        self._data: np.memmap | None = np.memmap(file, DTYPE, mode="r")

    @property
    def folder(self) -> Path:
        """Where the recording lies."""
        return self._meta.parent

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
        held = covering(self.segments, at, count)
        if not held:
            raise RecordingError(
                f"samples [{at}, {at + count}) are not in {self._meta}, which holds {listed(self.segments)}; ask for "
                "a span inside one of these"
            )
        lost = sum(span.lost for span in held)
        if lost:
            raise OverrunError(
                f"{lost} samples were lost while {listed(held)} of {self._meta} was recorded, nobody knows where, so "
                f"[{at}, {at + count}) cannot be trusted; whole is {listed([s for s in self.segments if not s.lost])}; "
                "record it anew, at a lower rate or with less to do for the machine"
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


def _unreadable(file: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"{file} cannot be read: {error.strerror}; check the name: a recording needs both its files, NAME{META} and "
        f"NAME{DATA}"
    )


def _read_metadata(file: Path) -> dict[str, Any]:
    try:
        metadata = json.loads(file.read_text(encoding="utf-8"))
        check_schema(metadata)
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
    captures = [own_fields(entry) for entry in metadata["captures"]]
    own = [own_fields(header).get("samples"), *(entry.get(name) for entry in captures for name in ("index", "lost"))]
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
    entries = zip([own_fields(entry) for entry in captures], counts, offsets, strict=True)
    spans = [Span(own["index"], count, own["lost"], offset) for own, count, offset in entries]
    try:
        check_order(spans)
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
    return Annotation(start, count, entry.get("core:label", ""), own_fields(entry))
