"""Which numbers of the waveform fit a channel, and which of the present ones do not.

    cyclic_prefix >= delay spread + 2·timing                  timing <= window_lead <= prefix − timing − delay spread
    cyclic_prefix <= N/5                                      a prefix costs no more than a sixth of the air
    50·f_D <= fs/N <= coherence bandwidth/10                  subcarriers neither smear nor bend
    sounding to end of payload <= 0.032/f_D                   the channel is what it was: J0 = 0.99, -17 dB

What the prefix needs goes first, then Doppler, then the coherence bandwidth; what cannot be had at all is said.
"""

import math
from dataclasses import dataclass

from calibration.measurement import Measurement
from dsp.ofdm import Numerology

PREFIX_SHARE = 5
DOPPLER_SHARE = 50
BANDWIDTH_SHARE = 10
COHERENCE = 0.032  # f_D times the time from sounding to the end of the payload
LEAST_TURNAROUND = 3e-3  # s: markers, the trigger and its lead
SIZES = tuple(2**power for power in range(6, 14))  # of N
STEP = 8  # samples, to which prefixes are rounded up
ROUNDING = 1e-6  # samples
REACH = 5.3  # times the rms delay spread, to where 0.5 % of the energy of a decaying profile are left: −ln 0.005


@dataclass(frozen=True)
class Present:
    """How the waveform is set.

    Args:
        numerology: the grid's numbers.
        delay_spread: delays that the receiver allows for, in samples.
        turnaround_s: from the last sounding to the payload.
        payload_s: length of the payload, and of soundings between one's own and the turnaround.
    """

    numerology: Numerology
    delay_spread: float
    turnaround_s: float = 0.05
    payload_s: float = 0.0


@dataclass(frozen=True)
class Seen:
    """What a channel asks for; of several agents, the worst.

    Args:
        delay_spread_s: from the first to the last significant path.
        timing_s: by which a burst may come early or late after calibration.
        doppler_hz: f_D; 0: nothing moves.
        coherence_bandwidth_hz: inf: more than the band.

    Raises:
        ValueError: one of them is negative, or not a number.
    """

    delay_spread_s: float
    timing_s: float = 0.0
    doppler_hz: float = 0.0
    coherence_bandwidth_hz: float = math.inf

    def __post_init__(self) -> None:
        for name in ("delay_spread_s", "timing_s", "doppler_hz"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be finite and at least 0, got {getattr(self, name)}; measure it again")
        if not self.coherence_bandwidth_hz > 0:
            raise ValueError(
                f"coherence_bandwidth_hz must be positive, got {self.coherence_bandwidth_hz}; inf is more than the band"
            )


@dataclass(frozen=True)
class Advice:
    """What to set.

    Args:
        problems: what does not fit, one clause each; empty: all fits.
        settings: keys of the configuration that have to change, and their values.
        cyclic_prefix: samples that fit, changed or not.
        n_fft: the same.
        window_lead: the same.
    """

    problems: tuple[str, ...]
    settings: dict[str, float]
    cyclic_prefix: int
    n_fft: int
    window_lead: int

    @property
    def fits(self) -> bool:
        """Whether the waveform can stay as it is."""
        return not self.problems

    @property
    def options(self) -> str:
        """Return the settings as options of the command line."""
        return " ".join(f"--set {key}={value:.6g}" for key, value in self.settings.items())

    @property
    def text(self) -> str:
        """Return the advice in words."""
        if self.fits:
            return "the numerology fits this channel"
        return "; ".join(self.problems) + (f"; use {self.options}" if self.settings else "")


def seen(measurement: Measurement, timing_s: float = 0.0) -> Seen:
    """Return what a measurement of kind "channel" asks for, each number at the worse end of its interval.

    First and last path are known to what the band tells apart. Where the rms delay spread says that energy does not
    reach as far, that is taken: a lone path in a narrow band is no spread of two main lobes.

    Args:
        measurement: of kind "channel".
        timing_s: what the calibration of latency leaves.
    """
    found = measurement.quantities
    first, last = found["first_path_s"], found["last_path_s"]
    doppler, bandwidth = found.get("doppler_hz"), found.get("coherence_bandwidth_hz")
    widest = max(last.value + last.uncertainty - first.value + first.uncertainty, 0.0)
    rms = found.get("rms_delay_s", found.get("rms_delay_at_most_s"))
    reach = math.inf if rms is None else REACH * (rms.value + rms.uncertainty)
    return Seen(
        min(widest, max(last.value - first.value, reach)),
        timing_s,
        0.0 if doppler is None else doppler.value + doppler.uncertainty,
        math.inf if bandwidth is None else max(bandwidth.value - bandwidth.uncertainty, bandwidth.value / 2),
    )


def advise(present: Present, about: Seen) -> Advice:
    """Return which numbers fit, leaving alone what does."""
    grid, fs = present.numerology, present.numerology.sample_rate
    spread, timing = _samples(about.delay_spread_s * fs), _samples(about.timing_s * fs)
    problems, settings = [], {}
    if about.delay_spread_s * fs > present.delay_spread + ROUNDING:
        problems.append(
            f"delay_spread_s must reach from the first to the last path, {spread / fs:.3g} s, got "
            f"{present.delay_spread / fs:.3g} s"
        )
        settings["waveform.delay_spread_s"] = spread / fs
    covered = max(spread, _samples(present.delay_spread))
    prefix, lead, wrong = _prefix(grid, covered, timing)
    n_fft, bad = _size(grid, prefix, about)
    hurry, late = _turnaround(present, about.doppler_hz)
    return Advice(
        (*problems, *wrong, *bad, *late),
        settings | _changes(grid, prefix, lead, n_fft) | hurry,
        prefix,
        n_fft,
        lead,
    )


def _prefix(grid: Numerology, covered: int, timing: int) -> tuple[int, int, list[str]]:
    """Return a prefix and a window lead that cover delays and timing, and what is wrong with the present ones."""
    needed, prefix, lead = covered + 2 * timing, grid.cyclic_prefix, grid.window_lead
    problems = []
    if prefix < needed:
        prefix = -(-needed // STEP) * STEP
        problems.append(
            f"cyclic_prefix must cover delays of {covered} samples plus {timing} of timing either way ({needed}), got "
            f"{grid.cyclic_prefix}"
        )
    latest = prefix - timing - covered
    if not timing <= lead <= latest:
        lead = (timing + latest) // 2
        problems.append(
            f"window_lead must lie between {timing} and {latest} samples in a prefix of {prefix}, got "
            f"{grid.window_lead}"
        )
    return prefix, lead, problems


def _size(grid: Numerology, prefix: int, about: Seen) -> tuple[int, list[str]]:
    """Return the N that fits, and what is wrong with the present one."""
    fs = grid.sample_rate
    least = float(PREFIX_SHARE * prefix)
    fine = fs * BANDWIDTH_SHARE / about.coherence_bandwidth_hz
    most = fs / (DOPPLER_SHARE * about.doppler_hz) if about.doppler_hz else math.inf
    problems = []
    if grid.n_fft < least:
        problems.append(
            f"n_fft must be at least {PREFIX_SHARE} prefixes ({least:.0f} samples), or the prefix costs more than a "
            f"sixth of the air, got {grid.n_fft}"
        )
    if grid.n_fft < fine:
        problems.append(
            f"n_fft must be at least {fine:.0f}: subcarriers of {fs / grid.n_fft:.0f} Hz are wider than a tenth of the "
            f"coherence bandwidth ({about.coherence_bandwidth_hz:.3g} Hz)"
        )
    if grid.n_fft > most:
        problems.append(
            f"n_fft must be at most {most:.0f}: subcarriers of {fs / grid.n_fft:.0f} Hz are narrower than "
            f"{DOPPLER_SHARE} times the Doppler shift ({about.doppler_hz:.3g} Hz)"
        )
    if not problems:
        return grid.n_fft, []
    for low, high in ((max(least, fine), most), (least, most), (least, math.inf), (SIZES[-1], math.inf)):
        sizes = [size for size in (grid.n_fft, *SIZES) if low <= size <= high]
        if sizes:
            break
    if not max(least, fine) <= sizes[0] <= most:
        problems.append(f"no n_fft holds all of this, {sizes[0]} comes nearest: hold antennas and "
                        "surroundings still, or expect errors")  # fmt: skip
    return sizes[0], problems


def _turnaround(present: Present, doppler_hz: float) -> tuple[dict[str, float], list[str]]:
    """Return the turnaround that a moving channel allows, if it has to change, and what is wrong."""
    since = present.turnaround_s + present.payload_s
    if since * doppler_hz <= COHERENCE:
        return {}, []
    most = COHERENCE / doppler_hz
    problem = (
        f"turnaround_s: a payload ends {since:.3g} s after its sounding, this channel stays alike for {most:.2g} s "
        f"(f_D {doppler_hz:.2g} Hz)"
    )
    if most - present.payload_s < LEAST_TURNAROUND:
        return {}, [f"{problem}, and no turnaround is as short: hold antennas and surroundings still, or shorten the "
                    "payload"]  # fmt: skip
    return {"waveform.turnaround_s": math.floor(1e5 * (most - present.payload_s)) / 1e5}, [problem]


def _changes(grid: Numerology, prefix: int, lead: int, n_fft: int) -> dict[str, float]:
    """Return keys and values of what differs from a grid; the occupied band stays as wide."""
    width = grid.half_width * n_fft // grid.n_fft
    wanted = {"cyclic_prefix": prefix, "window_lead": lead, "n_fft": n_fft, "half_width": width}
    return {f"waveform.{key}": value for key, value in wanted.items() if value != getattr(grid, key)}


def _samples(span: float) -> int:
    return math.ceil(span - ROUNDING)
