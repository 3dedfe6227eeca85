"""Bursts that wait for their place in the running stream of a transmitter."""

from dataclasses import dataclass, field

import numpy as np

from radio.base import FullScaleError

CODES = 2047
"""Full scale of the converter; it takes the upper 12 of 16 bits, and drops the others without rounding."""
SHIFT = 16


@dataclass
class Timeline:
    """Samples by position in the stream.

    Args:
        bursts: position of the first sample, and the samples.
    """

    bursts: list[tuple[int, np.ndarray]] = field(default_factory=list)

    def put(self, samples: np.ndarray, first: int) -> None:
        """Queue samples from a position on; where bursts overlap they add up.

        Raises:
            FullScaleError: the sum has |x| > 1.
        """
        if any(first < start + other.size and start < first + samples.size for start, other in self.bursts):
            peak = float(np.abs(self._sum(first, first + samples.size) + samples).max())
            if peak > 1 + 1e-6:
                raise FullScaleError(
                    f"bursts that overlap must add up to |x| <= 1, got {peak:.3f}; lower them by "
                    f"{20 * np.log10(peak):.1f} dB, or send one after the other"
                )
        self.bursts.append((first, samples))

    def take(self, low: int, high: int) -> bytes:
        """Return the stream from one position to another as pairs of int16, and forget what lies before its end."""
        wave = self._sum(low, high)
        self.bursts = [(first, samples) for first, samples in self.bursts if first + samples.size > high]
        return (np.rint(wave.view(np.float32) * np.float32(CODES)) * SHIFT).astype("<i2").tobytes()

    def clear(self) -> None:
        """Withdraw everything."""
        self.bursts.clear()

    def _sum(self, low: int, high: int) -> np.ndarray:
        wave = np.zeros(high - low, np.complex64)
        for first, samples in self.bursts:
            begin, end = max(low, first), min(high, first + samples.size)
            if begin < end:
                wave[begin - low : end - low] += samples[begin - first : end - first]
        return wave
