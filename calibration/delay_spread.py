"""How far the paths of a channel are spread, when the band shows only what they add up to.

The moment of a profile, `calibration.delays.spread`, is that of |Σ_l g_l·w(t − τ_l)|²: what paths closer than the
band tells apart do to each other is in it, and may make it anything, even less than that of one path. Its mean over
phases is Σ|g_l|²(τ_l − τ̄)²/Σ|g_l|², the square that is asked for; of a channel that stands still nobody sees more than
one draw. So the interval is that of drawn channels which look alike: of 2 to 24 Rayleigh paths, shadowed, with a
decaying profile, of all spreads alike on a logarithmic scale, those whose moment lies nearest (approximate Bayesian
computation: Beaumont et al., Genetics 162, 2002). Other profiles are allowed for by the ends taken, 98 % instead of 95.
"""

from functools import lru_cache

import numpy as np

from calibration import delays
from dsp.ofdm import Numerology, delay_ramp
from radio.fading import rms_delay_spread

GRID = Numerology()  # on which channels are drawn; other bands are as wide in other units
DRAWN = 3000
ALIKE = 200  # of those drawn
ENDS = 0.01, 0.99
SPREADS = -2.0, 1.2  # powers of ten: samples of GRID, from what no noise lets see to a third of a prefix
PATHS = 2, 24
SHADOWING_DB = 3.0  # standard deviation of a path's mean power from the profile
SILENT = 1e-9  # noise of a drawn channel


def between(variance: float, doubt: float, numerology: Numerology) -> tuple[float, float]:
    """Return the least and the largest rms delay spread that a channel may have, in samples.

    The least is 0 where the moment is not above what one path has.

    Args:
        variance: moment of its profile less that of one path, in samples².
        doubt: half the width of its interval.
        numerology: the grid's numbers.
    """
    scale = (GRID.half_width / GRID.n_fft) / (numerology.half_width / numerology.n_fft)
    low, high = ((variance + sign * doubt) / scale**2 for sign in (-1, 1))
    least = 0.0 if low <= 0 else scale * _alike(low, ENDS[0])
    return least, scale * _alike(high, ENDS[1])


def _alike(variance: float, share: float) -> float:
    """Return the spread below which a share of the channels have theirs that look alike."""
    seen, true = _drawn()
    beyond = max(variance / seen[-1], 1.0)
    nearest = np.argsort(np.abs(seen - variance / beyond))[:ALIKE]
    return float(np.quantile(true[nearest], share) * np.sqrt(beyond))


@lru_cache(maxsize=1)
def _drawn() -> tuple[np.ndarray, np.ndarray]:
    """Return moments of drawn channels, rising, and the rms delay spread of the taps of each, in samples."""
    generator = np.random.default_rng(4)
    pairs = np.array([_draw(generator) for _ in range(DRAWN)])
    return tuple(pairs[np.argsort(pairs[:, 0])].T)


def _draw(generator: np.random.Generator) -> tuple[float, float]:
    late = generator.exponential(1.0, generator.integers(PATHS[0], PATHS[1] + 1))
    size = np.exp(-late / 2) * 10 ** (SHADOWING_DB / 20 * generator.standard_normal(late.size))
    gain = generator.standard_normal((2, late.size)).T @ [1, 1j] * size
    delay = late * 10 ** generator.uniform(*SPREADS)
    response = gain @ delay_ramp(GRID, delay)
    response /= np.sqrt(np.mean(np.abs(response) ** 2))
    seen = delays.spread(delays.profile(response[None], SILENT, GRID), GRID)
    power = np.abs(gain) ** 2
    return seen.variance, rms_delay_spread(delay, power / power.sum())
