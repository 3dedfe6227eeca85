"""By how much the counts of a radio's receiver and transmitter differ: it sends a marker, and looks where it hears it.

The chip hands what is to be sent straight back (the digital loopback of debugfs): nothing leaves the antenna, but what
the analogue paths add must be known, or measured by `airmeta calibrate latency`.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from radio.base import RadioError
from radio.streaming.pump import Pump

LENGTH = 1023
SEARCHED = 20  # blocks in which the marker must come
AMPLITUDE = 0.5
LEAST_SHARE = 0.25
"""Of the energy where the marker is found; noise of this length stays below 0.03 in a second of samples."""


@cache
def marker() -> np.ndarray:
    """Return the marker, complex64: random quadrants, always the same ones."""
    quadrants = np.random.default_rng(0).integers(0, 4, LENGTH)
    return (AMPLITUDE * np.exp(0.5j * np.pi * (quadrants + 0.5))).astype(np.complex64)


def find(heard: np.ndarray, label: str) -> int:
    """Return at which sample of `heard` the marker begins.

    Raises:
        RadioError: it is not there.
    """
    sent = marker()
    n_fft = 1 << int(heard.size + LENGTH - 1).bit_length()
    match = np.fft.ifft(np.fft.fft(heard, n_fft) * np.fft.fft(sent, n_fft).conj())[: heard.size - LENGTH + 1]
    total = np.concatenate([[0.0], np.cumsum(np.abs(heard.astype(complex)) ** 2)])
    energy = total[LENGTH:] - total[:-LENGTH]
    # where nothing is heard, rounding would have all the energy
    floor = max(1e-3 * float(energy.max()), 1e-12)
    share = np.abs(match) ** 2 / (np.maximum(energy, floor) * float(np.vdot(sent, sent).real))
    place = int(share.argmax())
    if share[place] < LEAST_SHARE:
        raise RadioError(
            f"radio {label}: its own marker must have {LEAST_SHARE:.0%} of the energy heard, got {share[place]:.1%}; "
            "its firmware's debug attribute loopback does not loop back; update the firmware to 0.35 or later"
        )
    return place


def learn(pump: Pump, wait: Callable[[int], None], origin: int, searched: int = SEARCHED) -> int:
    """Return the samples heard less the samples handed over at the instant when a sample leaves the queue.

    The digital loopback must be on.

    Args:
        pump: keeps the streams running.
        wait: returns when so many samples have been heard.
        origin: index in the ring of the first one of them.
        searched: blocks in which the marker must come.

    Raises:
        RadioError: the marker does not come back.
    """
    with pump.changed:
        first, listened = pump.promised + pump.stream.block, pump.stream.heard
        pump.timeline.put(marker(), first)
    return listened + _place(pump, wait, listened, origin, searched) - first


def _place(pump: Pump, wait: Callable[[int], None], listened: int, origin: int, searched: int) -> int:
    """Return how long after a count of heard samples the marker comes, as soon as it is there, or is overdue."""
    block, label = pump.stream.block, pump.stream.label
    blocks = 4 + -(-LENGTH // block)
    while True:
        wait(listened + blocks * block)
        with pump.changed:
            heard = pump.ring.read(blocks * block, origin + listened).data
        try:
            return find(heard, label)
        except RadioError:
            if blocks >= searched:
                raise
        blocks += 4
