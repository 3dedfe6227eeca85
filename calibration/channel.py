"""The channel from an agent to the server: response, delays, coherence, signal over noise, and what they ask for.

`calibration.soundings` says how it is seen, `calibration.response`, `delays`, `coherence` and `doppler` what is read
off it, and `calibration.numerology` which waveform fits.

Uncertainties are those of the channel as it stood over the soundings, and of noise: a delete-one-group jackknife over
twelve groups of soundings (Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982), Doppler apart.
Delay spread is apart as well: `calibration.delay_spread`. Gains are of the whole link, both radios included, at their
present settings.
"""

from dataclasses import replace

import numpy as np
from scipy.special import j0
from scipy.stats import t as student

from calibration import delays
from calibration.delay_spread import between
from calibration.doppler import HALVED
from calibration.exchange import Signals
from calibration.measurement import Measurement, Quantity, Verdict, no_less, no_more
from calibration.numerology import COHERENCE, Present, advise, seen
from calibration.response import Motion, Response, move, respond
from calibration.soundings import PERIODS, Train, interferer, sound
from dsp.metrics import db
from dsp.ofdm import Numerology, delay_ramp
from radio.base import Radio

LEAST_SNR_DB = 10.0
STRONG_DBFS = -40.0  # a signal above it that is in noise all the same is not helped by more gain
GROUPS = 12
SURE = float(student.ppf(0.975, GROUPS - 1))
FLOOR = np.array([1e-3, 1e-3, 0.0, 0.0, 0.0])  # dB, samples²: what resampling and the cut of a profile leave
DEEPEST_DB = -60.0  # of the profile that is drawn


def measure(server: Radio, agent: Radio, signals: Signals, seconds: float = 0.5) -> Measurement:
    """Return what the server sees of an agent's channel.

    Args:
        server: hears.
        agent: sends.
        signals: what is sent, and how long a round takes.
        seconds: of soundings.

    Raises:
        CalibrationError: no beacon or sounding was heard, the agent fell silent, or the server was at full scale.
        RadioError: a radio failed.
        ValueError: the time is too short.
    """
    train, numerology = sound(server, agent, signals, seconds), signals.numerology
    motion = move(train, numerology)
    response = respond(train, motion, numerology)
    found = _figures(train, signals) | _ripple(response) | _coherence(motion)
    verdict = _verdict(train, signals, found, motion)
    about = Measurement("channel", agent.serial, server.serial, found, verdict)
    about = replace(about, curves=_curves(train, motion, response, numerology))
    return _with_advice(about, agent, signals) if signals.for_rounds else about


def _with_advice(about: Measurement, agent: Radio, signals: Signals) -> Measurement:
    """Return a measurement that says which numerology fits."""
    timing = agent.timing_uncertainty / signals.sample_rate
    advice = advise(_present(signals), seen(about, timing))
    found = about.quantities | {
        "advised_cyclic_prefix": Quantity(advice.cyclic_prefix, 0.0, "samples"),
        "advised_n_fft": Quantity(advice.n_fft, 0.0, "samples"),
    }
    said = "; ".join(filter(None, (about.verdict.reason, advice.text)))
    return replace(about, quantities=found, verdict=Verdict(about.verdict.word, said))


def _present(signals: Signals) -> Present:
    """Return how the waveform is set: what of a round's span is no turnaround is payload."""
    turnaround = min(signals.turnaround_s, signals.round_span_s)
    return Present(signals.numerology, signals.delay_spread, turnaround, signals.round_span_s - turnaround)


def _figures(train: Train, signals: Signals) -> dict[str, Quantity]:
    """Return what soundings say together, with the spread of what they say in groups."""
    groups = np.array_split(np.arange(len(train.times)), GROUPS)
    value = _read(train.channels, train.error_var, signals.numerology)
    without = np.array([_read(np.delete(train.channels, group, 0), train.error_var, signals.numerology)
                        for group in groups])  # fmt: skip
    doubt = np.hypot(SURE * np.sqrt((GROUPS - 1) * without.var(0)), FLOOR)
    power_db, variance, first, last, bandwidth = value.tolist()
    fs, doubt = signals.sample_rate, doubt.tolist()
    noise_db = float(db(train.noise_var / train.amplitude**2))
    elements = train.noise.size * len(train.times) * (PERIODS - 1)
    snr_doubt = float(np.hypot(doubt[0], SURE * 10 / np.log(10) / np.sqrt(elements)))
    resolution = delays.profile(train.channels, train.error_var, signals.numerology).resolution
    found = {
        "snr_db": Quantity(power_db - noise_db, snr_doubt, "dB"),
        "gain_db": Quantity(power_db, doubt[0], "dB"),
        **_delay_spread(variance, doubt[1], signals.numerology),
        "first_path_s": Quantity(first / fs, float(np.hypot(doubt[2], resolution)) / fs, "s"),
        "last_path_s": Quantity(last / fs, float(np.hypot(doubt[3], resolution)) / fs, "s"),
    }
    widest = signals.numerology.half_width * fs / signals.numerology.n_fft
    if bandwidth >= widest:
        return found | {"coherence_bandwidth_at_least_hz": Quantity(widest, 0.0, "Hz")}
    return found | {"coherence_bandwidth_hz": Quantity(bandwidth, doubt[4], "Hz")}


def _read(channels: np.ndarray, error_var: float, numerology: Numerology) -> np.ndarray:
    """Return mean |H|² in dB, rms² of delays, first and last path in samples, coherence bandwidth in Hz.

    A bandwidth above K·fs/N, which nobody sees, is given as that.
    """
    power = max(float((np.abs(channels) ** 2).mean()) - error_var, 1e-30)
    spread = delays.spread(delays.profile(channels, error_var, numerology), numerology)
    spacing = numerology.sample_rate / numerology.n_fft
    across = delays.band_correlation(channels, error_var, numerology)
    bandwidth = delays.coherence_bandwidth(across, spacing)
    widest = numerology.half_width * spacing
    return np.array([db(power), spread.variance, spread.first, spread.last, widest if bandwidth is None else bandwidth])


def _delay_spread(variance: float, doubt: float, numerology: Numerology) -> dict[str, Quantity]:
    """Return the rms delay spread, or what it is at most where the band does not show that there is any."""
    low, high = (samples / numerology.sample_rate for samples in between(variance, doubt, numerology))
    if low == 0:
        return {"rms_delay_at_most_s": no_more(high, "s")}
    return {"rms_delay_s": _between(low, high, "s")}


def _ripple(response: Response) -> dict[str, Quantity]:
    """Return largest over smallest |H|² in dB.

    The extremes of many entries pick out the errors that make them so: three standard deviations at both ends.
    """
    size = np.abs(response.value)
    each = 20 / np.log(10) * response.error / np.sqrt(2)
    doubt = 3 * each * float(1 / size.max() + 1 / size.min())
    return {"ripple_db": Quantity(float(db((size.max() / size.min()) ** 2)), doubt, "dB")}


def _coherence(motion: Motion) -> dict[str, Quantity]:
    """Return Doppler and coherence time, or the time for which nothing changed."""
    found = motion.doppler
    if found is None:
        return {"coherence_at_least_s": no_less(motion.span, "s")}
    if HALVED / found.median > motion.span:
        return {"coherence_at_least_s": no_less(min(motion.span, HALVED / found.high), "s")}
    return {
        "doppler_hz": _between(found.low, found.high, "Hz"),
        "coherence_time_s": _between(HALVED / found.high, HALVED / found.low, "s"),
    }


def _between(low: float, high: float, unit: str) -> Quantity:
    return Quantity((low + high) / 2, (high - low) / 2, unit)


def _verdict(train: Train, signals: Signals, found: dict[str, Quantity], motion: Motion) -> Verdict:
    snr, gain = found["snr_db"].value, found["gain_db"].value
    tone = interferer(train, signals)
    if tone is not None:
        return Verdict(
            "too noisy",
            f"something else sends {tone / 1e3:.0f} kHz beside the carrier; find it and switch it off, or move the "
            "carrier",
        )
    if snr < LEAST_SNR_DB:
        level = gain + float(db(train.amplitude**2 * signals.numerology.crest_power))
        if level > STRONG_DBFS:
            return Verdict(
                "too noisy",
                f"{snr:.1f} dB over noise, limit {LEAST_SNR_DB:g}, though the signal is at {level:.0f} dBFS; look for "
                "other senders in the band, or move the carrier",
            )
        return Verdict(
            "too weak",
            f"{snr:.1f} dB over noise, limit {LEAST_SNR_DB:g}, signal at {level:.0f} dBFS; lower the sender's "
            "attenuation, raise the receiver's gain, or move antennas",
        )
    return _steadiness(motion, signals.round_span_s)


def _steadiness(motion: Motion, needed: float) -> Verdict:
    if motion.doppler is None or COHERENCE / motion.doppler.median >= needed:
        return Verdict()
    fast = motion.doppler.median
    return Verdict(
        "unstable",
        f"the channel moves with {fast:.3g} Hz of Doppler shift: it stays alike to 0.99 for "
        f"{1e3 * COHERENCE / fast:.3g} ms, a round needs {1e3 * needed:.0f} ms from sounding to payload; hold antennas "
        "and surroundings still, or shorten waveform.turnaround_s",
    )


def _curves(train: Train, motion: Motion, response: Response, numerology: Numerology) -> dict[str, np.ndarray]:
    """Return what a report draws."""
    fs = numerology.sample_rate
    profile = delays.profile(train.channels, train.error_var, numerology)
    lag, early = motion.correlation.lag, -numerology.window_lead
    lone = delays.profile(delay_ramp(numerology, profile.delay[profile.power.argmax()])[None], 1e-9, numerology)
    fit = np.ones(lag.size) if motion.doppler is None else j0(2 * np.pi * motion.doppler.median * lag) ** 2
    return {
        "frequency_hz": numerology.subcarriers * fs / numerology.n_fft,
        "response_db": db(np.abs(response.value) ** 2),
        "response_phase_deg": np.degrees(np.angle(response.value)),
        "delay_s": profile.delay / fs,
        "profile_db": _depth(profile.power),
        "one_path_db": np.interp(profile.delay, lone.delay, _depth(lone.power), DEEPEST_DB, DEEPEST_DB),
        "prefix_s": np.array([early, early + numerology.cyclic_prefix]) / fs,
        "lag_s": lag,
        "correlation": motion.correlation.value,
        "correlation_fit": fit,
    }


def _depth(power: np.ndarray) -> np.ndarray:
    return np.maximum(db(np.maximum(power, 0.0) / power.max()), DEEPEST_DB)
