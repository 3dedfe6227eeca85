"""By how many samples bursts leave late: of an agent at the server, and of one radio in its own ears.

The agent does what it does in a round: it hears a beacon of the server, and sends soundings, in the server's clock and
on its carrier, that are meant to arrive at indices T of the server's counter. The server says by how much they miss:

    delay = server's transmit latency + agent's transmit latency + twice the path,  in samples of the server

A beacon the other way finds the delay within the search, soundings measure it. Eight groups of a fresh beacon and four
soundings each make the interval honest: what the beacon's own noise and jitter add is the same for all soundings of a
group, so the mean of G groups has a Student's t of G − 1 degrees of freedom. Jitter is what scatters inside the groups,
beyond the noise of measuring (`calibration.timing`).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, t

from calibration.exchange import MARGIN, Signals, check_scale, meet, receive
from calibration.measurement import CalibrationError, Measurement, Quantity, Verdict
from calibration.timing import aimed, sounding_delay
from dsp.frame import SLOT_GUARD, sounding
from radio.base import Radio

GROUPS, SOUNDINGS = 8, 4
GAP = 2048  # samples between two soundings
OWN_BEACONS = 8
MOST_JITTER = 0.05  # samples
MOST_UNCERTAIN = 0.5  # samples: "to the sample"


@dataclass(frozen=True)
class Delays:
    """What the soundings said.

    Args:
        late: samples by which each came after it was meant to, shape (groups, soundings).
        noise_std: of each from the receiver's noise, in samples, likewise.
    """

    late: np.ndarray
    noise_std: np.ndarray


def measure(server: Radio, agent: Radio, signals: Signals) -> Measurement:
    """Return by how much an agent's bursts come late at the server.

    Quantities: `delay_samples`, of the strongest path; `jitter_samples`, rms from burst to burst; `own_samples`, from
    the agent's transmitter to its own receiver, only where it hears itself.

    Args:
        server: whose clock the agent follows, and who listens.
        agent: whose bursts it is about.
        signals: what is sent.

    Raises:
        CalibrationError: one does not hear the other, or was at full scale.
        RadioError: a radio failed.
    """
    down, up = meet(server, agent, signals), meet(agent, server, signals)
    coarse = up.hearer - down.sent_at(up.sender)
    found = [_group(server, agent, signals, coarse) for _ in range(GROUPS)]
    delays = Delays(*(np.array(part) for part in zip(*found, strict=True)))
    quantities = {"delay_samples": _mean(delays.late.mean(1)), "jitter_samples": _jitter(delays)}
    quantities |= own(agent, signals).quantities
    curves = {"burst": np.arange(delays.late.size), "delay_samples": delays.late.ravel()}
    verdict = _verdict(quantities)
    return Measurement("latency", agent.serial, server.serial, quantities, verdict, curves)


def own(radio: Radio, signals: Signals) -> Measurement:
    """Return by how much a radio's bursts come late in its own receiver, as `own_samples`.

    One that does not hear itself, or at full scale, has no such quantity, and a verdict that says so.

    Raises:
        RadioError: the radio failed.
    """
    try:
        meetings = [meet(radio, radio, signals) for _ in range(OWN_BEACONS)]
    except CalibrationError as error:
        return Measurement("latency", radio.serial, None, {}, Verdict(error.word, str(error)))
    late = np.array([meeting.hearer - meeting.sender for meeting in meetings])
    quantities = {"own_samples": _mean(late)}
    curves = {"burst": np.arange(late.size), "delay_samples": late}
    return Measurement("latency", radio.serial, None, quantities, Verdict(), curves)


def _group(server: Radio, agent: Radio, signals: Signals, coarse: float) -> tuple[list[float], list[float]]:
    """Return delays and noise of soundings after one beacon.

    Raises:
        CalibrationError: one of them was not heard.
        RadioError: a radio failed.
    """
    meeting = meet(server, agent, signals)
    numerology = signals.numerology
    wave = signals.amplitude * sounding(numerology)
    soonest = max(server.now(), int(np.ceil(meeting.sent_at(agent.now() + agent.lead_time))))
    targets = [soonest + MARGIN + number * (wave.size + GAP) for number in range(SOUNDINGS)]
    for target in targets:
        agent.transmit(*aimed(wave, meeting, meeting.beacon.cfo, target, signals.sample_rate))
    late, noise = [], []
    for target in targets:
        first = int(np.floor(target + coarse))
        heard = receive(server, wave.size + SLOT_GUARD, first)
        check_scale(heard.data, heard.clipped, server)
        seen = sounding_delay(heard.data, numerology, signals.delay_spread)
        if seen is None:
            raise CalibrationError(
                f"server {server.serial} heard a beacon of {agent.serial}, but not its sounding {coarse:.0f} samples "
                "after it was due; look whether the agent still runs and keeps its stream without gaps, and measure "
                "again"
            )
        late.append(first - target + seen[0])
        noise.append(seen[1])
    return late, noise


def _mean(values: np.ndarray) -> Quantity:
    """Return the mean of independent values with its 95 % interval, Student's t."""
    width = t.ppf(0.975, values.size - 1) * float(np.std(values, ddof=1)) / np.sqrt(values.size)
    return Quantity(float(np.mean(values)), float(width), "samples")


def _jitter(delays: Delays) -> Quantity:
    """Return the rms by which bursts scatter inside their groups beyond noise; the wider side of its interval."""
    groups, soundings = delays.late.shape
    freedom = groups * (soundings - 1)
    scatter = float(np.sum((delays.late - delays.late.mean(1, keepdims=True)) ** 2))
    noise = float(np.mean(delays.noise_std**2))

    def beyond(variance: float) -> float:
        return float(np.sqrt(max(variance - noise, 0.0)))

    value = beyond(scatter / freedom)
    low, high = (beyond(scatter / chi2.ppf(end, freedom)) for end in (0.975, 0.025))
    return Quantity(value, max(high - value, value - low), "samples")


def _verdict(quantities: dict[str, Quantity]) -> Verdict:
    """Return what a user should think of a latency."""
    delay, jitter = quantities["delay_samples"], quantities["jitter_samples"]
    if jitter.value > MOST_JITTER:
        return Verdict(
            "unstable",
            f"bursts leave {jitter.value:.2g} ± {jitter.uncertainty:.1g} samples (rms) early or late from one to the "
            f"next (limit {MOST_JITTER}); keep both streams running without gaps, or start bursts by a hardware "
            "trigger",
        )
    if delay.uncertainty > MOST_UNCERTAIN:
        return Verdict(
            "too noisy",
            f"the delay is known to ± {delay.uncertainty:.2g} samples (limit {MOST_UNCERTAIN}); raise the level, or "
            "keep the radios and what is around them still",
        )
    return Verdict()
