"""Radios on virtual Plutos, for tests."""

from contextlib import ExitStack

from radio.air import Air
from radio.emulation.bench import STEADY, Bench
from radio.emulation.clock import LockStep
from radio.emulation.host import serving
from radio.emulation.in_turn import in_turn
from radio.emulation.medium import Clock
from radio.fading import Fading, profile
from radio.pluto.link import Link
from radio.pluto.radio import PlutoRadio
from radio.pluto.start import Trigger
from radio.pluto.tuning import Tuning
from radio.safety import Authorisation
from radio.streaming.free_running import FreeRunning
from radio.streaming.pace import Pace
from radio.unit import Unit
from tests.drivers import need_libiio

CARRIER = 2.4e9
CABLE = Authorisation("cable", CARRIER - 5e6, CARRIER + 5e6)


class Virtual:
    """A bench of virtual Plutos, and radios on it."""

    def __init__(
        self, count: int, units: list[Unit] | None = None, rate: float = 4e6, clock: Clock | None = None,
        spread: float = 1e-3, block: int = 1024, timeout: float = 5.0, *, has_tdd: bool = False,
    ) -> None:  # fmt: skip
        need_libiio()
        self.rate, self.block, self.timeout = rate, block, timeout
        about = units or [Unit()] * count
        bench = Bench(count, lambda rate: _air(about, rate), clock or LockStep(), 0, spread, has_tdd)
        self.radios: list[PlutoRadio] = []
        self._stack = ExitStack()
        self.host = self._stack.enter_context(serving(bench))
        self.pace: Pace = in_turn(self.host, rate) if clock is None else FreeRunning()

    def link(self, unit: int, trigger: Trigger = "auto", **tuning: float) -> Link:
        wanted = Tuning(**{"carrier": CARRIER, "sample_rate": self.rate, "bandwidth": 0.9 * self.rate,
                           "tx_attenuation_db": 0.0, "rx_gain_db": 40.0} | tuning)  # fmt: skip
        return Link(self.host.uris[unit], wanted, self.pace, self.block, self.timeout, 96, trigger)

    def radio(
        self, unit: int, allowed: Authorisation | None = CABLE, trigger: Trigger = "auto", *, guarded: bool = False,
        **tuning: float,
    ) -> PlutoRadio:  # fmt: skip
        self.radios.append(PlutoRadio(self.link(unit, trigger, **tuning), allowed, guarded=guarded))
        return self.radios[-1]

    def zero(self, unit: int, radio: PlutoRadio) -> int:
        """Return what the counter of a unit on the air showed when that of its radio showed 0."""
        found = self.host.units[unit]
        fetched = self.host.call(lambda: found.reception.start - len(found.reception.ready) * self.block)
        return fetched - radio.now()

    def emitted(self, unit: int) -> float:
        return self.host.call(self.host.units[unit].radiated_power)

    def is_silenced(self, unit: int) -> bool:
        found = self.host.units[unit]
        return found.chip.tx_lo_down and found.chip.attenuation_mdb == 89_750 and not found.tones.scales.any()

    def mend(self) -> None:
        """Take all faults back."""
        for unit in self.host.units:
            unit.faults.read_back.clear()
            unit.faults.missing.clear()
            unit.faults.late, unit.faults.plugged = 0.0, True

    def close(self) -> None:
        """Close the radios, then the bench: whatever a test has done to them, a radio that answers is silenced."""
        self.mend()
        try:
            for radio in self.radios:
                radio.close()
            loud = [radio.link.uri for radio in self.radios if not self.is_silenced(self._unit(radio))]
        finally:
            self._stack.close()
        assert not loud

    def _unit(self, radio: PlutoRadio) -> int:
        return self.host.uris.index(radio.link.uri)


def _air(units: list[Unit], rate: float) -> Air:
    return Air(units.__getitem__, Fading(profile("flat"), 0.0, rate, k_factor=STEADY), CARRIER, rate, 3)
