"""Phase noise and wandering carriers, each law of `radio.oscillator` beside the GNU Radio blocks that have it, too.

PLL: white noise through one pole, `phase_noise_gen` with α = 1 − e^{−2πB/f_s}. Ours is drawn every 32nd sample and
straight in between, so its PSD falls below the law from f_s/32 on; compared up to 0.08 of that, where it is 2 % off.
Linewidth: a Wiener phase, `noise_source_f` into `frequency_modulator_fc`; GNU Radio has no block of that name.
Frequency walk: `cfo_model` with its bound out of reach; its phase comes from a table of 8,192 angles (2e-4 rad). Ours
walks every 4,096 samples and is straight in between, so its Allan variance has the law for τ far above that.
"""

import numpy as np

from radio.air import Air
from radio.fading import Fading, profile
from radio.oscillator import COARSE, FINE, Wander
from radio.unit import Unit
from tools.bench.crosscheck.effort import CARRIER, SAMPLE_RATE, Effort
from tools.bench.crosscheck.spectra import expected_periodogram, in_bands, periodograms
from tools.bench.crosscheck.verdict import Statistic, both

LENGTH = 8192  # samples of a segment
BIN = SAMPLE_RATE / LENGTH
PLL_RMS, PLL_BANDWIDTH = 0.05, 1e3
PLL_EDGES = np.array([1, 3, 5, 8, 12, 16, 21])  # bins
PLL_LAGS = np.array([0, 100, 300, 600])
LINEWIDTH = 1e3
LINE_EDGES = np.array([-20, -12, -7, -4, -2, 0, 1, 3, 5, 8, 13, 21])
WALK = 1e5  # Hz²/s
WALK_LENGTH, EVERY = 65536, 64
SPANS = np.array([64, 128, 256])  # of EVERY samples


def pll(effort: Effort) -> list[Statistic]:
    """Compare the bounded phase noise of a PLL, here scaled to an rms of 1."""
    count = effort.segments * LENGTH
    decay = 2 * np.pi * PLL_BANDWIDTH / SAMPLE_RATE
    alpha = -np.expm1(-decay)
    magnitude = PLL_RMS * np.sqrt(effort.wrong * (2 - alpha) / alpha)
    ours = _carrier(Wander(pll_rms=PLL_RMS, pll_bandwidth=PLL_BANDWIDTH), count, effort.seed)
    theirs = effort.gnuradio.run(
        "phase_noise", np.ones(count), magnitude=magnitude, alpha=alpha, seed=effort.seed
    )  # fmt: skip
    sides = both(lambda x: np.angle(x.reshape(-1, LENGTH)).astype(float) / PLL_RMS, (ours, theirs))
    correlation = np.exp(-decay * np.arange(LENGTH))
    expected = in_bands(expected_periodogram(correlation), PLL_EDGES)
    spectra = both(lambda x: in_bands(periodograms(x), PLL_EDGES), sides)
    lagged, times = both(_lagged, sides), 1e6 * PLL_LAGS / SAMPLE_RATE
    design = np.array([(2 + correlation[FINE]) / 3, 1, 1, 1])
    reason = "straight lines between 32-sample points"
    return [
        Statistic("PLL, PSD of the phase", _centres(PLL_EDGES), "Hz", spectra, expected),
        Statistic("PLL, correlation of the phase", times, "µs", lagged, correlation[PLL_LAGS], design, reason),
    ]


def linewidth(effort: Effort) -> list[Statistic]:
    """Compare the line of a carrier whose phase is a Wiener process."""
    count = effort.segments * LENGTH
    step = float(np.sqrt(2 * np.pi * LINEWIDTH * effort.wrong / SAMPLE_RATE))
    ours = _carrier(Wander(linewidth=LINEWIDTH), count, effort.seed)
    theirs = effort.gnuradio.run("wiener", np.ones(count), step=step, seed=effort.seed)
    spectra = both(lambda x: in_bands(periodograms(x.reshape(-1, LENGTH)), LINE_EDGES), (ours, theirs))
    correlation = np.exp(-np.pi * LINEWIDTH / SAMPLE_RATE * np.arange(LENGTH))
    expected = in_bands(expected_periodogram(correlation), LINE_EDGES)
    return [Statistic("linewidth, PSD of the carrier", _centres(LINE_EDGES), "Hz", spectra, expected)]


def frequency_walk(effort: Effort) -> list[Statistic]:
    """Compare Allan variances of a carrier whose frequency is a random walk: q·τ/3."""
    seeds = effort.seeds[: effort.segments // 2]
    units = Unit(), Unit(wander=Wander(frequency_walk=WALK))
    ours = np.stack([_path(units, seed) for seed in seeds])
    step = float(np.sqrt(WALK * effort.wrong / SAMPLE_RATE))
    theirs = effort.gnuradio.run(
        "frequency_walk", np.ones(1), seeds=seeds, sample_rate=SAMPLE_RATE, step=step, bound=SAMPLE_RATE,
        every=EVERY, count=WALK_LENGTH // EVERY,
    )  # fmt: skip
    theirs = np.unwrap(np.angle(theirs.astype(complex)), axis=1) / (2 * np.pi)
    spans = SPANS * EVERY / SAMPLE_RATE
    design = np.array([allan_by_design(span * EVERY / COARSE) for span in SPANS])
    sides, law, reason = both(_allan, (ours, theirs)), WALK * spans / 3, "steps of 4,096 samples"
    return [Statistic("frequency walk, Allan variance", 1e3 * spans, "ms", sides, law, design, reason)]


def allan_by_design(span: float) -> float:
    """Return our Allan variance at τ, in steps of COARSE samples, over the textbook's.

        3/(2τ)·∫ R(u)·(1 − |u|) du,   R the autocorrelation of a triangle of height 1 over ±τ, u within ±1

    because the slope of our frequency is constant in each step and not white. τ is at least 1.
    """
    fine = 200
    side = np.arange(1, round(span * fine)) / (span * fine)
    triangle = np.concatenate([side, [1.0], side[::-1]])
    overlap = np.correlate(triangle, triangle, "full")
    shift = np.arange(-fine, fine + 1)
    near = overlap[overlap.size // 2 + shift]
    return float(1.5 / span * (near * (1 - np.abs(shift) / fine)).sum() / fine**2)


def _carrier(wander: Wander, count: int, seed: int) -> np.ndarray:
    """Return what a receiver hears of a carrier of 1 over a link of gain 1, shape (count,)."""
    units = Unit(), Unit(wander=wander)
    still = Fading(profile("flat"), 0.0, SAMPLE_RATE, k_factor=1e15)
    air = Air(units.__getitem__, still, CARRIER, SAMPLE_RATE, seed)
    air.transmit(1, np.ones(count, np.complex64), at=0)
    heard, _ = air.receive(0, count, at=0)
    return heard / air.oracle_taps(1, 0, np.zeros(1))[1][0, 0].astype(np.complex64)


def _path(units: tuple[Unit, Unit], seed: int) -> np.ndarray:
    """Return the phase in turns between two units at every EVERY-th sample, shape (WALK_LENGTH/EVERY,)."""
    air = Air(units.__getitem__, Fading(profile("flat"), 0.0, SAMPLE_RATE), CARRIER, SAMPLE_RATE, seed)
    return air.oracle_phase(1, 0, np.arange(0.0, WALK_LENGTH, EVERY)) / (2 * np.pi)


def _allan(phase: np.ndarray) -> np.ndarray:
    """Return the mean of (f̄(t + τ) − f̄(t))²/2 over each segment of phases in turns, in Hz², shape (S, spans)."""
    found = []
    for span in SPANS:
        bend = phase[:, 2 * span :] - 2 * phase[:, span:-span] + phase[:, : -2 * span]
        found.append((bend**2).mean(1) / (2 * (span * EVERY / SAMPLE_RATE) ** 2))
    return np.stack(found, axis=-1)


def _lagged(phase: np.ndarray) -> np.ndarray:
    """Return the mean of φ(t)·φ(t + τ) of each segment, shape (S, lags)."""
    return np.stack([(phase[:, : LENGTH - lag] * phase[:, lag:]).mean(1) for lag in PLL_LAGS], axis=-1)


def _centres(edges: np.ndarray) -> np.ndarray:
    return np.asarray((edges[:-1] + edges[1:] - 1) / 2 * BIN)
