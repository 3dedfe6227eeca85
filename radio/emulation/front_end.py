"""Where a virtual Pluto meets the air: its chip, mixers and converter as a unit of the medium of its sample rate."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from radio.emulation import physics
from radio.emulation.medium import Medium, wake
from radio.emulation.physics import Phases
from radio.emulation.receiving import Reception
from radio.emulation.sending import Sending, Source
from radio.emulation.tones import Tones
from radio.emulation.transceiver import Effect, Transceiver
from radio.unit import Unit


@dataclass
class FrontEnd:
    """What of a unit is on the air; every change takes effect there at once.

    Args:
        number: on the air.
        about: the unit of the air that it is, as `physics` takes it.
        medium_at: returns the medium of a sample rate.
        mixers: draws the phases.
        chip: the settings.
        tones: the tone generators.
        sending: the converter.
        phases: of the mixers now.
        medium: that of the sample rate now.
        reception: the open receive buffer.
    """

    number: int
    about: Unit
    medium_at: Callable[[int], Medium]
    mixers: np.random.Generator
    chip: Transceiver = field(init=False)
    tones: Tones = field(init=False)
    sending: Sending = field(init=False)
    phases: Phases = field(init=False)
    medium: Medium = field(init=False)
    reception: Reception | None = None

    def __post_init__(self) -> None:
        self.chip = Transceiver(self.catch_up, self.apply)
        self.tones = Tones(lambda: self.chip.rate, self.catch_up, lambda: self.apply(Effect.SENT), self._select)
        self.sending = Sending(self.number, self.tones)
        self.phases = Phases(self._draw(), self._draw())
        self.medium = self.medium_at(self.chip.rate)
        self._join()

    @property
    def now(self) -> int:
        """The count of its clock that is next."""
        return self.medium.count(self.number)

    def catch_up(self) -> None:
        """Bring the air up to now, ahead of a change."""
        self.medium.clock.sync(self.medium)

    def settle(self) -> None:
        """Let time run as far as it may, behind a change."""
        self.medium.clock.settle(self.medium)

    def radiated_power(self) -> float:
        """Return the mean power that leaves the antenna now, relative to full scale at 0 dB attenuation.

        Out of band, for tests of RF safety: what is sent in the next millisecond of sample time, carrier leakage
        included, exactly 0 with the mixer powered down.
        """
        if not self.sending.is_on:
            return 0.0
        now = self.now
        wave = self.sending.wave(now, now + max(self.chip.rate // 1000, 1))
        sent = self._physical().transmit.apply(wave)
        return float(np.vdot(sent, sent).real) / sent.size

    def apply(self, effect: Effect) -> None:
        """Let a change take effect on the air."""
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
        self.settle()

    def _join(self) -> None:
        """Go on at another sample rate; a stream that runs starts again, what was queued is dropped."""
        self.catch_up()
        self._apply()
        self.medium.sendings.append(self.sending)
        self.medium.cut(self.sending)
        now, delivery = self.now, self.sending.delivery
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
        self.settle()

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
        return float(self.mixers.uniform(0, 360))

    def _select(self, tones: bool) -> None:
        self.sending.source = Source.TONES if tones else Source.ZERO
