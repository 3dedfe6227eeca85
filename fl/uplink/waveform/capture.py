"""What a server received in a round and what it had decided: enough to decode the round again."""

from dataclasses import dataclass, field

import numpy as np

from dsp.frame import Frame, PayloadMap
from fl.uplink.waveform.reported import Report
from fl.uplink.waveform.server import Granted, Link, Payload
from radio.base import Samples


@dataclass(frozen=True)
class Capture:
    """A round as the server saw it.

    Args:
        round_index: of the run.
        agents: ids, in the order of the rows of `granted`.
        start: index of the beacon's first sample.
        frame: where everything lies from there on.
        places: map of the payload.
        segments: label and samples of each reception.
        links: of the agents heard; empty when the round failed before.
        granted: the decision in force; None when the round failed before.
        payload: what the server made of it; None when the round failed before.
        oracle_sum: Σ c_i·s_i over the agents heard, shape (M,), which only a simulation knows.
        estimate: of Σ g_i, shape (d,); None when the round failed before.
        reports: of the agents, where they measured the beacon in place of sounding.
    """

    round_index: int
    agents: tuple[int, ...]
    start: int
    frame: Frame
    places: PayloadMap
    segments: tuple[tuple[str, Samples], ...]
    links: dict[int, Link]
    granted: Granted | None = None
    payload: Payload | None = None
    oracle_sum: np.ndarray | None = None
    estimate: np.ndarray | None = None
    reports: dict[int, Report] = field(default_factory=dict)
