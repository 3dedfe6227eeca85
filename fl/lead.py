"""What radios need of the spans of a round, for `fl.radio_conflicts`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Lead:
    """How far ahead of time radios must be told what to send.

    Args:
        samples: from the first sample that is heard to the first one that may answer it.
        apart: samples by which counters of two radios may differ.
        block: the key of the samples that are handed over at once.
        reason: what needs this, for an error.
        remedy: what helps there, other than a longer span.
    """

    samples: int
    apart: int
    block: str
    reason: str
    remedy: str = "use a smaller block"
