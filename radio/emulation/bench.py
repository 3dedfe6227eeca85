"""A number of virtual Plutos on one air."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from radio.air import Air
from radio.emulation.buffers import START_SPREAD
from radio.emulation.clock import LockStep
from radio.emulation.medium import Clock, Medium
from radio.emulation.unit import VirtualPluto
from radio.fading import Fading, profile
from radio.unit import Unit

STEADY = 1e12  # K of a link that does not fade
MOST_RATES = 64
"""Sample rates that may be in use before those that nobody uses are forgotten."""


def quiet_air(sample_rate: float, carrier: float = 2.4e9, seed: int = 0) -> Air:
    """Return an air of one path of gain 1 between any two units, without noise or faults."""
    return Air(cache(lambda _: Unit()), Fading(profile("flat"), 0.0, sample_rate, k_factor=STEADY), carrier,
               sample_rate, seed)  # fmt: skip


@dataclass
class Bench:
    """Virtual Plutos that hear each other if they use the same sample rate.

    Args:
        count: how many.
        air_at: returns the air of a sample rate in Hz; its units are numbered from 0.
        clock: how sample time passes.
        seed: of phases and starts.
        start_spread: seconds within which a transmission starts.
        has_tdd: whether their firmware has the controller `tdd`.
        family: of serial numbers: what was measured of one bench must not pass for another's.
        units: the Plutos.

    Raises:
        ValueError: none at all.
    """

    count: int
    air_at: Callable[[float], Air] = quiet_air
    clock: Clock = field(default_factory=LockStep)
    seed: int = 0
    start_spread: float = START_SPREAD
    has_tdd: bool = False
    family: str = "airmeta"
    units: list[VirtualPluto] = field(init=False)
    _media: dict[int, Medium] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"a bench must have at least 1 unit, got {self.count}")
        self.units = []
        for number in range(self.count):
            about = self.air_at(4e6).unit(number)
            made = VirtualPluto(
                number, about, self.medium, self.seed, self.start_spread, self.has_tdd, family=self.family
            )
            self.units.append(made)

    def medium(self, rate: int) -> Medium:
        """Return the air of a sample rate and what is on it."""
        if rate not in self._media:
            if len(self._media) >= MOST_RATES:
                self._media = {known: medium for known, medium in self._media.items() if medium.sendings}
            self._media[rate] = Medium(self.air_at(float(rate)), self.clock, self._ran_dry)
        return self._media[rate]

    def pulse(self) -> None:
        """Fire the pulse that comes in at a pin of every unit: whoever waits for it starts at the same instant."""
        fronts = [unit.front for unit in self.units]
        for front in fronts:
            front.catch_up()
        for unit in self.units:
            if unit.tdd is not None and unit.tdd.switches["sync_external"]:
                unit.tdd.pulse()
        for front in fronts:
            front.settle()

    def _ran_dry(self, number: int) -> None:
        self.units[number].faults.underflow()
