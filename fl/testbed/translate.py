"""Between the messages of the control plane and what the two sides of an uplink say to each other (`fl.uplink.roles`).

Complex values travel as pairs of real and imaginary part on the last axis; what is sparse, as places and entries.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from dsp.phase_tracking import Track
from fl.control.messages import Followed, Grant, Sent, Sound, TrackState
from fl.uplink.roles import AgentGrant, BeaconReport, SoundingSlot, TransmitReport

Tensors = Mapping[str, np.ndarray]
Fields = dict[str, Any]


def slot_fields(slot: SoundingSlot) -> Fields:
    """Return the fields of `sound`."""
    return vars(slot).copy()


def slot_of(message: Sound) -> SoundingSlot:
    """Return where an agent's soundings lie."""
    return SoundingSlot(message.start, message.slot, message.agents, message.first, message.session, message.now)


def report_fields(report: BeaconReport) -> tuple[Fields, Tensors]:
    """Return fields and tensors of `followed`."""
    fields = {
        "cfo": float(report.cfo),
        "cfo_std": float(report.cfo_std),
        "downlink_var": _plain(report.downlink_var),
    }
    return fields, {} if report.downlink is None else {"downlink": pairs(report.downlink)}


def report_of(message: Followed, tensors: Tensors) -> BeaconReport:
    """Return what an agent made of the beacon."""
    downlink = complex_of(tensors["downlink"]) if "downlink" in tensors else None
    return BeaconReport(message.cfo, message.cfo_std, downlink, message.downlink_var)


def grant_fields(grant: AgentGrant) -> tuple[Fields, Tensors]:
    """Return fields and tensors of `grant`."""
    tensors = {}
    if grant.weights is not None:
        tensors["weights"] = pairs(grant.weights)
    if grant.pilot_weights is not None:
        tensors["pilot_weights"] = pairs(grant.pilot_weights)
    residual = None if grant.residual is None else _track_state(grant.residual)
    fields = {
        "fraction": float(grant.fraction),
        "bits": grant.bits,
        "sounded_at": _plain(grant.sounded_at),
        "residual": residual,
    }
    return fields, tensors


def grant_of(message: Grant, tensors: Tensors) -> AgentGrant:
    """Return the server's decision on an agent."""
    return AgentGrant(
        message.fraction,
        complex_of(tensors["weights"]) if "weights" in tensors else None,
        complex_of(tensors["pilot_weights"]) if "pilot_weights" in tensors else None,
        message.sounded_at,
        None if message.residual is None else _track(message.residual),
        message.bits,
    )


def sent_fields(report: TransmitReport) -> tuple[Fields, Tensors]:
    """Return fields and tensors of `sent`."""
    fields = {
        "fraction": float(report.fraction),
        "bits": report.bits,
        "power": _plain(report.power),
        "papr_db": _plain(report.papr_db),
        "innovation": _plain(report.innovation),
        "track": None if report.track is None else _track_state(report.track),
    }
    tensors = {}
    if report.symbols is not None:
        tensors["symbols"] = pairs(_numpy(report.symbols), np.float32)
    if report.update is not None:
        tensors["update"] = _numpy(report.update).astype(np.float32)
    if report.oracle_kept is not None:
        kept = _numpy(report.oracle_kept).astype(np.float32)
        places = np.flatnonzero(kept)
        tensors |= {"oracle_places": places.astype(np.int64), "oracle_kept": kept[places]}
    return fields, tensors


def sent_of(message: Sent, tensors: Tensors, length: int, device: str) -> TransmitReport:
    """Return what an agent has sent.

    Args:
        message: its report.
        tensors: beside it.
        length: d.
        device: torch device of the server's arrays.

    Raises:
        ValueError: a place is none of the vector's.
    """
    oracle = None
    if "oracle_places" in tensors and "oracle_kept" in tensors:
        places = tensors["oracle_places"]
        if places.size and not 0 <= places.min() <= places.max() < length:
            raise ValueError(
                f"places of kept entries must be from 0 to {length - 1}, got {places.min()} to {places.max()}"
            )
        oracle = torch.zeros(length)
        oracle[torch.from_numpy(places.copy())] = torch.from_numpy(tensors["oracle_kept"].copy())
        oracle = oracle.to(device)
    symbols = None
    if "symbols" in tensors:
        symbols = torch.from_numpy(complex_of(tensors["symbols"]).astype(np.complex64)).to(device)
    update = torch.from_numpy(tensors["update"].copy()).to(device) if "update" in tensors else None
    track = None if message.track is None else _track(message.track)
    return TransmitReport(
        message.fraction, message.power, message.papr_db, message.innovation, track, symbols, update, oracle,
        message.bits,
    )  # fmt: skip


def pairs(values: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """Return complex values, shape (..., n), as real ones, shape (..., n, 2)."""
    return np.stack([values.real, values.imag], axis=-1).astype(dtype)


def complex_of(values: np.ndarray) -> np.ndarray:
    """Return pairs, shape (..., n, 2), as complex128, shape (..., n)."""
    return values[..., 0].astype(np.float64) + 1j * values[..., 1].astype(np.float64)


def _track_state(track: Track) -> TrackState:
    (first, both), (_, second) = np.asarray(track.covariance, np.float64).tolist()
    lower = float(track.covariance[1, 0])
    return TrackState(
        time=float(track.time),
        phase=float(track.state[0]),
        frequency=float(track.state[1]),
        covariance=(first, both, lower, second),
    )


def _track(state: TrackState) -> Track:
    return Track(state.time, np.array([state.phase, state.frequency]), np.array(state.covariance).reshape(2, 2))


def _plain(value: float | None) -> float | None:
    """Return a number of Python: NumPy's are none to a message."""
    return None if value is None else float(value)


def _numpy(values: Any) -> np.ndarray:
    return np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values)
