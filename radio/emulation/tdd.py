"""The TDD controller in the FPGA of stock firmware 0.39 and later, which decides when the DMAs of a unit may start.

Known, from the source and documentation of `axi_tdd`, its kernel driver, and the FPGA project of the Pluto
(analogdevicesinc/hdl, pull requests 1184 and 1468): three channels, each idle at its polarity, and the opposite from
tick `on` to tick `off` of a frame, which begins at a pulse, soft or external, that comes while the controller is armed.
It ends with its length, also for a controller that is disabled meanwhile. What a write sets holds from the next time
that it is enabled; while it is, writes to polarity, times and counts are ignored. Polarities begin as 0, 1, 0.
While channel 1 is low no receive transfer begins; while channel 2 is high the transmitter is in reset. Channel 0 goes
out at pin L10P; the external pulse comes in at another one (L12N by the pull request, L24N by the examples), which the
GPIO `phaser_enable` of `one-bit-adc-dac` has to switch over first.

Our reading, not checked on hardware: that the clock is twice the sample clock, as the examples compute, and that both
DMAs start within a sample of the edge. Later FPGAs (pull request 1468) give channel 2 the sense of channel 1. Not
emulated: that every block, not only the first of a stream, waits for its channel; the internal pulse; a pulse that
restarts the count (`sync_reset`); the pins and `phaser_enable`.
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from radio.emulation import synthesis
from radio.emulation.layout import ADC, DDS, TDD, TDD_CHANNELS, Attribute, fixed
from radio.emulation.protocol import Address, RefusedError

TICKS = 2  # of the controller's clock in a sample
OPEN = {ADC: (1, True), DDS: (2, False)}
"""Of each device, the channel and the level at which transfers may start."""
REGISTER = 1 << 32
DEFAULT_POLARITY = (False, True, False)
IDLE, ARMED, WAITING, RUNNING = range(4)
SWITCHES = ("sync_external", "sync_internal", "sync_reset")
COUNTERS = ("startup_delay", "frame_length", "internal_sync_period")


@dataclass
class Tdd:
    """The controller of one unit.

    Args:
        rate: returns the sample rate in Hz.
        now: returns the count of the unit's clock that is next.
        before: called ahead of what a client changes: brings the air up to now.
        changed: called when transfers may start that had to wait.
        after: called behind what a client changes: lets time run.
        is_on: as clients have set it.
        switches: which pulses count, by name.
        counters: by name, in ticks of the controller's clock.
        bursts: frames, 0 for ever.
        enabled: of each channel, whether it leaves its polarity.
        polarity: of each channel, its level when idle, from the next time on that the controller is enabled.
        on: tick at which each channel leaves it.
        off: tick at which each channel returns.
    """

    rate: Callable[[], int]
    now: Callable[[], int]
    before: Callable[[], None]
    changed: Callable[[], None]
    after: Callable[[], None]
    is_on: bool = False
    switches: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SWITCHES, False))
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    bursts: int = 0
    enabled: list[bool] = field(default_factory=lambda: [False] * TDD_CHANNELS)
    polarity: list[bool] = field(default_factory=lambda: list(DEFAULT_POLARITY))
    on: list[int] = field(default_factory=lambda: [0] * TDD_CHANNELS)
    off: list[int] = field(default_factory=lambda: [0] * TDD_CHANNELS)
    _idle: list[bool] = field(default_factory=lambda: list(DEFAULT_POLARITY))
    _begun: int | None = None
    _last: int | None = None

    @property
    def state(self) -> int:
        """Idle, armed, waiting for the startup delay, or running."""
        if self._begun is not None and self._frames_left():
            return RUNNING if self._elapsed() >= 0 else WAITING
        self._begun = None
        return ARMED if self.is_on else IDLE

    def pulse(self) -> None:
        """Begin to count, if the controller waits for that; the air is up to now, and time does not run yet."""
        if self.state == ARMED:
            self._begun, self._last = self.now(), self.bursts or None
            self.changed()

    def wait(self, device: str) -> int | None:
        """Return the samples from now on after which a transfer of a device may start; None: not without a pulse."""
        channel, level = OPEN[device]
        edges = self.on[channel], min(self.off[channel], self._frame)
        leaves = self.state in (WAITING, RUNNING) and self.enabled[channel] and edges[0] < edges[1]
        if self._idle[channel] is level:
            return self._until(edges[1]) if leaves and edges[0] <= self._place() < edges[1] else 0
        if not leaves or (self._place() >= edges[1] and not self._frames_left(1)):
            return None
        return 0 if edges[0] <= self._place() < edges[1] else self._until(edges[0])

    @property
    def _frame(self) -> int:
        return self.counters["frame_length"] or REGISTER

    def _elapsed(self) -> int:
        """Return the ticks since the first frame began; negative within the startup delay."""
        return TICKS * (self.now() - (self._begun or 0)) - self.counters["startup_delay"]

    def _place(self) -> int:
        """Return the tick of the frame that is now; negative within the startup delay."""
        return self._elapsed() % self._frame if self._elapsed() >= 0 else self._elapsed()

    def _until(self, tick: int) -> int:
        """Return the samples until a tick comes, in this frame or the next."""
        missing = tick - self._place()
        return -(-(missing if missing >= 0 else missing + self._frame) // TICKS)

    def _frames_left(self, ahead: int = 0) -> bool:
        """Return whether a frame is still to come, or runs; so many frames from now."""
        frame = max(self._elapsed(), 0) // self._frame + ahead
        return self._last is None or frame < self._last

    def attributes(self) -> dict[Address, Attribute]:
        """Return what clients see of it."""
        names = {
            "version": fixed("2.00.a"),
            "core_id": fixed("0"),
            "magic": fixed("0x5444444e"),
            "enable": Attribute(lambda: str(int(self.is_on)), self._enable),
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
            if not self.is_on:
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
            if not self.is_on:
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
            runs = self.state in (WAITING, RUNNING)
            self.is_on = wanted
            if wanted:
                self._idle = list(self.polarity)
            elif runs and not self.bursts:  # to the end of this frame
                self._last = max(self._elapsed(), 0) // self._frame + 1

    def _soft(self, text: str) -> None:
        if synthesis.switch(text):
            self.before()
            self.pulse()
            self.after()

    def _count(self, text: str) -> None:
        wish = synthesis.number(text)
        if not 0 <= wish < REGISTER:
            raise RefusedError(errno.EINVAL)
        if not self.is_on:
            self.bursts = int(wish)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Let what a client changes inside take effect now."""
        self.before()
        yield
        self.changed()
        self.after()


def _write_only() -> str:
    raise RefusedError(errno.EACCES)
