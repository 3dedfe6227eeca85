"""What a recording is made of, and where everything stands in its two files.

The format is SigMF 1.2 (https://sigmf.org), datatype cf32_le, one capture per segment. What its core has no word for
stands in the namespace "airmeta": globally `airmeta:samples`, the number of samples in the data file, and the caller's
fields; in a capture `airmeta:index`, the index of its first sample, and `airmeta:lost`; in an annotation its fields.
SigMF counts annotations in samples of the file, we count them, like everything else, by the radio's clock.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from radio.base import RadioError

NAMESPACE = "airmeta"
DATATYPE = "cf32_le"
DTYPE = np.dtype("<c8")
META, DATA = ".sigmf-meta", ".sigmf-data"


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


def files_of(path: Path) -> tuple[Path, Path]:
    """Return the metadata and the data file of a recording; a point in its name starts no suffix."""
    name = path.name.removesuffix(META).removesuffix(DATA)
    return path.with_name(name + META), path.with_name(name + DATA)


def prefixed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields under the names that they have in a file."""
    return {f"{NAMESPACE}:{name}": value for name, value in fields.items()}


def own_fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of our namespace, without its name."""
    prefix = f"{NAMESPACE}:"
    return {name.removeprefix(prefix): value for name, value in entry.items() if name.startswith(prefix)}


def listed(spans: Sequence[Span]) -> str:
    """Return the indices of some spans for a message: eight of them, then a count."""
    shown = ", ".join(f"[{span.start}, {span.end})" for span in spans[:8])
    return (shown + f" and {len(spans) - 8} more" if len(spans) > 8 else shown) or "nothing"


def covering(spans: Sequence[Span], at: int, count: int) -> list[Span]:
    """Return the spans that [at, at + count) lies in, none unless they hold all of it.

    Spans do not overlap, so that they hold all of it if the parts inside them add up to `count`; and as one follows
    another in the file without a gap, so do the samples.
    """
    end = at + count
    touched = [span for span in spans if span.start < end and at < span.end]
    inside = sum(min(end, span.end) - max(at, span.start) for span in touched)
    return touched if inside == count else []


def check_order(spans: Sequence[Span]) -> None:
    """Check that spans follow one another by the clock.

    Raises:
        ValueError: two of them do not.
    """
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise ValueError(
                f"segments must follow one another by the clock, got {listed([one])} before {listed([other])}; sort "
                "them, and cut what overlaps"
            )


def check_schema(metadata: Any) -> None:
    """Check metadata against the schema of SigMF.

    Raises:
        ValueError: the sigmf library refuses them; with the place in the file.
    """
    from jsonschema import ValidationError
    from sigmf.validate import validate

    try:
        with warnings.catch_warnings():
            # Annotating a recording with another tool may bring in a namespace that nobody declared; we do not read it.
            warnings.filterwarnings("ignore", "Found undeclared extensions", DeprecationWarning)
            validate(metadata)
    except ValidationError as error:
        raise ValueError(f"{error.json_path}: {error.message}") from error
