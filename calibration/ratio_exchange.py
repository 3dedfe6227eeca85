"""Exchanges of two radios on one clock: a marker down, one up, one down, and which of them can be used.

The mean of the two markers down belongs to the middle of an exchange, as the one up does: what changes steadily
cancels.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import f

from calibration.exchange import MARGIN, Signals, check_scale, queueing, receive
from calibration.measurement import CalibrationError
from calibration.ratio_fit import Exchanges
from dsp.frame import LONG_REPEATS, marker, training_symbol
from dsp.metrics import db
from dsp.sync import USED_REPEATS, measure_marker
from radio.base import Radio

FALSE_ALARM = 1e-6
SIGNIFICANT = 5.0  # standard deviations
MOST_MOTION = 3e-3  # of a channel's energy, between the two markers of an exchange


@dataclass(frozen=True)
class Heard:
    """A channel as a marker shows it, shape (2K,), its error variance on each subcarrier, energy over that of noise."""

    channel: np.ndarray
    error_var: float
    strength: float


@dataclass(frozen=True)
class Exchange:
    """Markers down, up, down; `at` is the server's index of the first, `step` the samples from one to the next."""

    at: int
    step: int
    before: Heard
    up: Heard
    after: Heard

    @property
    def downlink(self) -> float:
        """Strength of the weaker marker down."""
        return min(self.before.strength, self.after.strength)


def exchanges(server: Radio, agent: Radio, signals: Signals, clock: int, count: int) -> list[Exchange]:
    """Return what the two hear of each other, the agent's counter ahead of the server's by `clock`.

    All markers are handed over beforehand: were each exchange to wait for lead time and handing over, the phase of the
    ratio could not be followed from one to the next.

    Raises:
        CalibrationError: one of them is at full scale.
        RadioError: a radio failed.
    """
    wave = (signals.amplitude * marker(signals.numerology)).astype(np.complex64)
    step = wave.size + 2 * MARGIN
    at = max(server.now() + server.lead_time, agent.now() + agent.lead_time - clock) + queueing(server)
    starts = [at + number * 3 * step for number in range(count)]
    for start in starts:
        server.transmit(wave, start)
        agent.transmit(wave, start + step + clock)
        server.transmit(wave, start + 2 * step)
    return [_exchange(server, agent, signals, clock, (start, step)) for start in starts]


def _exchange(server: Radio, agent: Radio, signals: Signals, clock: int, place: tuple[int, int]) -> Exchange:
    """Return what is heard of one exchange, from the first marker's index and the samples from one to the next."""
    at, step = place
    before = _hear(agent, at + clock, signals)
    up = _hear(server, at + step, signals)
    return Exchange(at, step, before, up, _hear(agent, at + 2 * step + clock, signals))


def _hear(hearer: Radio, at: int, signals: Signals) -> Heard:
    """Return the channel that a marker shows, its window where the counters say, wherever the paths are.

    Raises:
        CalibrationError: it is at full scale.
    """
    numerology = signals.numerology
    span = receive(hearer, LONG_REPEATS * numerology.n_fft, at)
    check_scale(span.data, span.clipped, hearer)
    seen = measure_marker(span.data, 0.0, 0.0, 0.0, numerology, signals.carrier)
    strength = USED_REPEATS * float(np.mean(np.abs(seen.spectrum) ** 2)) / max(seen.noise_var, 1e-30)
    channel = seen.spectrum * np.conj(training_symbol(numerology)) / signals.amplitude
    return Heard(channel, seen.noise_var / USED_REPEATS / signals.amplitude**2, strength)


def audible(found: list[Exchange], server: Radio, agent: Radio, signals: Signals) -> list[Exchange]:
    """Return the exchanges whose markers all arrived: a fade, or a channel that jumps in a marker, costs one.

    Raises:
        CalibrationError: one of the two is silent in the end, or half of the exchanges were not heard both ways.
    """
    freedom = 2 * signals.numerology.n_subcarriers
    needed = float(f.isf(FALSE_ALARM, freedom, freedom * (USED_REPEATS - 1)))
    for hearer, sender, strengths in (
        (agent, server, [one.downlink for one in found]),
        (server, agent, [one.up.strength for one in found]),
    ):
        if max(strengths[-2:]) < needed or np.median(strengths) < needed:
            last = float(db(max(strengths[-2:])))
            raise CalibrationError(
                f"radio {hearer.serial} no longer hears {sender.serial} ({last:.1f} dB over the noise of a marker at "
                f"last, {float(db(needed)):.1f} dB are needed); see whether it still sends, and calibrate again"
            )
    both = [one for one in found if min(one.downlink, one.up.strength) >= needed]
    if len(both) <= len(found) / 2:
        raise CalibrationError(
            f"only {len(both)} of {len(found)} exchanges of {server.serial} and {agent.serial} were heard both ways, "
            "more than half are needed; raise the levels, or calibrate where the channel does not fade"
        )
    return both


def turn_of(found: list[Exchange]) -> float:
    """Return the phase by which the downlink turns inside an exchange: a median, for channels may jump in some."""
    products = np.array([np.vdot(one.before.channel, one.after.channel) for one in found])
    middle = np.exp(1j * np.angle((products / np.abs(products)).sum()))
    return float(np.angle(middle) + np.median(np.angle(products / middle)))


def still(found: list[Exchange], turned: float, signals: Signals, agent: Radio) -> Exchanges:
    """Return the exchanges during which the channel stood still but for a common turn.

    Raises:
        CalibrationError: in more than half of them it did not.
    """
    half = np.exp(0.5j * turned)
    before, after = (np.array([getattr(one, name).channel for one in found]) for name in ("before", "after"))
    before, after = before * half, after / half
    down_var = float(np.median([(one.before.error_var + one.after.error_var) / 4 for one in found]))
    energy = np.sum(np.abs(before + after) ** 2, axis=1) / 4
    width = signals.numerology.n_subcarriers
    noise = 4 * down_var * width / energy
    moved = np.sum(np.abs(after - before) ** 2, axis=1) / energy - noise
    rows = moved <= np.maximum(SIGNIFICANT * noise / width**0.5, MOST_MOTION)
    if rows.sum() <= len(found) / 2:
        span = 2 * found[0].step / signals.sample_rate
        raise CalibrationError(
            f"the channel of radio {agent.serial} changes by {100 * float(np.median(moved)) ** 0.5:.0f} % within an "
            f"exchange of {1e3 * span:.2g} ms, at most {100 * MOST_MOTION**0.5:.0f} % leave its two directions alike; "
            "keep antennas and people still, or calibrate over a cable",
            "unstable",
        )
    times = np.array([(one.at + one.step) / signals.sample_rate for one in found])
    up = np.array([one.up.channel for one in found])
    up_var = float(np.median([one.up.error_var for one in found]))
    return Exchanges(times, up, (before + after) / 2, up_var, down_var).chosen(rows)
