"""By how much the counts of a radio's receiver and transmitter differ: it sends a marker, and looks where it hears it.

The chip hands what is to be sent straight back (the digital loopback of debugfs): nothing leaves the antenna, but what
the analogue paths add must be known, or measured by `airmeta calibrate latency`.
"""

from functools import cache

import numpy as np

from radio.base import RadioError

LENGTH = 1023
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
