"""What `radio/flowgraphs/channel.py` is told: the links and clocks of an air, as taps and turns of GNU Radio's blocks.

A path of delay τ is a windowed sinc over taps around it, right to −55 dB within 80 % of the band; what is fixed for
GNU Radio's filters is fixed here: no Doppler, no new draw in a run.
"""

from pathlib import Path
from typing import Any

import numpy as np

from radio.air import Air

SCRIPT = Path(__file__).parents[1] / "flowgraphs" / "channel.py"
MODULES = ("blocks", "analog", "filter")
LEAD = 12
"""Taps before the one of delay 0: a path between two samples rings ahead of itself, and resamplers are ahead by 6."""
HALF = 10  # taps on each side of a path
BETA = 6.0  # of the Kaiser window


def wanted(air: Air, units: int) -> dict[str, Any]:
    """Return the links between units 0 to `units` − 1 of an air as they are at time 0, and their clocks.

    Raises:
        ValueError: fewer than 2 units.
    """
    if units < 2:
        raise ValueError(f"a channel must have at least 2 units, got {units}")
    about = [air.unit(unit) for unit in range(units)]
    links = {(u, v): _link(air, u, v) for u in range(units) for v in range(units) if u != v}
    silent = min(int(np.flatnonzero(taps).min(initial=LEAD)) for taps in links.values())
    return {
        "clocks": [1e-6 * unit.offset_ppm for unit in about],
        "turns": [2e-6 * np.pi * unit.offset_ppm * air.carrier / air.sample_rate for unit in about],
        "taps": [[_pairs(links.get((u, v)), silent) for v in range(units)] for u in range(units)],
        "lead": LEAD - silent,
        "noise_var": [unit.noise_var for unit in about],
        "seed": air.seed % 2**30,
    }


def _link(air: Air, sender: int, hearer: int) -> np.ndarray:
    """Return the taps of a link, gain of the receiver included."""
    delays, gains = air.oracle_taps(sender, hearer, np.zeros(1))
    return impulses(delays, gains[0] * air.unit(hearer).receive.gain)


def _pairs(taps: np.ndarray | None, first: int) -> list[tuple[float, float]] | None:
    """Return taps from the first one that any link has, as JSON knows them; None from a unit to itself."""
    return None if taps is None else [(float(tap.real), float(tap.imag)) for tap in taps[first:]]


def impulses(delays: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Return taps h with Σ_l g_l δ(t − τ_l) in their band; tap LEAD is that of delay 0, the last ones no zeros.

    Args:
        delays: τ in samples, shape (L,).
        gains: g, shape (L,).
    """
    places = np.arange(LEAD + int(np.ceil(delays.max())) + HALF + 1) - LEAD
    distance = places[:, None] - delays
    inside = np.clip(1 - (distance / (HALF + 1)) ** 2, 0, None)
    taps = (np.sinc(distance) * np.i0(BETA * np.sqrt(inside)) / np.i0(BETA) * (inside > 0)) @ gains
    taps[np.abs(taps) <= 1e-9 * np.abs(taps).max()] = 0  # a sinc at whole samples, but for rounding
    return taps[: np.flatnonzero(taps).max() + 1]
