"""One virtual Pluto for its clients: what it is, its attributes and registers, and what a test may do to it."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from radio.emulation import chip_attributes, layout, synthesis
from radio.emulation.buffers import START_SPREAD, Buffers
from radio.emulation.clock import LockStep
from radio.emulation.faults import Faults
from radio.emulation.front_end import FrontEnd
from radio.emulation.layout import ADC, BUFFERED, DDS, PHY, TDD, Attribute, fixed
from radio.emulation.medium import Medium
from radio.emulation.protocol import Address, RefusedError
from radio.emulation.receiving import Reception
from radio.emulation.status import OVERFLOW, UNDERFLOW, Registers
from radio.emulation.tdd import Tdd
from radio.emulation.tones import Tones
from radio.emulation.transceiver import Transceiver
from radio.unit import Unit


@dataclass
class VirtualPluto:
    """A Pluto that clients reach over the network and that sends and hears on a simulated air.

    Args:
        number: on the air.
        about: the unit of the air that it is, as `physics` takes it.
        medium_at: returns the medium of a sample rate.
        seed: of its phases and starts.
        start_spread: seconds within which a transmission starts.
        has_tdd: whether its firmware has the controller `tdd`.
        family: of the serial number, apart for benches that are no other's.
        faults: what a test does to it.
        tdd: starts its streams at a pulse.
        front: where it meets the air.
        buffers: what clients stream through.
        registers: by device.
    """

    number: int
    about: Unit
    medium_at: Callable[[int], Medium]
    seed: int = 0
    start_spread: float = START_SPREAD
    has_tdd: bool = False
    family: str = "airmeta"
    faults: Faults = field(default_factory=Faults)
    tdd: Tdd | None = None
    front: FrontEnd = field(init=False)
    buffers: Buffers = field(init=False)
    registers: dict[str, Registers] = field(default_factory=lambda: {name: Registers() for name in (PHY, *BUFFERED)})

    def __post_init__(self) -> None:
        mixers, starts = (np.random.default_rng([self.seed, self.number, stream]) for stream in (0, 1))
        self.front = FrontEnd(self.number, self.about, self.medium_at, mixers)
        self.buffers = Buffers(self.front, starts, self.start_spread, self.faults.overflow)
        if self.has_tdd:
            self.tdd = Tdd(
                lambda: self.chip.rate,
                lambda: self.front.now,
                self.front.catch_up,
                self.buffers.release,
                self.front.settle,
            )
            self.buffers.wait = self.tdd.wait
        self.faults.raise_flag = self._raise_flag
        self._attributes = self._all_attributes()

    @property
    def chip(self) -> Transceiver:
        """Its settings."""
        return self.front.chip

    @property
    def tones(self) -> Tones:
        """Its tone generators."""
        return self.front.tones

    @property
    def medium(self) -> Medium:
        """The medium of its sample rate."""
        return self.front.medium

    @property
    def reception(self) -> Reception | None:
        """The open receive buffer."""
        return self.front.reception

    @property
    def serial(self) -> str:
        """Serial number, the same after a restart."""
        return f"{self.family}{self.seed:08x}{self.number:04d}"

    @property
    def context(self) -> bytes:
        """The XML that describes this unit."""
        about = {
            "hw_model": "Analog Devices PlutoSDR Rev.B (virtual, airmeta)",
            "hw_model_variant": "0",
            "hw_serial": self.serial,
            "airmeta,clock": "lock-step" if isinstance(self.medium.clock, LockStep) else "real-time",
            "fw_version": "v0.39-airmeta" if self.has_tdd else "v0.38-airmeta",
            "ad9361-phy,xo_correction": str(self.chip.crystal),
            "ad9361-phy,model": "ad9363a",
        }
        return layout.context_xml(self.attributes, about)

    @property
    def attributes(self) -> dict[Address, Attribute]:
        """The attributes that this firmware has."""
        if not self.faults.missing:
            return self._attributes
        return {address: found for address, found in self._attributes.items() if address not in self.faults.missing}

    def read(self, address: Address) -> str:
        """Return the value of an attribute.

        Raises:
            RefusedError: ENOENT, or what the attribute says.
        """
        attribute = self._attribute(address)
        return self.faults.read_back[address] if address in self.faults.read_back else attribute.read()

    def write(self, address: Address, text: str) -> None:
        """Set an attribute.

        Raises:
            RefusedError: ENOENT, EACCES for one that is only read, or what the attribute says.
        """
        self._writer(address)(text)

    def check_writable(self, address: Address) -> None:
        """Return if there is such an attribute, and it can be set.

        Raises:
            RefusedError: ENOENT, EACCES for one that is only read.
        """
        self._writer(address)

    def radiated_power(self) -> float:
        """Return the mean power that leaves the antenna now, as `FrontEnd.radiated_power` does."""
        return self.front.radiated_power()

    def _writer(self, address: Address) -> Callable[[str], None]:
        attribute = self._attribute(address)
        if attribute.write is None:
            raise RefusedError(errno.EACCES)
        return attribute.write

    def _attribute(self, address: Address) -> Attribute:
        attribute = self._attributes.get(address)
        if attribute is None or address in self.faults.missing:
            absent = address.device == TDD and self.tdd is None
            raise RefusedError(errno.ENODEV if absent else errno.ENOENT)
        return attribute

    def _all_attributes(self) -> dict[Address, Attribute]:
        rate = Attribute(lambda: str(self.chip.rate), self._keep_rate)
        found = chip_attributes.attributes(self.chip) | self.tones.attributes()
        for device, scope in ((DDS, "OUTPUT"), (ADC, "INPUT")):
            for channel in ("voltage0", "voltage1"):
                found[Address(device, scope, channel, "sampling_frequency")] = rate
                found[Address(device, scope, channel, "sampling_frequency_available")] = rate
            found[Address(device, "BUFFER", "", "watermark")] = fixed("2048")
            found[Address(device, "BUFFER", "", "length_align_bytes")] = fixed("8")
        for device, registers in self.registers.items():
            found[Address(device, "DEBUG", "", "direct_reg_access")] = registers.attribute()
        return found | ({} if self.tdd is None else self.tdd.attributes())

    def _keep_rate(self, text: str) -> None:
        """Take the rate of the chip for that of a core; the FPGA's filter, which divides it by 8, is not emulated."""
        if int(synthesis.number(text)) != self.chip.rate:
            raise RefusedError(errno.EINVAL)

    def _raise_flag(self, flag: str) -> None:
        if flag == "overflow":
            self.registers[ADC].flag(OVERFLOW)
        else:
            self.registers[DDS].flag(UNDERFLOW)
