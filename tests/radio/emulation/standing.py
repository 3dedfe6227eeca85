"""Virtual Plutos without clients, whose time passes only when a test lets it."""

from radio.emulation.bench import Bench, quiet_air
from radio.emulation.layout import PHY
from radio.emulation.medium import Medium
from radio.emulation.protocol import Address

RATE = 4_000_000
TX_GAIN = Address(PHY, "OUTPUT", "voltage0", "hardwaregain")
RX_LO, TX_LO = (Address(PHY, "OUTPUT", f"altvoltage{mixer}", "frequency") for mixer in (0, 1))
SAMPLE_RATE = Address(PHY, "INPUT", "voltage0", "sampling_frequency")


class Standing:
    """Time that stands: `Medium.play` alone moves it."""

    def settle(self, medium: Medium) -> None:
        """Let no time run."""

    def sync(self, medium: Medium) -> None:
        """Find the present where time stands."""

    async def stop(self) -> None:
        """Stand already."""


def standing(count: int = 1, air_at=quiet_air, start_spread: float = 0.0, seed: int = 0) -> Bench:
    """Return a bench at 4 MS/s, 0 dB attenuation and a gain that leaves amplitudes as they are."""
    bench = Bench(count, air_at, Standing(), seed, start_spread)
    for unit in bench.units:
        for address, text in (
            (SAMPLE_RATE, str(RATE)),
            (RX_LO, "2400000000"),
            (TX_LO, "2400000000"),
            (Address(PHY, "INPUT", "voltage0", "gain_control_mode"), "manual"),
            (Address(PHY, "INPUT", "voltage0", "hardwaregain"), "40"),
            (TX_GAIN, "0"),
        ):
            unit.write(address, text)
    return bench


def play(unit, count: int) -> None:
    """Let a number of samples pass."""
    unit.medium.play(unit.medium.time + count)
