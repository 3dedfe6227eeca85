"""One virtual Pluto: settings, buffers, registers, and how they become a unit of the air."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from radio.air import Unit
from radio.emulation import layout, physics, synthesis
from radio.emulation.faults import Faults
from radio.emulation.layout import ADC, BUFFERED, DDS, PHY, Attribute, fixed
from radio.emulation.medium import Medium, wake
from radio.emulation.physics import Phases
from radio.emulation.protocol import Address, RefusedError
from radio.emulation.receiving import Reception
from radio.emulation.sending import AHEAD, PIPELINE, Delivery, Sending, Source
from radio.emulation.status import OVERFLOW, UNDERFLOW, Registers
from radio.emulation.tones import Tones
from radio.emulation.transceiver import Effect, Transceiver

KERNEL_BUFFERS = 4
START_SPREAD = 1e-3  # seconds within which a transmission starts, at random


@dataclass
class VirtualPluto:
    """A Pluto that clients reach over the network and that sends and hears on a simulated air.

    Args:
        number: on the air.
        about: the unit of the air that it is, as `physics` takes it.
        medium_at: returns the medium of a sample rate.
        seed: of its phases and starts.
        start_spread: seconds within which a transmission starts.
        faults: what a test does to it.
    """

    number: int
    about: Unit
    medium_at: Callable[[int], Medium]
    seed: int = 0
    start_spread: float = START_SPREAD
    faults: Faults = field(default_factory=Faults)
    chip: Transceiver = field(init=False)
    tones: Tones = field(init=False)
    sending: Sending = field(init=False)
    phases: Phases = field(init=False)
    reception: Reception | None = None
    depths: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUFFERED, KERNEL_BUFFERS))
    registers: dict[str, Registers] = field(default_factory=lambda: {name: Registers() for name in (PHY, *BUFFERED)})

    def __post_init__(self) -> None:
        self.chip = Transceiver(self._before, self._after)
        self.tones = Tones(lambda: self.chip.rate, self._before, lambda: self._after(Effect.SENT), self._select)
        self.sending = Sending(self.number, self.tones)
        self.faults.raise_flag = self._raise_flag
        self._mixers = np.random.default_rng([self.seed, self.number, 0])
        self._starts = np.random.default_rng([self.seed, self.number, 1])
        self.phases = Phases(self._draw(), self._draw())
        self._attributes = self._all_attributes()
        self.medium = self.medium_at(self.chip.rate)
        self._join()

    @property
    def serial(self) -> str:
        """Serial number, the same after a restart."""
        return f"airmeta{self.seed:08x}{self.number:04d}"

    @property
    def context(self) -> bytes:
        """The XML that describes this unit."""
        about = {
            "hw_model": "Analog Devices PlutoSDR Rev.B (virtual, airmeta)",
            "hw_model_variant": "0",
            "hw_serial": self.serial,
            "fw_version": "v0.38-airmeta",
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
        attribute = self._attribute(address)
        if attribute.write is None:
            raise RefusedError(errno.EACCES)
        attribute.write(text)

    def radiated_power(self) -> float:
        """Return the mean power that leaves the antenna now, relative to full scale at 0 dB attenuation.

        Out of band, for tests of RF safety: what is sent in the next millisecond of sample time, carrier leakage
        included, exactly 0 with the mixer powered down.
        """
        if not self.sending.is_on:
            return 0.0
        now = self.medium.count(self.number)
        wave = self.sending.wave(now, now + max(self.chip.rate // 1000, 1))
        sent = self._physical().transmit.apply(wave)
        return float(np.vdot(sent, sent).real) / sent.size

    def open_reception(self, size: int) -> Reception:
        """Start to receive in blocks of `size` samples."""
        self._before()
        start = self.medium.count(self.number)
        self.reception = Reception(
            self.number, size, self.depths[ADC], start, self._looped, self._heard, self.faults.overflow
        )
        self.medium.receptions.append(self.reception)
        self.medium.clock.settle(self.medium)
        return self.reception

    def open_delivery(self, size: int, cyclic: bool) -> Delivery:
        """Hand the converter to a transmit buffer; nothing is sent until its first block."""
        self._before()
        delivery = Delivery(size, self.depths[DDS], cyclic, self.medium.count(self.number))
        self.sending.delivery, self.sending.source = delivery, Source.BUFFER
        self._after(Effect.SENT)
        return delivery

    def deliver(self, delivery: Delivery, data: bytes) -> None:
        """Queue a block that is to be sent."""
        self._before()
        now = self.medium.count(self.number)
        if delivery.dry or not delivery.blocks:
            jitter = self.about.timing_jitter * self._starts.standard_normal()
            self.sending.offset = max(PIPELINE + self.about.timing_offset + jitter, AHEAD)
            now += int(self._starts.uniform(0, self.start_spread) * self.chip.rate)
        if delivery.put(data, now):
            self.medium.cut(self.sending)
        self.medium.clock.settle(self.medium)

    def close_reception(self) -> None:
        """Stop receiving."""
        reception, self.reception = self.reception, None
        if reception is not None:
            self.medium.receptions.remove(reception)
            wake(reception.waiting)
            self.medium.clock.settle(self.medium)

    def close_delivery(self) -> None:
        """Destroy the transmit buffer: what is queued is gone, and the tones have the converter, as on a real one."""
        if self.sending.delivery is not None:
            self._before()
            wake(self.sending.delivery.waiting)
            self.sending.delivery, self.sending.source = None, Source.TONES
            self._after(Effect.SENT)
            self.medium.clock.settle(self.medium)

    def _attribute(self, address: Address) -> Attribute:
        attribute = self._attributes.get(address)
        if attribute is None or address in self.faults.missing:
            raise RefusedError(errno.ENOENT)
        return attribute

    def _all_attributes(self) -> dict[Address, Attribute]:
        rate = Attribute(lambda: str(self.chip.rate), self._keep_rate)
        found = self.chip.attributes() | self.tones.attributes()
        for device, scope in ((DDS, "OUTPUT"), (ADC, "INPUT")):
            for channel in ("voltage0", "voltage1"):
                found[Address(device, scope, channel, "sampling_frequency")] = rate
                found[Address(device, scope, channel, "sampling_frequency_available")] = rate
            found[Address(device, "BUFFER", "", "watermark")] = fixed("2048")
            found[Address(device, "BUFFER", "", "length_align_bytes")] = fixed("8")
        for device, registers in self.registers.items():
            found[Address(device, "DEBUG", "", "direct_reg_access")] = registers.attribute()
        return found

    def _keep_rate(self, text: str) -> None:
        """Take the rate of the chip for that of a core; the FPGA's filter, which divides it by 8, is not emulated."""
        if int(synthesis.number(text)) != self.chip.rate:
            raise RefusedError(errno.EINVAL)

    def _before(self) -> None:
        self.medium.clock.sync(self.medium)

    def _after(self, effect: Effect) -> None:
        if effect & Effect.SEND_PHASE:
            self.phases = replace(self.phases, send=self._draw())
        if effect & Effect.HEAR_PHASE:
            self.phases = replace(self.phases, hear=self._draw())
        if effect & Effect.RATE:
            self._leave()
            self.medium = self.medium_at(self.chip.rate)
            self._join()
        elif effect & (Effect.SENT | Effect.HEARD):
            self._apply()
            if effect & Effect.SENT:
                self.medium.cut(self.sending)

    def _leave(self) -> None:
        self.medium.cut(self.sending)
        self.medium.sendings.remove(self.sending)
        if self.reception is not None:
            self.medium.receptions.remove(self.reception)
        self.medium.clock.settle(self.medium)

    def _join(self) -> None:
        """Go on at another sample rate; a stream that runs starts again, what was queued is dropped."""
        self.medium.clock.sync(self.medium)
        self._apply()
        self.medium.sendings.append(self.sending)
        self.medium.cut(self.sending)
        now, delivery = self.medium.count(self.number), self.sending.delivery
        if delivery is not None:
            blocks = [block.data for block in delivery.blocks][-1:] if delivery.cyclic else []
            delivery.blocks.clear()
            delivery.start = now
            for data in blocks:
                delivery.put(data, now)
            wake(delivery.waiting)
        if self.reception is not None:
            self.reception.move(now)
            self.medium.receptions.append(self.reception)
        self.medium.clock.settle(self.medium)

    def _apply(self) -> None:
        """Make the air's unit what the settings say, from now on."""
        self.sending.is_on = physics.is_sending(self.chip)
        self.medium.air.replace(self.number, self._physical())

    def _physical(self) -> Unit:
        """Return the unit of the air with the settings as they are, its counter where it is."""
        air = self.medium.air
        wanted = physics.as_set(self.about, self.chip, self.phases, air.carrier)
        return replace(wanted, start=air.unit(self.number).start)

    def _draw(self) -> float:
        return float(self._mixers.uniform(0, 360))

    def _select(self, tones: bool) -> None:
        self.sending.source = Source.TONES if tones else Source.ZERO

    def _looped(self, low: int, high: int) -> np.ndarray | None:
        return self.sending.wave(low, high) if self.chip.loopback == 1 else None

    def _heard(self, power: float) -> None:
        if self.chip.settle_gain(10 * np.log10(max(power, 1e-12))):
            self._apply()

    def _raise_flag(self, flag: str) -> None:
        if flag == "overflow":
            self.registers[ADC].flag(OVERFLOW)
        else:
            self.registers[DDS].flag(UNDERFLOW)
