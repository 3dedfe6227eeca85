"""The pace of flowgraphs without a clock of their own: samples move as far as somebody wants to hear, and no further.

Every unit is handed as many samples as the one that listens, by its own clock, and `held` more, which the flowgraph
keeps back; then all are heard up to the same instant. So nothing is on the way between two calls, a burst may be
placed right behind what was heard, and what is heard does not depend on how fast anybody is.
"""

import math
import time
from dataclasses import dataclass, field

from radio.base import RadioError
from radio.streaming.pump import Pump

CHUNK = 65536
AHEAD = 2  # chunks on the way
SLACK = 4
ROUNDING = 1e-3  # of a sample: an air time of years is still right


@dataclass
class OnDemand:
    """All units of a flowgraph in step.

    Args:
        clocks: relative offset of the clock of each unit.
        held: samples that the flowgraph keeps back.
        pumps: of the units, in the order of their clocks.
        passed: air time in samples up to which all have heard.
    """

    clocks: tuple[float, ...]
    held: int
    pumps: list[Pump] = field(default_factory=list)
    passed: float = 0.0

    def start(self, pump: Pump, _rate: float) -> None:
        """Serve the next unit, too."""
        self.pumps.append(pump)

    def stop(self, pump: Pump) -> bool:
        """Serve it no more."""
        if pump in self.pumps:
            self.pumps.remove(pump)
        return True

    def seconds(self, _pump: Pump) -> float:
        """Return the time of day."""
        return time.monotonic()

    def lead(self, _block: int) -> int:
        """Return by how many samples a burst must be ahead of what was heard."""
        return self.held + SLACK

    def wait(self, pump: Pump, heard: int) -> None:
        """Return when a unit has heard so many samples, all others as many by their clocks, or something failed."""
        until = heard / (1 + self.clocks[self.pumps.index(pump)])
        if until <= self.passed:
            return
        try:
            self._serve(until)
        except RadioError as error:
            for one in self.pumps:
                one.fail(error)

    def _serve(self, until: float) -> None:
        times = [self.passed + CHUNK * (k + 1) for k in range(math.ceil((until - self.passed) / CHUNK) - 1)] + [until]
        for index, instant in enumerate(times):
            for ahead in times[index : index + AHEAD]:
                self._send(ahead)
            self._hear(instant)
            self.passed = instant

    def _send(self, instant: float) -> None:
        for pump, clock in zip(self.pumps, self.clocks, strict=True):
            missing = _count(instant, clock) + self.held - pump.promised
            if missing > 0:
                pump.stream.push(pump.draw(missing))

    def _hear(self, instant: float) -> None:
        for pump, clock in zip(self.pumps, self.clocks, strict=True):
            missing = _count(instant, clock) - pump.stream.heard
            if missing > 0:
                pump.keep(pump.stream.pull(missing))


def _count(instant: float, clock: float) -> int:
    """Return how many samples a unit has counted at an air time."""
    return math.ceil(instant * (1 + clock) - ROUNDING)
