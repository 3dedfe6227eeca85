"""Bursts that wait for their place in what a transmitter sends; where they overlap they add up."""

from dataclasses import dataclass, field

import numpy as np

from radio.base import FullScaleError


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
            peak = float(np.abs(self.sum(first, first + samples.size) + samples).max())
            if peak > 1 + 1e-6:
                raise FullScaleError(
                    f"bursts that overlap must add up to |x| <= 1, got {peak:.3f}; lower them by "
                    f"{20 * np.log10(peak):.1f} dB, or send one after the other"
                )
        self.bursts.append((first, samples))

    def take(self, low: int, high: int) -> np.ndarray:
        """Return the stream from one position to another, complex64, and forget what lies before its end."""
        wave = self.sum(low, high)
        self.forget(high)
        return wave

    def forget(self, high: int) -> None:
        """Drop the bursts that end before a position, or at it."""
        self.bursts = [(first, samples) for first, samples in self.bursts if first + samples.size > high]

    def clear(self) -> None:
        """Withdraw everything."""
        self.bursts.clear()

    def sum(self, low: int, high: int) -> np.ndarray:
        """Return the stream from one position to another, complex64."""
        wave = np.zeros(high - low, np.complex64)
        for first, samples in self.bursts:
            begin, end = max(low, first), min(high, first + samples.size)
            if begin < end:
                wave[begin - low : end - low] += samples[begin - first : end - first]
        return wave
