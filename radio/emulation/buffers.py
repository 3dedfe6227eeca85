"""The receive and the transmit buffer of a unit: opened, filled, closed, and when what is in them starts."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from radio.emulation.delivery import Delivery
from radio.emulation.front_end import FrontEnd
from radio.emulation.layout import ADC, BUFFERED, DDS
from radio.emulation.medium import wake
from radio.emulation.receiving import Reception
from radio.emulation.sending import AHEAD, PIPELINE, Source
from radio.emulation.transceiver import Effect

KERNEL_BUFFERS = 4
START_SPREAD = 1e-3  # seconds within which a transmission starts, at random


@dataclass
class Buffers:
    """The two buffers of a unit, each for one client at a time.

    Args:
        front: through which they reach the air.
        starts: draws when a transmission starts.
        start_spread: seconds within which it does.
        overflowed: called when a received block is lost.
        depths: kernel buffers that each device will have.
        wait: returns the samples from now on after which a transfer of a device may start; None: it waits for a pulse.
    """

    front: FrontEnd
    starts: np.random.Generator
    start_spread: float
    overflowed: Callable[[], None]
    depths: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUFFERED, KERNEL_BUFFERS))

    wait: Callable[[str], int | None] = lambda _: 0
    _held_reception: Reception | None = None
    _held_delivery: Delivery | None = None
    _held_blocks: list[bytes] = field(default_factory=list)

    def is_open(self, device: str) -> bool:
        """Return whether somebody has the buffer of a device."""
        if device == ADC:
            return (self._held_reception or self.front.reception) is not None
        return (self._held_delivery or self.front.sending.delivery) is not None

    def queued(self, delivery: Delivery) -> int:
        """Return how many blocks of a transmit buffer are not sent yet."""
        return len(self._held_blocks) if delivery is self._held_delivery else delivery.queued(self.front.now)

    def release(self) -> None:
        """Start what was held and may start by now; the air must have been caught up."""
        front = self.front
        if (reception := self._held_reception) is not None and (wait := self.wait(ADC)) is not None:
            self._held_reception, front.reception = None, reception
            reception.move(front.now + wait)
            front.medium.receptions.append(reception)
        if (delivery := self._held_delivery) is not None and (wait := self.wait(DDS)) is not None:
            self._held_delivery, front.sending.delivery = None, delivery
            delivery.start = front.now + wait
            front.sending.offset = max(PIPELINE + front.about.timing_offset, AHEAD)
            for data in self._held_blocks:
                delivery.put(data, delivery.start)
            self._held_blocks.clear()
            front.medium.cut(front.sending)
            wake(delivery.waiting)

    def open_reception(self, size: int) -> Reception:
        """Start to receive in blocks of `size` samples."""
        front = self.front
        front.catch_up()
        start = front.now
        reception = Reception(front.number, size, self.depths[ADC], start, self._looped, self._heard, self.overflowed)
        self._held_reception = reception
        self.release()
        front.settle()
        return reception

    def open_delivery(self, size: int, cyclic: bool) -> Delivery:
        """Hand the converter to a transmit buffer; nothing is sent until its first block."""
        front = self.front
        front.catch_up()
        delivery = Delivery(size, self.depths[DDS], cyclic, front.now)
        front.sending.source = Source.BUFFER
        if self.wait(DDS) is None:
            self._held_delivery = delivery
        else:
            front.sending.delivery = delivery
        front.apply(Effect.SENT)
        return delivery

    def deliver(self, delivery: Delivery, data: bytes) -> None:
        """Queue a block that is to be sent."""
        if delivery is self._held_delivery:
            self._held_blocks.append(data)
            return
        front = self.front
        front.catch_up()
        now = front.now
        if delivery.dry or not delivery.blocks:
            jitter = front.about.timing_jitter * self.starts.standard_normal()
            late = int(self.starts.uniform(0, self.start_spread) * front.chip.rate)
            if wait := self.wait(DDS):  # for an edge of a clock, which comes on time
                jitter, late = 0.0, wait
            front.sending.offset = max(PIPELINE + front.about.timing_offset + jitter, AHEAD)
            now += late
        if delivery.put(data, now):
            front.medium.cut(front.sending)
        front.settle()

    def close_reception(self) -> None:
        """Stop receiving."""
        front = self.front
        if (held := self._held_reception) is not None:
            self._held_reception = None
            wake(held.waiting)
        reception, front.reception = front.reception, None
        if reception is not None:
            front.medium.receptions.remove(reception)
            wake(reception.waiting)
            front.settle()

    def close_delivery(self) -> None:
        """Destroy the transmit buffer: what is queued is gone, and the tones have the converter, as on a real one."""
        front = self.front
        delivery = self._held_delivery or front.sending.delivery
        if delivery is not None:
            front.catch_up()
            self._held_delivery = None
            self._held_blocks.clear()
            wake(delivery.waiting)
            front.sending.delivery, front.sending.source = None, Source.TONES
            front.apply(Effect.SENT)
            front.settle()

    def _looped(self, low: int, high: int) -> np.ndarray | None:
        return self.front.sending.wave(low, high) if self.front.chip.loopback == 1 else None

    def _heard(self, power: float) -> None:
        if self.front.chip.settle_gain(10 * np.log10(max(power, 1e-12))):
            self.front.apply(Effect.HEARD)
