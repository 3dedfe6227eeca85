"""A recorded round decoded again: with its own settings to the same bytes, or with those of another receiver.

What was sent cannot change any more. So the recorded grant says how the payload is read, and of the recorded
configuration only what a receiver does with samples may be overridden (`RECEIVER_KEYS`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from array_api_compat import to_device

from dsp.frame import Frame
from dsp.metrics import db
from dsp.phase_tracking import begin
from fl.config import Config, ConfigError, differences, parse
from fl.dimension import message_length
from fl.radios import modem
from fl.threads import use_threads
from fl.uplink.codec import Codec, like, real_like
from fl.uplink.settings import codec
from fl.uplink.waveform.payload import places_of
from fl.uplink.waveform.recording import RecordedRound, sha256
from fl.uplink.waveform.reported import link_of, silence_noise
from fl.uplink.waveform.server import (
    Granted,
    Link,
    Payload,
    follow_link,
    read_payload,
    read_soundings,
    silence,
    slot_middle,
)
from fl.uplink.waveform.settings import Modem
from radio.sigmf import RecordingError

RECEIVER_KEYS = (
    "uplink.receiver",
    "uplink.prior",
    "waveform.delay_spread_s",
    "waveform.window_lead",
    "waveform.presence_false_alarm",
    "waveform.linewidth_hz",
    "waveform.frequency_walk",
    "run.device",
    "run.threads",
)
NO_PART = "rounds", "data_root", "run", "server", "evaluation"


@dataclass(frozen=True)
class Decoded:
    """What came out of a recorded round this time.

    Args:
        links: of the agents whose soundings are there, or that reported what they heard.
        excluded: reason of each agent that was not heard, by id.
        heard: ids of the agents heard.
        payload: what the server makes of it; None if nobody was to send.
        estimate: of Σ g_i, shape (d,), float32; None without one.
        predicted_nmse_db: the receiver's prediction of its error.
        failure: why there is no estimate.
        changed: one line for each setting that is not the recorded one.
        live_sha256: of the estimate when the round was recorded; None without one.
    """

    links: dict[int, Link]
    excluded: dict[int, str]
    heard: tuple[int, ...]
    payload: Payload | None
    estimate: np.ndarray | None
    predicted_nmse_db: float | None
    failure: str | None
    changed: tuple[str, ...]
    live_sha256: str | None

    @property
    def sha256(self) -> str | None:
        """Hash of the estimate."""
        return None if self.estimate is None else sha256(self.estimate)

    @property
    def as_live(self) -> bool:
        """Whether the bytes are those of the recorded round."""
        return self.sha256 == self.live_sha256


def decode(recorded: RecordedRound, overrides: Sequence[str] = ()) -> Decoded:
    """Return what a receiver makes of a recorded round.

    Args:
        recorded: the round.
        overrides: `key=value`, other settings of the receiver.

    Raises:
        ConfigError: a setting is wrong, or would change what was sent.
        OverrunError: samples were lost when it was recorded.
        RecordingError: the samples are not those of such a round, or of another sampling rate.
    """
    config, changed = _settings(recorded, overrides)
    use_threads(config.run.threads)
    fields, granted = recorded.fields, recorded.granted
    about = modem(config.waveform, recorded.carrier)
    symbols = codec(config, message_length(config))
    if fields.cycles:
        frame = replace(about.frame(len(fields.agents), symbols.n_symbols, True), cycles=fields.cycles)
        links, excluded = _links(recorded, about, frame)
    else:
        frame = about.downlink_frame(len(fields.agents), symbols.n_symbols)
        links, excluded = _reported_links(recorded, about, frame), {}
    outcome = Decoded(links, excluded, (), None, None, None, None, changed, fields.sha256)
    if granted is None:
        return replace(outcome, failure="the round had failed before anybody was granted a payload")
    excluded = dict(granted.grant.excluded)
    if not granted.grant.heard.any():
        return replace(outcome, excluded=excluded, failure="nobody had been granted a payload")
    payload = _payload(recorded, about, frame, symbols, granted)
    heard = tuple(agent for agent, there in zip(fields.agents, payload.heard, strict=True) if there)
    for row in np.flatnonzero(granted.grant.heard & ~payload.heard):
        excluded.setdefault(fields.agents[row], "silent: granted, but none of its pilots arrived")
    excluded = {agent: reason for agent, reason in excluded.items() if agent not in heard}
    outcome = replace(outcome, excluded=excluded, heard=heard, payload=payload)
    if not heard:
        return replace(outcome, failure="the air was silent: of all granted agents, no pilots arrived")
    return _recover(outcome, payload, symbols, config.run.device, fields.round)


def _settings(recorded: RecordedRound, overrides: Sequence[str]) -> tuple[Config, tuple[str, ...]]:
    """Return the recorded configuration with the overrides applied, and in which lines it differs from the recorded."""
    text, folder = recorded.fields.configuration, recorded.recording.folder
    live, config = (parse(text, given, folder=folder) for given in ((), overrides))
    recorded.recording.expect_rate(config.waveform.sample_rate)
    changed = {line.partition(":")[0]: line for line in differences(config, live)}
    refused = [_refusal(key) for key in changed if key not in RECEIVER_KEYS]
    if config.run.device.startswith("cuda") and not torch.cuda.is_available():
        refused.append(f"run.device: {config.run.device} is not here; decode with --set run.device=cpu")
    if refused:
        raise ConfigError(refused)
    return config, tuple(changed.values())


def _refusal(key: str) -> str:
    if key.partition(".")[0] in NO_PART:
        reason = "has no part in decoding a round"
    elif key.startswith("radio."):
        reason = "describes a radio, and the samples come from the recording"
    else:
        reason = "shaped what was sent, which is recorded and cannot change"
    return f"{key}: {reason}; leave it out, a recording may be decoded with other {', '.join(RECEIVER_KEYS)}"


def _links(recorded: RecordedRound, about: Modem, frame: Frame) -> tuple[dict[int, Link], dict[int, str]]:
    """Return the links of the agents whose soundings are there, and why the others count as silent."""
    start, agents = recorded.fields.start, recorded.fields.agents
    count = len(agents) * frame.slot_length
    cycles = [recorded.recording.receive(count, start + frame.slot(c, 0)).data for c in range(frame.cycles)]
    links, silent = {}, {}
    for row, agent in enumerate(agents):
        soundings = read_soundings(cycles, about, frame, row)
        reason = silence(soundings[-1], about)
        if reason is None:
            middles = [start + slot_middle(about, frame, cycle, row) for cycle in range(frame.cycles)]
            anything = about.sample_rate / about.numerology.n_fft  # what the tracker knew before is not recorded
            before = begin(middles[0] / about.sample_rate, 0.0, anything)
            links[agent] = follow_link(soundings, middles, about, before)
        else:
            silent[agent] = reason
    return links, silent


def _reported_links(recorded: RecordedRound, about: Modem, frame: Frame) -> dict[int, Link]:
    """Return the links of the agents that reported what they heard of the beacon.

    Raises:
        RecordingError: a report is of another number of subcarriers.
    """
    start, width = recorded.fields.start, about.numerology.n_subcarriers
    for agent, report in recorded.reports.items():
        if report.channel.size != width:
            raise RecordingError(
                f"the report of agent {agent} must be of {width} subcarriers, got {report.channel.size}; copy the "
                "recording again, or record it anew"
            )
    silence = recorded.recording.receive(frame.silence_length, start + frame.soundings_end).data
    noise_var, at = silence_noise(silence, about), float(start + frame.short_length)
    unknown = begin(at / about.sample_rate, 0.0, about.sample_rate / about.numerology.n_fft)
    return {agent: link_of(report, noise_var, about, at, unknown) for agent, report in recorded.reports.items()}


def _payload(recorded: RecordedRound, about: Modem, frame: Frame, symbols: Codec, granted: Granted) -> Payload:
    fields = recorded.fields
    places = places_of(about, symbols, len(fields.agents), fields.round)
    samples = recorded.recording.receive(frame.payload_length, fields.start + frame.payload)
    return read_payload(samples.data, about, granted, places)


def _recover(outcome: Decoded, payload: Payload, symbols: Codec, device: str, round_index: int) -> Decoded:
    """Return the outcome with its estimate, computed with the library, device and precision of a run."""
    reference = torch.zeros(1, dtype=torch.complex64, device=device)
    scaled, noise_var = like(reference, payload.scaled), real_like(reference, payload.noise_var)
    recovery = symbols.recover(scaled, noise_var, round_index)
    estimate = np.asarray(to_device(recovery.estimate, "cpu"))
    return replace(outcome, estimate=estimate, predicted_nmse_db=float(db(float(recovery.predicted_nmse))))
