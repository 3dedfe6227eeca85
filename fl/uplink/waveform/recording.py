"""A round as a SigMF recording: what the server received, what it had decided, and what came of it.

Beside the samples, in the namespace of `radio.sigmf`:

    round, agents, start, cycles    of the run; ids in the order of the grant's rows; index of the beacon's first
                                    sample; soundings of each agent, 0 if agents measured the beacon
    reports         then: what each agent reported, by id, see `ReportFields`
    grant           by which the payload was sent and is read, see `GrantFields`; missing if the round failed before
    sha256          of the estimate, d entries as little-endian float32; missing if there was none
    configuration   of the run as TOML: waveform, map of the payload, sensing operator and receiver follow from it
    versions        of what computed the estimate

A float is written in the shortest form that is read back to the same bits. Annotations name each reception, and in it
the slot of each agent.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import NonNegativeInt, ValidationError

from calibration.ratio import Ratio
from fl.section import Section
from fl.uplink.grant import Grant
from fl.uplink.waveform.capture import Capture
from fl.uplink.waveform.reported import Report
from fl.uplink.waveform.server import Granted
from radio.base import Samples
from radio.sigmf import Annotation, Recording, RecordingError, Segment, record

PACKAGES = "airmeta", "numpy", "scipy", "torch"


class GrantFields(Section):
    """What reading a payload takes of a `Granted`; the weights, which only senders need, are not kept."""

    heard: tuple[bool, ...]
    excluded: dict[int, str]
    sent_fraction: tuple[float, ...]
    amplitude: tuple[float, ...]
    noise_var: tuple[float, ...]
    common_scale: float | None = None
    pilot_amplitude: tuple[tuple[float, ...], ...]


class ReportFields(Section):
    """What an agent reported of a beacon, see `Report`: H_down in its parts, and the chain ratio c."""

    real: tuple[float, ...]
    imag: tuple[float, ...]
    error_var: float
    ratio: Ratio

    @property
    def report(self) -> Report:
        """The report.

        Raises:
            ValueError: its parts are not of one size.
        """
        if len(self.real) != len(self.imag):
            counts = f"{len(self.real)} and {len(self.imag)}"
            raise ValueError(f"a report must have as many real parts as imaginary, got {counts}")
        return Report(np.array(self.real) + 1j * np.array(self.imag), self.error_var, self.ratio)


class RoundFields(Section):
    """The fields of a recorded round."""

    round: NonNegativeInt
    agents: tuple[int, ...]
    start: NonNegativeInt
    cycles: NonNegativeInt
    versions: dict[str, str]
    configuration: str
    sha256: str | None = None
    grant: GrantFields | None = None
    reports: dict[int, ReportFields] | None = None


@dataclass(frozen=True)
class RecordedRound:
    """A round as it was recorded.

    Args:
        recording: the samples.
        carrier: in Hz.
        fields: what else was kept.
        granted: the decision in force, its weights unknown (NaN); None when the round failed before.
        reports: of agents that did not sound, by id.
    """

    recording: Recording
    carrier: float
    fields: RoundFields
    granted: Granted | None
    reports: dict[int, Report]


@dataclass(frozen=True)
class Recorder:
    """Keeps every `every`-th round of a run: call it with each capture.

    Args:
        folder: made when the first round is kept.
        every: rounds from one recording to the next.
        configuration: of the run, as TOML.
        carrier: in Hz.
    """

    folder: Path
    every: int
    configuration: str
    carrier: float

    def __call__(self, capture: Capture) -> None:
        """Write the round if it is its turn; where nothing was received there is nothing to keep."""
        if (capture.round_index + 1) % self.every == 0 and capture.segments:
            self.folder.mkdir(parents=True, exist_ok=True)
            save(capture, self.folder / name_of(capture.round_index), self.configuration, self.carrier)


def name_of(round_index: int) -> str:
    """Return the name of a round's recording, without a suffix."""
    return f"round-{round_index:05d}"


def versions() -> dict[str, str]:
    """Return the versions here of what an estimate's last bit may depend on."""
    found = {name: _version(name) for name in PACKAGES}
    return {name: version for name, version in found.items() if version is not None}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None  # run from a checkout that was not installed


def sha256(estimate: np.ndarray) -> str:
    """Return the hash of an estimate, shape (d,), as little-endian float32."""
    return hashlib.sha256(np.ascontiguousarray(estimate, "<f4").tobytes()).hexdigest()


def save(capture: Capture, path: Path, configuration: str, carrier: float) -> None:
    """Write a round as path.sigmf-data and path.sigmf-meta; a recording of that name is replaced.

    Args:
        capture: the round, with at least one reception.
        path: the name, with or without one of the suffixes.
        configuration: of the run, as TOML.
        carrier: in Hz.

    Raises:
        ValueError: nothing was received.
        RecordingError: the files cannot be written.
    """
    fields = {
        "round": capture.round_index,
        "agents": list(capture.agents),
        "start": capture.start,
        "cycles": capture.frame.cycles,
        "versions": versions(),
        "configuration": configuration,
    }
    if capture.estimate is not None:
        fields["sha256"] = sha256(capture.estimate)
    if capture.granted is not None:
        fields["grant"] = _grant_fields(capture.granted)
    if capture.reports:
        fields["reports"] = {str(agent): _report_fields(report) for agent, report in capture.reports.items()}
    record(
        path,
        [_segment(samples) for _, samples in capture.segments],
        sample_rate=capture.frame.numerology.sample_rate,
        frequency=carrier,
        description=f"airmeta round {capture.round_index}: soundings and payload of {len(capture.agents)} agents",
        datetime=None,  # the clock of a simulated air is not that of the world
        annotations=_annotations(capture),
        fields=fields,
    )


def save_listening(heard: Sequence[Samples], path: Path, sample_rate: float, carrier: float) -> None:
    """Write what a radio heard with nobody sending, one block after another.

    Raises:
        RecordingError: the files cannot be written.
    """
    record(
        path,
        [_segment(samples) for samples in heard],
        sample_rate=sample_rate,
        frequency=carrier,
        description="airmeta: what the server's radio hears with nobody sending",
        datetime=None,
        fields={"versions": versions()},
    )


def load(path: Path) -> RecordedRound:
    """Return a recorded round; both files are read once to see that they are whole.

    Raises:
        RecordingError: a file is missing or damaged, or holds no round.
    """
    recording = Recording(path)
    if "round" not in recording.fields:
        raise RecordingError(
            f"{path} holds {sum(span.count for span in recording.segments)} samples, but no round; give a recording "
            "that `airmeta run --record` or `airmeta radio record` made of a round"
        )
    try:
        fields = RoundFields.model_validate(recording.fields)
        granted = None if fields.grant is None else _granted(fields.grant, len(fields.agents))
        reports = {agent: about.report for agent, about in (fields.reports or {}).items()}
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise RecordingError(
            f"{path}: {error.error_count()} fields of the round are damaged, airmeta:{place} first: {first['msg']}; "
            "copy the recording again, or record it anew"
        ) from error
    except ValueError as error:
        raise RecordingError(f"{path}: {error}; copy the recording again, or record it anew") from error
    if recording.frequency is None:
        raise RecordingError(f"{path} must state core:frequency, the carrier in Hz, but does not; record it anew")
    return RecordedRound(recording, recording.frequency, fields, granted, reports)


def _segment(samples: Samples) -> Segment:
    return Segment(samples.start, samples.data.astype(np.complex64), samples.lost)


def _annotations(capture: Capture) -> Iterator[Annotation]:
    """Yield a name for each reception, and for each agent's slot where no sample was lost."""
    length = capture.frame.slot_length
    for label, samples in capture.segments:
        yield Annotation(samples.start, samples.data.size, label, {"clipped": samples.clipped})
        if label.startswith("soundings") and not samples.lost:
            for row, agent in enumerate(capture.agents):
                yield Annotation(samples.start + row * length, length, f"sounding of agent {agent}", {"agent": agent})


def _grant_fields(granted: Granted) -> dict[str, Any]:
    grant = granted.grant
    found = {
        "heard": grant.heard.tolist(),
        "excluded": {str(agent): reason for agent, reason in grant.excluded.items()},
        "sent_fraction": grant.sent_fraction.tolist(),
        "amplitude": grant.amplitude.tolist(),
        "noise_var": grant.noise_var.tolist(),
        "pilot_amplitude": granted.pilot_amplitude.tolist(),
    }
    return found if grant.common_scale is None else found | {"common_scale": float(grant.common_scale)}


def _report_fields(report: Report) -> dict[str, Any]:
    parts = {"real": report.channel.real.tolist(), "imag": report.channel.imag.tolist()}
    return parts | {"error_var": report.error_var, "ratio": asdict(report.ratio)}


def _granted(fields: GrantFields, agents: int) -> Granted:
    """Return the decision of `agents` agents.

    Raises:
        ValueError: its parts are not of one size.
    """
    width = len(fields.amplitude)
    rows = [len(fields.heard), len(fields.sent_fraction), len(fields.pilot_amplitude)]
    columns = [len(fields.noise_var), *(len(row) for row in fields.pilot_amplitude)]
    if set(rows) != {agents} or set(columns) != {width}:
        raise ValueError(
            f"the grant must be of {agents} agents on {width} subcarriers throughout, got {sorted(set(rows))} agents "
            f"and {sorted(set(columns))} subcarriers"
        )
    unknown = np.full((agents, width), np.nan, complex)
    grant = Grant(
        np.array(fields.heard),
        dict(fields.excluded),
        np.array(fields.sent_fraction),
        unknown,
        np.array(fields.amplitude),
        np.array(fields.noise_var),
        fields.common_scale,
    )
    return Granted(grant, unknown, np.array(fields.pilot_amplitude))
