"""What a report draws of one round on the air, as plain arrays: what arrived, and what the server made of it."""

from collections.abc import Callable

import numpy as np

from fl.uplink.base import Uplink
from fl.uplink.waveform.capture import Capture
from fl.uplink.waveform.link import WaveformUplink
from fl.uplink.waveform.settings import Modem

Snapshot = dict[str, np.ndarray]


def watch(uplink: Uplink) -> Callable[[], Snapshot | None]:
    """Watch an uplink, beside whoever watches it already, and return a function to its last round's snapshot.

    That function returns None before the first round, and always for an uplink that is not a waveform.
    """
    if not isinstance(uplink, WaveformUplink):
        return lambda: None
    modem, other = uplink.stations.modem, uplink.observe
    last: list[Capture] = []

    def observe(capture: Capture) -> None:
        last[:] = [capture]
        if other is not None:
            other(capture)

    uplink.observe = observe
    return lambda: snapshot(last[0], modem) if last else None


def snapshot(capture: Capture, modem: Modem) -> Snapshot:
    """Return the arrays of a round; what it did not get to is missing.

        always      round, sample_rate, agents (n,), subcarrier_hz (2K,), slot_length
        start       index of the beacon's first sample; soundings_start, payload_start on the same clock
        soundings   samples of the last cycle;  payload: samples of the payload, both relative to full scale
        silence     in place of soundings, with silence_start, where agents measure the beacon and do not sound
        channel_magnitude, channel_phase   of Ĥ, shape (n, 2K), NaN for an agent without a link; phase in radians
        granted     who was to send, shape (n,);  active: where it was not truncated, shape (n, 2K)
        heard       who was there, shape (n,);  received: Σ s_i + error, shape (M,)
        oracle_expected     Σ c_i·s_i over the agents heard, shape (M,)

    Args:
        capture: the round.
        modem: the waveform.
    """
    numerology = modem.numerology
    found: Snapshot = {
        "round": np.array(capture.round_index),
        "sample_rate": np.array(numerology.sample_rate),
        "agents": np.array(capture.agents, int),
        "subcarrier_hz": numerology.subcarriers * (numerology.sample_rate / numerology.n_fft),
        "slot_length": np.array(capture.frame.slot_length),
        "start": np.array(capture.start),
    }
    for label, samples in capture.segments:
        part = label.split()[0]  # the last cycle of soundings overwrites those before it
        found |= {part: samples.data, f"{part}_start": np.array(samples.start)}
    if capture.links:
        nothing = np.full(numerology.n_subcarriers, np.nan, complex)
        channels = [capture.links[agent].channel if agent in capture.links else nothing for agent in capture.agents]
        found |= {"channel_magnitude": np.abs(channels), "channel_phase": np.angle(channels)}
    if capture.granted is not None:
        grant, shape = capture.granted.grant, (len(capture.agents), numerology.n_subcarriers)
        found |= {"granted": grant.heard, "active": np.broadcast_to(grant.weights != 0, shape)}
    if capture.payload is not None:
        found |= {"heard": capture.payload.heard, "received": capture.payload.scaled}
    if capture.oracle_sum is not None:
        found["oracle_expected"] = capture.oracle_sum
    return found
