"""The loopback radio: one unit on an in-process air. Its time advances by receiving."""

from dataclasses import dataclass, field

import numpy as np

from radio.air import Air
from radio.base import LateError, RadioError, Samples, check_burst
from radio.propagation import ROUNDING


@dataclass
class LoopbackRadio:
    """A transceiver on a simulated air.

    Args:
        air: shared by all units.
        unit: its id on the air.
        timing_uncertainty: samples by which a burst may leave early or late.
    """

    air: Air
    unit: int
    timing_uncertainty: int = 0
    lead_time: int = field(init=False)
    sample_rate: float = field(init=False)
    timing_repeatability: float = field(init=False)
    muted: bool = False
    _closed: bool = False

    def __post_init__(self) -> None:
        self.sample_rate = self.air.sample_rate
        self.timing_repeatability = self.air.unit_of(self.unit).timing_jitter
        self.lead_time = self.timing_uncertainty + 8 * int(np.ceil(self.timing_repeatability))

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet."""
        return int(np.ceil(self.air.unit_of(self.unit).index(self.air.frontier) - ROUNDING))

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on.

        Raises:
            OverrunError: they are longer ago than the air remembers.
            RadioError: this radio is closed.
        """
        self._check_open()
        data, clipped = self.air.receive(self.unit, count, at)
        return Samples(data, at, clipped=clipped)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on; a muted radio drops them.

        Raises:
            LateError, FullScaleError: as their names say.
            RadioError: this radio is closed.
        """
        self._check_open()
        burst, first = check_burst(samples), self.now() + self.lead_time
        if at < first:
            raise LateError(
                f"samples for index {at} come {first - at} samples too late, radio {self.unit} can send from {first} "
                f"on; hand them over {self.lead_time} samples ahead of now(), or start them at {first}"
            )
        if not self.muted:
            self.air.transmit(self.unit, burst, at)

    def mute(self) -> None:
        """Send nothing until `unmute`; bursts that have not begun are withdrawn, one under way is cut off."""
        self.muted = True
        self.air.cut(self.unit)

    def unmute(self) -> None:
        """Allow sending again."""
        self.muted = False

    def close(self) -> None:
        """Mute, and give the radio back."""
        if not self._closed:
            self.mute()
            self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise RadioError(f"radio {self.unit} is closed; open a new one")
