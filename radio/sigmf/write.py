"""Writing a recording: checked against the rules of SigMF first, then both files whole, or neither."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from radio.sigmf.layout import (
    DATATYPE,
    DTYPE,
    NAMESPACE,
    Annotation,
    RecordingError,
    Segment,
    Span,
    check_order,
    check_schema,
    covering,
    files_of,
    listed,
    prefixed,
)

NAMESPACE_VERSION = "1.0.0"
RFC_3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"
NUMBERS = re.compile(r"\[\n([^\[\]{}\"]+)\]")  # a list on lines of its own; a string of JSON holds no line break


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
        "global": _header(blocks) | core | prefixed({**fields, "samples": spans[-1].offset + spans[-1].count}),
        "captures": captures,
        "annotations": [_located(annotation, spans) for annotation in sorted(annotations, key=lambda a: a.start)],
    }
    _write(path, blocks, _checked_text(metadata))


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
    check_order(spans)
    return spans


def _capture(span: Span) -> dict[str, Any]:
    """What the file says of a segment; `core:global_index` tells the gaps to those who do not know our namespace."""
    core = {"core:sample_start": span.offset, "core:global_index": span.start}
    return core | prefixed({"index": span.start, "lost": span.lost})


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
    held = covering(spans, annotation.start, annotation.count) if annotation.count > 0 else []
    if not held:
        raise ValueError(
            f"annotation {annotation.label!r} must cover at least 1 sample and only recorded ones, {listed(spans)}, "
            f"got [{annotation.start}, {annotation.start + annotation.count}); shorten or drop it"
        )
    return prefixed(annotation.fields) | {
        "core:sample_start": held[0].offset + int(annotation.start) - held[0].start,
        "core:sample_count": int(annotation.count),
        "core:label": annotation.label,
    }


def _checked_text(metadata: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(metadata, indent=4, allow_nan=False) + "\n"
        text = NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"metadata must be finite numbers, text, lists and mappings of these; {error}") from error
    try:
        check_schema(json.loads(text))
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
    meta, data = files_of(path)
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
