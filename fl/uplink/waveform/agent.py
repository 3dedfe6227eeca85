"""An agent's side of a round: follow the beacon, sound, and send the payload so that it adds up at the server.

Carrier and sample clock of a radio come from one oscillator, so one frequency says both: with the server's carrier
received at f, the server's clock is faster by f/f_c. The agent sends through a carrier turned by f and a clock
stretched by f/f_c; what is left of f the server measures in the soundings, and the trigger shows in the downlink.
"""

from dataclasses import dataclass

import numpy as np

from dsp.frame import LONG_REPEATS, SHORT_REPEATS, beacon
from dsp.phase_tracking import Track, predict, update_phase, wrap
from dsp.resample import resample
from dsp.sync import Beacon, NotDetected, Reference, acquire, measure_marker, phase_change
from fl.uplink.waveform.settings import Modem
from radio.base import Radio

CHUNK = 512
WIDE_CHUNKS = 8  # of a wide window; and of the time that an agent has to spare until its sounding
TRACKED_SEARCH = 64
LISTENING = CHUNK + 2 * TRACKED_SEARCH  # samples after a beacon until which an agent may go on listening for it
MOST_OFFSET = 50e-6  # between the clocks of two radios: a counter that was never compared may be wrong by this
MOST_DRIFT = 1e-7  # of an offset that was measured: wander since then, and the error of the measurement


@dataclass(frozen=True)
class Clock:
    """How an agent's counter runs beside the server's.

    Args:
        own: index of the agent's counter …
        server: … at this index of the server's.
        offset: server's clock rate over the agent's, less 1.
    """

    own: float
    server: int
    offset: float

    def index(self, server: float) -> float:
        """Return the agent's index of an instant of the server."""
        return self.own + (server - self.server) / (1 + self.offset)


@dataclass(frozen=True)
class Follower:
    """What an agent knows of the server after the beacon of a round.

    Args:
        clock: counter beside counter.
        cfo: of the server's carrier as received, in Hz.
        cfo_std: its standard deviation.
        turned_from: own index from which the carrier's phase is counted.
        opening: long part of the beacon, or of the marker ahead of the last soundings.
        opened: index of that in the server's time.
    """

    clock: Clock
    cfo: float
    cfo_std: float
    turned_from: float
    opening: Reference
    opened: int


@dataclass(frozen=True)
class Correction:
    """How an agent turns its payload.

    Args:
        phase: radians to take back at the server's index `at`.
        frequency: Hz to take back from there on.
        at: index of the server.
        innovation: change of phase that nobody predicted, seen in the trigger; None without one.
        track: what is known of the link at `at`.
    """

    phase: float
    frequency: float
    at: float
    innovation: float | None
    track: Track


def follow(radio: Radio, modem: Modem, beacon_at: int, known: Clock | None, rough: Clock | None = None) -> Follower:
    """Return what the beacon says, listening no longer than it takes to find it.

    Args:
        radio: of the agent.
        modem: the waveform.
        beacon_at: index of the server at which the beacon leaves.
        known: from an earlier round.
        rough: counter beside counter to within `modem.search`, where nothing is known; None: they began together.

    Raises:
        NotDetected: no beacon came within the window.
        RadioError: the radio failed.
    """
    about = known or rough
    expected = float(beacon_at) if about is None else about.index(beacon_at)
    if known is None:
        since = beacon_at if rough is None else beacon_at - rough.server
        margin = min(modem.search + int(np.ceil(MOST_OFFSET * since)), modem.turnaround)
    else:
        margin = TRACKED_SEARCH + int(np.ceil(MOST_DRIFT * (beacon_at - known.server)))
    numerology = modem.numerology
    first = max(int(np.floor(expected)) - margin, 0)
    needed = len(beacon(numerology)) + TRACKED_SEARCH
    heard = radio.receive(needed + (0 if known is None else TRACKED_SEARCH), first).data
    end = first + needed + 2 * margin + numerology.n_fft
    # a wide window in some larger chunks: each is searched as a whole, and real time does not wait for many searches
    spare = modem.response - radio.lead_time - LISTENING
    chunk = max(CHUNK, min(margin, spare) // WIDE_CHUNKS)
    while True:
        try:
            return _follower(acquire(heard, numerology, modem.carrier, modem.false_alarm), first, beacon_at, modem)
        except NotDetected:
            if first + heard.size >= end:
                raise
            # a beacon that ends in the next chunk begins in what is kept: the search costs what it hears, once
            kept = heard[-(needed + chunk) :]
            first += heard.size - kept.size
            heard = np.concatenate([kept, radio.receive(chunk, first + kept.size).data])


def _follower(found: Beacon, first: int, beacon_at: int, modem: Modem) -> Follower:
    offset = found.cfo / modem.carrier
    own = first + found.start
    opened = beacon_at + SHORT_REPEATS * modem.numerology.n_fft // 16
    clock = Clock(own, beacon_at, offset)
    return Follower(clock, found.cfo, found.cfo_std, clock.index(opened), found.reference, opened)


def listen(radio: Radio, modem: Modem, follower: Follower, at: int) -> Reference:
    """Return the marker that left the server at index `at`, with carrier and clock undone."""
    own = follower.clock.index(at)
    first = int(np.floor(own))
    samples = radio.receive(LONG_REPEATS * modem.numerology.n_fft, first).data
    elapsed = first - follower.turned_from
    return measure_marker(samples, own - first, follower.cfo, elapsed, modem.numerology, modem.carrier)


def correct(
    modem: Modem,
    residual: Track,
    sounded_at: float,
    opening: tuple[Reference, int],
    closing: tuple[Reference, int],
    trigger: tuple[Reference, int] | None,
) -> Correction:
    """Return how far the uplink's phase has moved since the sounding.

    The downlink turns the other way. From the long parts before and after the soundings the agent knows the phase at
    its own slot (a straight line between them: the mean of a Brownian bridge), and from the trigger that just before
    the payload; the server's frequency says which turn is meant.

    Args:
        modem: the waveform.
        residual: frequency left after the agent's correction, as the server knows it, at the last sounding.
        sounded_at: index of the server in the middle of the agent's last slot.
        opening: long part ahead of the last soundings, and its index.
        closing: long part after them, and its index.
        trigger: the trigger and its index, if there is one.
    """
    fs = modem.sample_rate
    if trigger is None:
        return Correction(0.0, residual.frequency, sounded_at, None, residual)
    frequency = residual.frequency

    def surprise(before: tuple[Reference, int], after: tuple[Reference, int]) -> tuple[float, float]:
        turned, variance = phase_change(before[0], after[0])
        return wrap(-turned - 2 * np.pi * frequency * (after[1] - before[1]) / fs), variance

    known = np.diag([0.0, residual.covariance[1, 1]])
    inside, variance = surprise(opening, closing)
    ahead = predict(
        Track(opening[1] / fs, residual.state, known), closing[1] / fs, modem.linewidth, modem.frequency_walk
    )
    inside *= ahead.covariance[0, 0] / (ahead.covariance[0, 0] + variance)
    since, variance = surprise(closing, trigger)
    part = (sounded_at - opening[1]) / (closing[1] - opening[1])
    at_closing = 2 * np.pi * frequency * (closing[1] - sounded_at) / fs + inside * (1 - part)
    known = np.diag([variance, residual.covariance[1, 1]])
    track = Track(closing[1] / fs, np.array([at_closing, frequency]), known)
    track = predict(track, trigger[1] / fs, modem.linewidth, modem.frequency_walk)
    track = update_phase(track, track.phase + since, variance)
    return Correction(track.phase, track.frequency, trigger[1], inside * (1 - part) + since, track)


def on_air(modem: Modem, follower: Follower, wave: np.ndarray, at: int) -> tuple[np.ndarray, int]:
    """Return samples and own index of a wave that is to leave at index `at` of the server: clock and carrier turned.

    Args:
        modem: the waveform.
        follower: from the beacon.
        wave: samples in the server's time, shape (count,).
        at: index of the server of the first one.
    """
    samples, firsts = on_air_together(modem, [follower], wave[None], at)
    return samples[0], firsts[0]


def on_air_together(
    modem: Modem, followers: list[Follower], waves: np.ndarray, at: int
) -> tuple[np.ndarray, list[int]]:
    """Return the samples of several agents, shape (n, count), and the own index of each first one."""
    starts = np.array([follower.clock.index(at) for follower in followers])
    firsts = np.floor(starts)
    ratio = np.array([1 + follower.clock.offset for follower in followers])
    delay = (firsts - starts) * ratio
    count = waves.shape[-1] + 2
    moved = resample(waves, ratio, delay, count) if (np.abs(ratio - 1).any() or delay.any()) else _padded(waves, 2)
    frequency = np.array([follower.cfo for follower in followers]) / modem.sample_rate
    before = np.mod(frequency * (firsts - [follower.turned_from for follower in followers]), 1.0)
    return turn(moved, before[:, None] + frequency[:, None] * np.arange(count)), firsts.astype(int).tolist()


def turn(samples: np.ndarray, cycles: np.ndarray) -> np.ndarray:
    """Return samples·e^{j2π·cycles}, complex64."""
    angle = (2 * np.pi * (cycles - np.floor(cycles))).astype(np.float32)
    turned = np.empty(angle.shape, np.complex64)
    np.cos(angle, out=turned.real)
    np.sin(angle, out=turned.imag)
    turned *= samples
    return turned


def _padded(waves: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([waves, np.zeros((len(waves), count), waves.dtype)], axis=-1)
