"""The server's side of a round: channels from soundings, who may send and how, and the sum from the payload.

Every function here sees what the server receives and what agents report over the control plane, and nothing else.
Channels are per amplitude of a resource element at full power, so powers are in units of P and σ² in units of P too.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import f

from dsp import power
from dsp.channel_estimation import Sounding, estimate
from dsp.frame import SILENT_ELEMENTS, SOUNDING_REPEATS, Frame, PayloadMap, slot_prefix
from dsp.metrics import Alignment, alignment, db
from dsp.ofdm import demodulate
from dsp.phase_tracking import Track, forget_phase, predict, slope_var, update_frequency, update_phase
from dsp.sync import USED_REPEATS
from fl.uplink.grant import Grant, PowerControl
from fl.uplink.waveform.settings import Modem

WEAKEST_PILOTS = 3.3  # times the threshold: weaker pilots would be missed more often than once in 100,000 rounds


@dataclass(frozen=True)
class Link:
    """What the server knows of an agent's channel.

    Args:
        channel: H, phase as at `sounded_at`, shape (2K,).
        noise_var: σ² of an element, in units of P.
        error_var: of `channel`, mean over the subcarriers.
        delay: at which the window with most of its energy begins, in samples.
        sounded_at: index of the middle of the last slot.
        residual: frequency left after the agent's own correction, at `sounded_at`.
    """

    channel: np.ndarray
    noise_var: float
    error_var: float
    delay: float
    sounded_at: float
    residual: Track


@dataclass(frozen=True)
class Granted:
    """The server's decision of a round on the waveform.

    Args:
        grant: weights on each subcarrier and how to read the sum; its `noise_var` is that of all errors but the noise
            of the payload, which is measured in the payload.
        pilot_weights: of each agent's pilots, shape (n, 2K).
        pilot_amplitude: amplitude at which they arrive, shape (n, 2K); 0 where truncated.
    """

    grant: Grant
    pilot_weights: np.ndarray
    pilot_amplitude: np.ndarray


@dataclass(frozen=True)
class Payload:
    """What the server makes of the samples of a payload.

    Args:
        scaled: Σ s_i + error, shape (M,).
        noise_var: variance of that error, shape (M,).
        heard: whose pilots are there, shape (n,).
        alignments: of each agent's pilots; None where there are none to see.
        element_noise: σ² on the silent elements, noise and distortion, in units of P.
        receive_snr: power of the sum over `element_noise`.
    """

    scaled: np.ndarray
    noise_var: np.ndarray
    heard: np.ndarray
    alignments: tuple[Alignment | None, ...]
    element_noise: float
    receive_snr: float


def read_soundings(cycles: list[np.ndarray], modem: Modem, frame: Frame, agent: int) -> list[Sounding]:
    """Return what each slot of an agent says, first cycle first."""
    start = agent * frame.slot_length
    slots = [samples[start : start + frame.slot_length] for samples in cycles]
    return [estimate(slot, modem.numerology, modem.delay_spread, modem.level) for slot in slots]


def silence(sounding: Sounding, modem: Modem) -> str | None:
    """Return why a sounding counts as not sent; None if it was.

    Noise alone has strength F(4K, 4K·(R − 1)) at each of the 4·R frequencies or so among which the largest was taken.
    """
    freedom, trials = 2 * modem.numerology.n_subcarriers, 4 * SOUNDING_REPEATS
    needed = float(f.isf(modem.presence_false_alarm / trials, freedom, freedom * (SOUNDING_REPEATS - 1)))
    if sounding.strength > needed:
        return None
    return (
        f"silent: its sounding was not heard ({db(sounding.strength):.1f} dB over the noise of an average, "
        f"{db(needed):.1f} dB are needed); look at its radio and level, in a simulation at uplink.snr_db and "
        "radio.loopback.path_loss_db"
    )


def slot_middle(modem: Modem, frame: Frame, cycle: int, agent: int) -> float:
    """Return the offset in the round at which a slot's estimate has its phase."""
    first = slot_prefix(modem.numerology) - modem.numerology.window_lead
    return frame.slot(cycle, agent) + first + (SOUNDING_REPEATS * modem.numerology.n_fft - 1) / 2


def follow_link(soundings: list[Sounding], middles: list[float], modem: Modem, start: Track) -> Link:
    """Return the channel of an agent, and the track of its residual frequency, after its soundings.

    Args:
        soundings: of this round, in order.
        middles: index of the server in the middle of each.
        modem: the waveform.
        start: residual frequency before them, phase unknown.
    """
    track, phases = start, []
    inside = slope_var(modem.linewidth, SOUNDING_REPEATS * modem.numerology.n_fft / modem.sample_rate)
    for sounding, middle in zip(soundings, middles, strict=True):
        track = predict(track, middle / modem.sample_rate, modem.linewidth, modem.frequency_walk)
        phase = float(np.angle(np.vdot(soundings[0].channel, sounding.channel)))
        phases.append(phase)
        energy = float(np.sum(np.abs(sounding.channel) ** 2))
        variance = sounding.noise_var / modem.level**2 / (2 * SOUNDING_REPEATS * max(energy, 1e-30))
        track = update_frequency(track, sounding.frequency, sounding.frequency_var + inside)
        track = update_phase(track, phase, variance)
    turned = [
        sounding.channel * np.exp(1j * (phases[-1] - phase)) for sounding, phase in zip(soundings, phases, strict=True)
    ]
    noise = float(np.mean([sounding.noise_var for sounding in soundings])) / modem.level**2
    error = float(np.mean([sounding.error_var for sounding in soundings])) / len(soundings)
    return Link(np.mean(turned, axis=0), noise, error, soundings[-1].delay, middles[-1], track)


def residual_track(tracked: Track, applied: float, time: float, modem: Modem) -> Track:
    """Return the track of what an agent's correction leaves: F − F̂, phase unknown."""
    ahead = forget_phase(predict(tracked, time, modem.linewidth, modem.frequency_walk))
    return replace(ahead, state=np.array([0.0, ahead.frequency - applied]))


def decide(
    control: PowerControl,
    modem: Modem,
    agents: tuple[int, ...],
    symbol_power: np.ndarray,
    channels: np.ndarray,
    misalignment: np.ndarray | None = None,
) -> Granted:
    """Return who sends, with which weights, and how loud each one's pilots will be.

    Args:
        control: the rule, with σ² as measured.
        modem: the waveform.
        agents: ids.
        symbol_power: mean|s_i|² as reported, shape (n,).
        channels: H_i, shape (n, 2K); zero for an agent that was not heard.
        misalignment: variance of each agent's amplitude at the server, relative, shape (n, 2K); None: none.
    """
    least = power.optimal_min_gain(len(agents), 1 / control.noise_var)
    cost = power.inversion_cost(channels, least)
    scale = np.where(np.isfinite(cost), 1 / np.where(np.isfinite(cost), cost, 1.0), 0.0)
    weights = np.array([power.invert_channel(h, s, least) for h, s in zip(channels, scale, strict=True)])
    amplitude = np.where(power.is_active(channels, least), np.sqrt(scale)[:, None], 0.0)
    expected = modem.pilots * np.mean(amplitude**2, axis=-1) / control.noise_var
    needed = WEAKEST_PILOTS * presence_threshold(modem.presence_false_alarm, SILENT_ELEMENTS)
    weak = expected < needed
    # who is left out for its pilots must not set the scale of the others
    grant = _grant(control, agents, symbol_power, channels, weak)
    excluded = dict(grant.excluded)
    for row in np.flatnonzero(weak & channels.any(1)):
        excluded[agents[row]] = (
            f"faded: its pilots would arrive with {db(expected[row]):.1f} dB, {db(needed):.1f} dB are needed to tell "
            "that it is there"
        )
    error = np.maximum(grant.noise_var - control.noise_var / grant.amplitude**2, 0.0)
    if misalignment is not None:
        sent = np.where(grant.heard, symbol_power * grant.sent_fraction**2, 0.0)
        error = error + sent @ np.where(grant.weights != 0, misalignment, 0.0)
    return Granted(replace(grant, excluded=excluded, noise_var=error), weights, amplitude)


def _grant(
    control: PowerControl, agents: tuple[int, ...], symbol_power: np.ndarray, channels: np.ndarray, left_out: np.ndarray
) -> Grant:
    """Return the rule's grant; the rule takes E|h|² = 1, so it sees channels over their rms g, and σ²/g²."""
    sounded = channels[channels.any(1)]
    rms = float(np.sqrt(np.mean(np.abs(sounded) ** 2)))
    normal = replace(
        control, noise_var=control.noise_var / rms**2, mean_amplitude=float(np.mean(np.abs(sounded))) / rms
    )
    grant = normal.grant(agents, symbol_power, np.where(left_out[:, None], 0, channels / rms))
    scale = None if grant.common_scale is None else grant.common_scale * rms**2
    return replace(grant, amplitude=grant.amplitude * rms, common_scale=scale)


def misalignment(links: dict[int, Link], agents: tuple[int, ...], modem: Modem, frame: Frame) -> np.ndarray:
    """Return the relative variance of what each agent's amplitude will be at the server, shape (n, 2K).

        Var H/|H|² + Var φ,   Var φ = 2πΔν·(T/6 + lead + payload/2) + 2.5·σ²/(2·R·Σ|H|²)   with trigger

    T is the span of the soundings between two markers (mean p(1 − p)T of a bridge), the last term the noise of the
    markers on which the phase was read. Without trigger Var φ is that of the tracker, predicted.
    """
    found = np.zeros((len(agents), modem.numerology.n_subcarriers))
    fs = modem.sample_rate
    for row, agent in enumerate(agents):
        if agent not in links:
            continue
        link = links[agent]
        gain = np.maximum(np.abs(link.channel) ** 2, 1e-30)
        if modem.trigger_lead is None:
            ahead = predict(
                link.residual, link.residual.time + modem.turnaround / fs, modem.linewidth, modem.frequency_walk
            )
            phase = float(ahead.covariance[0, 0])
        else:
            span = _sounded_span(frame) / 6 + modem.trigger_lead + frame.payload_length / 2
            read = 2.5 * link.noise_var / (2 * USED_REPEATS * float(gain.sum()))
            phase = 2 * np.pi * modem.linewidth * span / fs + read
        found[row] = link.error_var / gain + phase
    return found


def _sounded_span(frame: Frame) -> int:
    """Return the samples between the markers before and after the last soundings."""
    return frame.agents * frame.slot_length + frame.marker_length


def read_payload(samples: np.ndarray, modem: Modem, granted: Granted, places: PayloadMap) -> Payload:
    """Return the superposed symbols and who was there."""
    numerology, grant = modem.numerology, granted.grant
    elements = demodulate(samples.astype(np.complex64), numerology).reshape(-1) / np.float32(modem.level)
    subcarrier = np.arange(elements.size) % numerology.n_subcarriers
    noise = float(np.mean(np.abs(elements[places.silent]) ** 2))
    heard, alignments = np.zeros(len(grant.heard), bool), []
    for row, on_grant in enumerate(grant.heard):
        held = places.pilots[row]
        expected = places.pilot_values[row] * granted.pilot_amplitude[row, subcarrier[held]]
        seen = alignment(elements[held], expected, numerology.subcarriers[subcarrier[held]], numerology.n_fft)
        heard[row] = on_grant and is_present(
            elements[held], expected, noise, modem.presence_false_alarm, places.silent.size
        )
        alignments.append(seen if heard[row] else None)
    received = elements[places.data]
    where = subcarrier[places.data]
    amplitude = grant.amplitude[where]
    scaled = received / amplitude.astype(np.float32)
    sum_power = float(np.mean(np.abs(received) ** 2))
    snr = max(sum_power - noise, 0.0) / max(noise, 1e-30)
    return Payload(scaled, grant.noise_var[where] + noise / amplitude**2, heard, tuple(alignments), noise, snr)


def presence_threshold(false_alarm: float, noise_elements: int | None = None) -> float:
    """Return T that |Σ e*y|²/(σ²·Σ|e|²) exceeds without pilots with the probability that is set.

    P = e^{−T} where σ² is known,   P = (1 + T/m)^{−m} where it was measured on m elements
    """
    if noise_elements is None:
        return float(-np.log(false_alarm))
    return float(noise_elements * (false_alarm ** (-1 / noise_elements) - 1))


def is_present(
    pilots: np.ndarray, expected: np.ndarray, noise_var: float, false_alarm: float, noise_elements: int | None = None
) -> bool:
    """Return whether pilots arrived: |Σ e*y|²/(σ²·Σ|e|²) exceeds `presence_threshold`."""
    energy = float(np.sum(np.abs(expected) ** 2))
    if energy == 0:
        return False
    statistic = float(np.abs(np.vdot(expected, pilots)) ** 2) / energy
    return statistic > presence_threshold(false_alarm, noise_elements) * noise_var
