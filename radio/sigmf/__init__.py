"""Recordings in SigMF: what a radio heard, kept with the indices of its clock, and heard again as from a receiver."""

from radio.sigmf.layout import Annotation, RecordingError, Segment, Span
from radio.sigmf.read import Recording
from radio.sigmf.write import record

__all__ = ["Annotation", "Recording", "RecordingError", "Segment", "Span", "record"]
