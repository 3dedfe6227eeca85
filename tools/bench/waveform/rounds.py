"""Rounds of ten agents over the simulated air, with the receiver or with the genie that it is compared with.

The genie knows channels, clocks, phase trajectories and the linear gain of each front end, and has the same front ends.
It plays on the same air, from the same seed, without timing jitter: knowing the jitter it would undo it exactly, so
that jitter counts as a cost of the receiver.
"""

from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np
import torch

from dsp.metrics import db
from dsp.sparsify import count, top_k
from fl.config import check
from fl.setup import build_uplink
from fl.uplink.base import Delivery, Offer
from fl.uplink.waveform.capture import Capture
from fl.uplink.waveform.link import WaveformUplink
from fl.uplink.waveform.oracle import Oracle, genie
from radio.loopback import LoopbackRadio
from tools.bench.waveform.claims import Effort, Row, share

AGENTS, LENGTH = 10, 28_357
RUNS = 4  # streams that the rounds of a cell are spread over: each draws oscillators and timing offsets once
EVERYONE = -300.0  # min_headroom_db that leaves nobody out
FLAT = {"profile": "flat", "fading": False}
EVERYTHING = {
    "offset_ppm": 20.0,
    "linewidth_hz": 0.01,
    "frequency_walk": 0.17,
    "timing_offset": 16.0,
    "timing_jitter": 0.02,
    "profile": "tdl_a",
    "iq_gain_db": 0.3,
    "iq_phase_deg": 1.0,
    "pa_saturation_dbfs": -4.0,
    "converter_bits": 12,
}


@dataclass(frozen=True)
class Case:
    """A cell of a table.

    Args:
        name: what it is called.
        snr_db: P/σ² of an agent at E|h|² = 1.
        loopback: impairments, keys of `radio.loopback`.
        waveform: keys of `waveform`.
        min_headroom_db: of `uplink`; None: its default.
        genie: agents and server know the truth.
    """

    name: str
    snr_db: float
    loopback: dict[str, Any] = field(default_factory=dict)
    waveform: dict[str, Any] = field(default_factory=dict)
    min_headroom_db: float | None = None
    genie: bool = False

    def with_genie(self) -> "Case":
        """Return the same cell for the genie."""
        return replace(self, genie=True, loopback=self.loopback | {"timing_jitter": 0.0})


def raw_config(case: Case, seed: int) -> dict[str, Any]:
    """Return the configuration of a case as a file would have it."""
    headroom = {} if case.min_headroom_db is None else {"min_headroom_db": case.min_headroom_db}
    return {
        "seed": seed,
        "agents": {"count": AGENTS},
        "uplink": {"kind": "waveform", "snr_db": case.snr_db, **headroom},
        "radio": {"loopback": case.loopback},
        "waveform": case.waveform,
    }


def uplink_of(case: Case, seed: int) -> WaveformUplink:
    """Return the uplink of a case."""
    uplink = build_uplink(check(raw_config(case, seed)), LENGTH)
    if not isinstance(uplink, WaveformUplink):
        raise TypeError(f"a case has the uplink waveform, got {type(uplink).__name__}")
    if case.genie:
        manner = genie(Oracle(radio_of_server(uplink).air, uplink.stations.modem))
        return replace(uplink, manner=manner)
    return uplink


def radio_of_server(uplink: WaveformUplink) -> LoopbackRadio:
    """Return the server's radio, which is on a simulated air."""
    radio = uplink.stations.server
    if not isinstance(radio, LoopbackRadio):
        raise TypeError(f"the bench needs a simulated air, the server has a {type(radio).__name__}")
    return radio


def offer(seed: int, round_index: int) -> Offer:
    """Return top-k updates of all agents, Gaussian before that."""
    updates = np.random.default_rng([seed, round_index]).standard_normal((AGENTS, LENGTH)).astype(np.float32)
    return Offer(tuple(range(AGENTS)), torch.from_numpy(top_k(updates, count(0.04, LENGTH))))


def play(case: Case, seed: int, rounds: int) -> list[Row]:
    """Return the figures of successive rounds; None where a round delivered nothing."""
    uplink = uplink_of(case, seed)
    seen: list[Capture] = []
    uplink.observe = seen.append
    records = []
    for index in range(rounds):
        delivery = uplink.deliver(offer(seed, index), index)
        records.append(_record(delivery, seen.pop(), uplink))
    return records


def _record(delivery: Delivery, capture: Capture, uplink: WaveformUplink) -> Row:
    record: Row = {"heard": np.flatnonzero(delivery.heard).tolist(), "nmse_db": None}
    if delivery.total is None or capture.oracle_sum is None or delivery.common_scale is None:
        return record
    noise_var = radio_of_server(uplink).air.unit_of(0).noise_var / uplink.stations.modem.level**2
    sent = float(np.sum(np.abs(capture.oracle_sum) ** 2))
    return record | {
        "nmse_db": delivery.diagnostics["oracle_sent_symbol_nmse_db"],
        "full_db": delivery.oracle_symbol_nmse_db,
        "masked": delivery.diagnostics["masked_fraction"],
        "limit_db": float(db(noise_var * capture.oracle_sum.size / (delivery.common_scale * sent))),
    }


def play_all(cases: list[Case], effort: Effort, label: str) -> list[list[Row]]:
    """Return the rounds of each case; the seeds are the same for all, so that rounds can be compared one by one."""
    runs = min(RUNS, effort.rounds)
    sizes = [len(part) for part in np.array_split(np.arange(effort.rounds), runs)]
    tasks = [(case, effort.seed + run, size) for case in cases for run, size in enumerate(sizes)]
    played = share(play, tasks, effort, label)
    pieces = [played[place : place + runs] for place in range(0, len(played), runs)]
    return [[record for piece in case for record in piece] for case in pieces]


def paired(rows: list[Row], others: list[Row], key: str = "nmse_db", other_key: str = "nmse_db") -> list[float]:
    """Return the differences in dB of the rounds in which both delivered, from the same agents."""
    return [
        row[key] - other[other_key]
        for row, other in zip(rows, others, strict=True)
        if row["nmse_db"] is not None and other["nmse_db"] is not None and row["heard"] == other["heard"]
    ]


def middle(values: list[float]) -> float:
    """Return the median; nan without values."""
    return float(median(values)) if values else float("nan")


def values(rows: list[Row], key: str) -> list[float]:
    """Return a figure of the rounds that delivered."""
    return [row[key] for row in rows if row["nmse_db"] is not None]


def mean_heard(rows: list[Row]) -> float:
    """Return how many agents were heard in a round, on average."""
    return float(np.mean([len(row["heard"]) for row in rows]))
