"""The TDD controller in the FPGA of stock firmware 0.39 and later, through which both DMAs can start at one pulse.

Known, from the documentation of `axi_tdd`, its kernel driver, and the FPGA project of the Pluto (analogdevicesinc/hdl,
pull requests 1184 and 1468): three channels, idle at their polarity, which after power-up is 0, 1, 0; the controller
counts from a pulse, soft or external, that it gets while it is enabled; what it counts to cannot be changed meanwhile,
and a write that tries is ignored. Channel 0 goes out at pin L10P; the external pulse comes in at another pin (L12N by
the pull request, L24N by the examples), which the GPIO `phaser_enable` of `one-bit-adc-dac` has to switch over first.
While channel 1 is low no receive transfer begins. Channel 2, while it is high, holds the transmitter in reset.

Our reading, not checked on hardware: that a channel which goes on and not off again lets all further blocks of a
stream through; that the clock is twice the sample clock, as the examples compute. Later FPGAs (pull request 1468) hand
channel 2 to the transmit DMA as channel 1 to the receive DMA, so that its polarity has the other sense. Not emulated:
channels that go off again within a frame, bursts of frames, the internal pulse, the pins and `phaser_enable`.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from radio.emulation import synthesis
from radio.emulation.layout import TDD, TDD_CHANNELS, Attribute, fixed
from radio.emulation.protocol import Address, RefusedError

TICKS = 2  # of the controller's clock in a sample
HEAR, SEND = 1, 2  # channels
REGISTER = 1 << 32
DEFAULT_POLARITY = (False, True, False)
IDLE, ARMED, RUNNING = 0, 1, 3
SWITCHES = ("sync_external", "sync_internal", "sync_reset")
COUNTERS = ("startup_delay", "frame_length", "internal_sync_period")


@dataclass
class Tdd:
    """The controller of one unit.

    Args:
        rate: returns the sample rate in Hz.
        before: called ahead of what a client changes: brings the air up to now.
        changed: called with how many samples from now on receiving and sending may start; None: not yet.
        after: called behind what a client changes: lets time run.
        state: idle, armed or running.
        switches: which pulses count, by name.
        counters: by name, in ticks of the controller's clock.
        bursts: frames, 0 for ever.
        enabled: of each channel, whether it leaves its polarity.
        polarity: of each channel, its level when idle.
        on: tick at which each channel leaves it.
        off: tick at which each channel returns.
    """

    rate: Callable[[], int]
    before: Callable[[], None]
    changed: Callable[[int | None, int | None], None]
    after: Callable[[], None]
    state: int = IDLE
    switches: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SWITCHES, False))
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    bursts: int = 0
    enabled: list[bool] = field(default_factory=lambda: [False] * TDD_CHANNELS)
    polarity: list[bool] = field(default_factory=lambda: list(DEFAULT_POLARITY))
    on: list[int] = field(default_factory=lambda: [0] * TDD_CHANNELS)
    off: list[int] = field(default_factory=lambda: [0] * TDD_CHANNELS)

    def pulse(self) -> None:
        """Begin to count, if the controller waits for that; the air is up to now, and time does not run yet."""
        if self.state == ARMED:
            self.state = RUNNING
            self._tell()

    def delay(self, channel: int, level: bool) -> int | None:
        """Return the samples from now on after which a channel has a level; None: not without another pulse."""
        if self.polarity[channel] is level:
            return 0
        leaves = self.enabled[channel] and self.off[channel] > self.on[channel]
        if self.state != RUNNING or not leaves:
            return None
        return (self.counters["startup_delay"] + self.on[channel]) // TICKS

    def attributes(self) -> dict[Address, Attribute]:
        """Return what clients see of it."""
        names = {
            "version": fixed("2.00.a"),
            "core_id": fixed("0"),
            "magic": fixed("0x5444444e"),
            "enable": Attribute(lambda: str(int(self.state != IDLE)), self._enable),
            "state": Attribute(lambda: str(self.state)),
            "sync_soft": Attribute(_write_only, self._soft),
            "burst_count": Attribute(lambda: str(self.bursts), self._count),
        }
        names |= {name: self._switch(name) for name in SWITCHES}
        for name in COUNTERS:
            names |= self._ticks(name, self.counters, name)
        found = {Address(TDD, "", "", name): attribute for name, attribute in names.items()}
        for channel in range(TDD_CHANNELS):
            for name, attribute in self._channel(channel).items():
                found[Address(TDD, "OUTPUT", f"channel{channel}", name)] = attribute
        return found

    def _channel(self, channel: int) -> dict[str, Attribute]:
        def enable(text: str) -> None:
            wanted = synthesis.switch(text)
            with self._change():
                self.enabled[channel] = wanted

        def turn(text: str) -> None:
            wanted = synthesis.switch(text)
            if self.state == IDLE:
                with self._change():
                    self.polarity[channel] = wanted

        return {
            "enable": Attribute(lambda: str(int(self.enabled[channel])), enable),
            "polarity": Attribute(lambda: str(int(self.polarity[channel])), turn),
            **self._ticks("on", self.on, channel),
            **self._ticks("off", self.off, channel),
        }

    def _ticks(self, name: str, kept: dict[str, int] | list[int], place: str | int) -> dict[str, Attribute]:
        """Return a time twice: in ticks of the clock and in ms."""
        values: dict[str | int, int] = kept  # type: ignore[assignment]

        def keep(ticks: float) -> None:
            if not 0 <= ticks < REGISTER:
                raise RefusedError(errno.EINVAL)
            if self.state == IDLE:
                values[place] = round(ticks)

        def per_ms() -> float:
            return TICKS * self.rate() / 1000

        return {
            f"{name}_raw": Attribute(lambda: str(values[place]), lambda text: keep(synthesis.number(text))),
            f"{name}_ms": Attribute(
                lambda: f"{values[place] / per_ms():.6f}", lambda text: keep(synthesis.number(text) * per_ms())
            ),
        }

    def _switch(self, name: str) -> Attribute:
        def write(text: str) -> None:
            self.switches[name] = synthesis.switch(text)

        return Attribute(lambda: str(int(self.switches[name])), write)

    def _enable(self, text: str) -> None:
        wanted = synthesis.switch(text)
        with self._change():
            if not wanted:
                self.state = IDLE
            elif self.state == IDLE:
                self.state = ARMED

    def _soft(self, text: str) -> None:
        if synthesis.switch(text):
            self.before()
            self.pulse()
            self.after()

    def _count(self, text: str) -> None:
        wish = synthesis.number(text)
        if not 0 <= wish < REGISTER:
            raise RefusedError(errno.EINVAL)
        if self.state == IDLE:
            self.bursts = int(wish)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Let what a client changes inside take effect now."""
        self.before()
        yield
        self._tell()
        self.after()

    def _tell(self) -> None:
        self.changed(self.delay(HEAR, True), self.delay(SEND, False))


def _write_only() -> str:
    raise RefusedError(errno.EACCES)
