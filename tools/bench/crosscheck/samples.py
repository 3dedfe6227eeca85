"""What is not random: the same tones through both simulators, sample by sample, and both beside the formula.

The input is a sum of tones within ±0.2 of the sample rate, where GNU Radio's 8-tap interpolator is meant to be used.
So what a resampler should give is known at any instant, x(p) = Σ a_i e^{j(2πf_i p + φ_i)}. GNU Radio gives y[k] at
position p = 3 + εk of its input; our sender's counter is started so that a span of our receiver is at the same
positions.
"""

from dataclasses import dataclass

import numpy as np

from radio.air import Air
from radio.fading import Fading, Profile, profile
from radio.impairments import iq_imbalance
from radio.unit import Unit
from tools.bench.crosscheck.bridge import parts
from tools.bench.crosscheck.effort import CARRIER, SAMPLE_RATE, Effort
from tools.bench.crosscheck.verdict import Samples

COUNT, EDGE = 20_000, 200
BAND, TONES = 0.2, 32
LEAD = 3  # samples by which GNU Radio's interpolator is ahead
FIRST = 1000  # index at which ours begins to listen
CFO = 0.0123  # of the sample rate
CLOCK = 168 * 2.0**-23  # 20.03 ppm: a float32 holds 1 + CLOCK, which is how GNU Radio keeps it
STEPS = 128  # of GNU Radio's interpolator in a sample
WHOLE = np.array([0.0, 3.0, 7.0, 12.0])
FRACTIONS = np.array([0.0, 0.25, 0.5, 0.75])
POWERS = np.array([0.4, 0.3, 0.2, 0.1])
IQ_GAIN_DB, IQ_PHASE_DEG = 0.7, 4.0
KERNEL_DB, FLOAT_DB = -110.0, -120.0
ROOM_DB = 1.5
MMSE_TAPS, MMSE_BAND = 8, 0.25


@dataclass(frozen=True, eq=False)
class Tones:
    """A sum of tones.

    Args:
        frequency: of each, in cycles a sample, shape (T,).
        amplitude: likewise, complex.
    """

    frequency: np.ndarray
    amplitude: np.ndarray

    def at(self, position: np.ndarray) -> np.ndarray:
        """Return x(p) at positions in samples, shape (n,)."""
        total = np.zeros(position.size, complex)
        for frequency, amplitude in zip(self.frequency, self.amplitude, strict=True):
            total += amplitude * np.exp(2j * np.pi * frequency * position)
        return total

    @property
    def bandwidth(self) -> float:
        """The rms frequency in radians a sample."""
        weight = np.abs(self.amplitude) ** 2
        return float(2 * np.pi * np.sqrt((weight * self.frequency**2).sum() / weight.sum()))


def tones(seed: int) -> Tones:
    """Return tones of random frequencies and phases, together below full scale."""
    rng = np.random.default_rng([seed, 0])
    phases = np.exp(2j * np.pi * rng.random(TONES))
    return Tones(rng.uniform(-BAND, BAND, TONES), phases / TONES)


def samples(effort: Effort) -> list[Samples]:
    """Compare taps at whole and fractional delays, carrier, clock, both of one oscillator, and IQ imbalance."""
    return [
        whole_delays(effort), fractional_delays(effort), carrier_offset(effort), clock_offset(effort),
        oscillator_offset(effort), iq(effort),
    ]  # fmt: skip


def whole_delays(effort: Effort) -> Samples:
    """Compare four taps whole samples apart, the gains of a Rayleigh draw of ours."""
    wave = tones(effort.seed)
    heard, gains = _listen(wave, Unit(), _taps(WHOLE), effort.seed)
    taps = np.zeros(int(WHOLE[-1]) + 1, complex)
    taps[WHOLE.astype(int)] = gains
    taps[0] *= effort.wrong
    theirs = _channel(effort, wave, taps)
    return _compared("taps, whole samples", heard, theirs, _through(wave, WHOLE, gains), KERNEL_DB, "our interpolator")


def fractional_delays(effort: Effort) -> Samples:
    """Compare four taps a quarter of a sample apart."""
    wave = tones(effort.seed)
    heard, gains = _listen(wave, Unit(), _taps(FRACTIONS), effort.seed)
    taps = gains * np.where(FRACTIONS == 0, effort.wrong, 1)
    theirs = effort.gnuradio.run("delays", _sent(wave), taps=parts(taps), delays=FRACTIONS.tolist())
    exact = _through(wave, FRACTIONS, gains)
    return _compared(
        "taps, quarters of a sample", heard, theirs, exact, _mmse_db(wave, gains), "its 8-tap interpolator"
    )


def carrier_offset(effort: Effort) -> Samples:
    """Compare a carrier offset alone."""
    wave = tones(effort.seed)
    heard, _ = _listen(wave, Unit(transmit_hz=CFO * SAMPLE_RATE), None, effort.seed)
    theirs = _channel(effort, wave, np.ones(1), cfo=CFO * effort.wrong)
    exact = _turned(_through(wave), CFO)
    # Its phase step is rounded to a float32: half of the last place, times the samples since the first.
    drift = COUNT / 2 * float(np.spacing(np.float32(2 * np.pi * CFO)))
    limit = float(20 * np.log10(drift / np.sqrt(3)) + ROOM_DB)
    return _compared(
        "carrier offset", _turned(heard, 0, CFO), theirs, exact, limit, "its phase step in single precision"
    )


def clock_offset(effort: Effort) -> Samples:
    """Compare a sample-clock offset alone: ours on a carrier of 0 Hz."""
    wave = tones(effort.seed)
    heard, _ = _listen(wave, Unit(offset_ppm=1e6 * CLOCK), None, effort.seed, carrier=0.0)
    theirs = _channel(effort, wave, np.ones(1), epsilon=1 + CLOCK * effort.wrong)
    exact = _through(wave, clock=CLOCK)
    return _compared("clock offset", heard, theirs, exact, _stepping_db(wave), f"its steps of 1/{STEPS} sample")


def oscillator_offset(effort: Effort) -> Samples:
    """Compare what an oscillator does that is off: carrier and clock at once."""
    wave = tones(effort.seed)
    cfo = CLOCK * CARRIER / SAMPLE_RATE
    heard, _ = _listen(wave, Unit(offset_ppm=1e6 * CLOCK), None, effort.seed)
    theirs = _channel(effort, wave, np.ones(1), epsilon=1 + CLOCK, cfo=cfo * effort.wrong)
    exact = _turned(_through(wave, clock=CLOCK), cfo)
    limit = _stepping_db(wave)
    return _compared("oscillator off", _turned(heard, 0, cfo), theirs, exact, limit, f"its steps of 1/{STEPS} sample")


def iq(effort: Effort) -> Samples:
    """Compare IQ imbalance: GNU Radio's weakens the branch that ours keeps, so its branches are swapped."""
    x = _sent(tones(effort.seed))
    swapped = (1j * np.conj(x)).astype(np.complex64)
    heard = 1j * np.conj(iq_imbalance(swapped, IQ_GAIN_DB, -IQ_PHASE_DEG))
    theirs = effort.gnuradio.run("iq", x, gain_db=IQ_GAIN_DB * effort.wrong, phase_deg=IQ_PHASE_DEG)
    gain, phase = 10 ** (IQ_GAIN_DB / 20), np.deg2rad(IQ_PHASE_DEG)
    exact = gain * (np.cos(phase) * x.real.astype(float) + np.sin(phase) * x.imag) + 1j * x.imag
    return _compared("IQ imbalance", heard, theirs, exact, FLOAT_DB, "single precision")


def _listen(
    wave: Tones, sender: Unit, fading: Fading | None, seed: int, carrier: float = CARRIER
) -> tuple[np.ndarray, np.ndarray]:
    """Return COUNT samples at positions LEAD + k·(1 + ε) of the burst, the link's phase taken out, and its gains."""
    flat = Fading(profile("flat"), 0.0, SAMPLE_RATE, k_factor=1e15)
    start = LEAD + FIRST - FIRST * sender.rate
    units = Unit(), Unit(sender.offset_ppm, start, transmit_hz=sender.transmit_hz)
    air = Air(units.__getitem__, fading or flat, carrier, SAMPLE_RATE, seed)
    air.transmit(1, _sent(wave), at=FIRST)
    heard, _ = air.receive(0, COUNT, at=FIRST)
    _, gains = air.oracle_taps(1, 0, np.zeros(1))
    return (heard if fading else heard / gains[0, 0]), gains[0]


def _taps(delays: np.ndarray) -> Fading:
    """Return taps that stand still, at delays in samples."""
    return Fading(Profile("taps", delays, POWERS), 1 / SAMPLE_RATE, SAMPLE_RATE)


def _channel(effort: Effort, wave: Tones, taps: np.ndarray, cfo: float = 0.0, epsilon: float = 1.0) -> np.ndarray:
    return effort.gnuradio.run("channel", _sent(wave), taps=parts(taps), cfo=cfo, epsilon=epsilon)


def _sent(wave: Tones) -> np.ndarray:
    return wave.at(np.arange(COUNT)).astype(np.complex64)


def _through(
    wave: Tones, delays: np.ndarray | None = None, gains: np.ndarray | None = None, clock: float = 0.0
) -> np.ndarray:
    """Return Σ h_l·x(3 + k(1 + ε) − τ_l), shape (COUNT,)."""
    position = LEAD + np.arange(COUNT) * (1 + clock)
    if delays is None or gains is None:
        return wave.at(position)
    return np.asarray(sum(gain * wave.at(position - delay) for delay, gain in zip(delays, gains, strict=True)))


def _turned(x: np.ndarray, cfo: float, before: float = 0.0) -> np.ndarray:
    """Return x[k]·e^{j2πf(k)}, less the turns that ours has made before it begins to listen."""
    return np.asarray(x * np.exp(2j * np.pi * (cfo * np.arange(x.size) - before * FIRST)))


def _stepping_db(wave: Tones) -> float:
    """Return ω²·Δ²/12, what rounding positions to steps Δ costs in dB, with room."""
    return float(20 * np.log10(wave.bandwidth / STEPS) - 10 * np.log10(12) + ROOM_DB)


def _mmse_db(wave: Tones, gains: np.ndarray) -> float:
    """Return what 8 taps cost in dB, with room: those of least mean square error over ±0.25 of the sample rate."""
    places = np.arange(MMSE_TAPS)
    error, power = np.zeros(TONES, complex), np.zeros(TONES, complex)
    for gain, delay in zip(gains, FRACTIONS, strict=True):
        wanted = LEAD + (-delay) % 1
        overlap, target = (np.sinc(2 * MMSE_BAND * (places - other)) for other in (places[:, None], wanted))
        taps = np.linalg.solve(overlap, target)
        omega = 2j * np.pi * wave.frequency
        turn = gain * np.exp(omega * (wanted - LEAD - np.ceil(delay)))
        error += turn * ((taps * np.exp(np.multiply.outer(omega, places - wanted))).sum(1) - 1)
        power += turn
    return float(20 * np.log10(np.linalg.norm(error) / np.linalg.norm(power)) + ROOM_DB)


def _compared(
    name: str, ours: np.ndarray, theirs: np.ndarray, exact: np.ndarray, limit_db: float, reason: str
) -> Samples:
    """Return what is compared, without the edges, where the interpolators see less than the whole burst."""
    kept = slice(EDGE, COUNT - EDGE)
    return Samples(name, ours[kept], theirs[kept], exact[kept], limit_db, reason)
