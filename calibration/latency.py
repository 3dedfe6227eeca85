"""By how many samples bursts leave late: of an agent at the server, and of one radio in its own ears.

The agent does what it does in a round: it hears a beacon of the server, and sends soundings, in the server's clock and
on its carrier, that are meant to arrive at indices T of the server's counter. The server says by how much they miss:

    delay = server's transmit latency + agent's transmit latency + twice the path,  in samples of the server

A beacon the other way finds the delay within the search, soundings measure it. Eight groups of a fresh beacon and four
soundings each make the interval honest: what the beacon's own noise and jitter add is the same for all soundings of a
group, so the mean of G groups has a Student's t of G − 1 degrees of freedom. Jitter is what scatters inside the groups,
beyond the noise of measuring (`calibration.timing`).

The path that is meant is the strongest one, and its delay counts twice, there and back. What is seen is the peak of all
paths that the band does not tell apart. Where soundings show that there is more than one path (ρ is above 0 by five
standard errors, from its scatter), half of the interval gets wider by

    2·3·√(ρ/B² + (τ_e − τ̂)²),   B the rms width of the band in radians a sample

(root of squares): in 600 draws each of TDL-A, TDL-C and an exponential profile of 0.1 and 0.3 µs at 4 MS/s, the
strongest path lay within 3·√… of the peak in 93 to 97 % of the cases. Paths a tenth of a sample apart (0.03 µs) may
look like one that lies where none of them does: there, four of five intervals hold the strongest, and in 95 % it is
within 0.4 samples one way.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2, t

from calibration.exchange import MARGIN, Signals, check_scale, meet, queueing, receive
from calibration.measurement import CalibrationError, Measurement, NotApplicable, Quantity, Verdict
from calibration.timing import Arrival, aimed, band_rms, sounding_delay
from dsp.frame import SLOT_GUARD, sounding
from dsp.ofdm import Numerology
from radio.base import Radio

GROUPS, SOUNDINGS = 8, 4
GAP = 2048  # samples between two soundings
OWN_BEACONS = 8
MOST_JITTER = 0.05  # samples
MOST_UNCERTAIN = 0.5  # samples: "to the sample"
SEVERAL = 5.0  # standard errors by which ρ has to be above 0
REACH = 3.0  # half the width of the 95 % interval of the strongest path, in √(ρ/B² + (τ_e − τ̂)²)


@dataclass(frozen=True)
class Delays:
    """What the soundings said.

    Args:
        late: samples by which each came after it was meant to, shape (groups, soundings).
        noise_std: of each from the receiver's noise, in samples, likewise.
        unexplained: ρ of each, likewise.
        skew: τ_e − τ̂ of each, in samples, likewise.
    """

    late: np.ndarray
    noise_std: np.ndarray
    unexplained: np.ndarray
    skew: np.ndarray


def measure(server: Radio, agent: Radio, signals: Signals) -> Measurement:
    """Return by how much an agent's bursts come late at the server.

    Quantities: `delay_samples`, both latencies and twice the strongest path, as the beacon that an agent
    aims by comes late, too; `jitter_samples`, rms from burst to burst;
    `own_samples`, from the agent's transmitter to its own receiver, only where it hears itself, and below full scale.

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
    delays = _as_arrays([_group(server, agent, signals, coarse) for _ in range(GROUPS)])
    mean, apart = _mean(delays.late.mean(1)), paths_apart(delays, signals.numerology)
    delay = Quantity(mean.value, float(np.hypot(mean.uncertainty, 2 * REACH * apart)), mean.unit)
    quantities = {"delay_samples": delay, "jitter_samples": _jitter(delays)}
    # the delay at the server stands without the radio's own
    with suppress(CalibrationError):
        quantities |= own(agent, signals).quantities
    curves = {"burst": np.arange(delays.late.size), "delay_samples": delays.late.ravel()}
    verdict = _verdict(quantities["jitter_samples"], mean, apart, signals.delay_spread)
    return Measurement("latency", agent.serial, server.serial, quantities, verdict, curves)


def own(radio: Radio, signals: Signals) -> Measurement:
    """Return by how much a radio's bursts come late in its own receiver, as `own_samples`.

    Raises:
        NotApplicable: it does not hear itself.
        CalibrationError: it was at full scale, or heard a tone instead.
        RadioError: the radio failed.
    """
    try:
        meetings = [meet(radio, radio, signals) for _ in range(OWN_BEACONS)]
    except CalibrationError as error:
        if error.word != "too weak":
            raise
        raise NotApplicable(
            f"radio {radio.serial} does not hear itself: none of its beacons came within {signals.search} samples; "
            "connect its transmitter to its receiver through an attenuator, or put its antennas nearer to each other "
            "and raise its receiver's gain, if its own delay is wanted; its delay at a server does without"
        ) from error
    late = np.array([meeting.hearer - meeting.sender for meeting in meetings])
    quantities = {"own_samples": _mean(late)}
    curves = {"burst": np.arange(late.size), "delay_samples": late}
    return Measurement("latency", radio.serial, None, quantities, Verdict(), curves)


def _group(server: Radio, agent: Radio, signals: Signals, coarse: float) -> list[Arrival]:
    """Return how much later than meant soundings after one beacon came.

    Raises:
        CalibrationError: one of them was not heard.
        RadioError: a radio failed.
    """
    meeting = meet(server, agent, signals)
    numerology = signals.numerology
    wave = signals.amplitude * sounding(numerology)
    soonest = max(server.now(), int(np.ceil(meeting.sent_at(agent.now() + agent.lead_time + queueing(agent)))))
    targets = [soonest + MARGIN + number * (wave.size + GAP) for number in range(SOUNDINGS)]
    for target in targets:
        agent.transmit(*aimed(wave, meeting, meeting.beacon.cfo, target, signals.sample_rate))
    arrivals = []
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
        arrivals.append(replace(seen, late=first - target + seen.late))
    return arrivals


def _as_arrays(groups: list[list[Arrival]]) -> Delays:
    seen = [[(one.late, one.noise_std, one.unexplained, one.skew) for one in group] for group in groups]
    return Delays(*np.moveaxis(np.array(seen), -1, 0))


def paths_apart(delays: Delays, numerology: Numerology) -> float:
    """Return how far paths lie from the peak that they make, √(ρ/B² + (τ_e − τ̂)²) in samples; 0 if there is one path.

    Args:
        delays: what the soundings said.
        numerology: the grid's numbers.
    """
    unexplained = float(delays.unexplained.mean())
    error = float(delays.unexplained.std(ddof=1)) / np.sqrt(delays.unexplained.size)
    if unexplained <= SEVERAL * error:
        return 0.0
    return float(np.hypot(np.sqrt(unexplained) / band_rms(numerology), delays.skew.mean()))


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


def _verdict(jitter: Quantity, mean: Quantity, apart: float, spread: float) -> Verdict:
    """Return what a user should think of a latency.

    Paths that lie apart are no fault as long as the waveform allows for them: the peak, which bursts are aimed by, is
    known as well as ever.

    Args:
        jitter: of the bursts.
        mean: delay of the peak.
        apart: by how much paths lie beside it, in samples.
        spread: delays of a channel that are allowed for, in samples.
    """
    if jitter.value > MOST_JITTER:
        return Verdict(
            "unstable",
            f"bursts leave {jitter.value:.2g} ± {jitter.uncertainty:.1g} samples (rms) early or late from one to the "
            f"next (limit {MOST_JITTER}); keep both streams running without gaps, or start bursts by a hardware "
            "trigger",
        )
    if mean.uncertainty > MOST_UNCERTAIN:
        return Verdict(
            "too noisy",
            f"the delay is known to ± {mean.uncertainty:.2g} samples (limit {MOST_UNCERTAIN}); raise the level, or "
            "keep the radios and what is around them still",
        )
    if REACH * apart > spread:
        return Verdict(
            "too noisy",
            f"the strongest path may lie {REACH * apart:.2g} samples beside the peak of all paths, delays of "
            f"{spread:.2g} are allowed for; put the antennas nearer to each other, or calibrate over cables",
        )
    return Verdict()
