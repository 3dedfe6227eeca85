"""Indices of samples, by the time of the device."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Count:
    """index = round(time · rate) − origin.

    Args:
        rate: in Hz.
        origin: ticks of the device's time at index 0; the same for all radios that share their time.
    """

    rate: float
    origin: int = 0

    def index(self, time_spec: Any) -> int:
        """Return the index of a TimeSpec."""
        return int(time_spec.to_ticks(self.rate)) - self.origin

    def time_spec(self, uhd: Any, index: int) -> Any:
        """Return the time of an index, as a TimeSpec of a module: whole ticks, so that nothing is rounded."""
        return uhd.types.TimeSpec.from_ticks(index + self.origin, self.rate)
