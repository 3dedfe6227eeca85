"""The loopback radio: one unit on an in-process air. Its time advances by receiving."""

from dataclasses import dataclass, field, replace

import numpy as np

from radio.air import Air
from radio.base import LateError, RadioError, Samples, check_burst
from radio.propagation import ROUNDING
from radio.settings import Change, Limits, Range, Settings, changed

LIMITS = Limits(Range(0.0, 89.75, 0.25), Range(-60.0, 60.0, 0.25), Range(-100.0, 100.0), lo_offset_hz=Range(-1e5, 1e5))
BANDWIDTH = 0.9  # of the sample rate


@dataclass
class LoopbackRadio:
    """A transceiver on a simulated air.

    Args:
        air: shared by all units.
        unit: its id on the air.
        timing_uncertainty: samples by which a burst may leave early or late.
        serial: which radio it is; "" for a name from its unit.
        session: changes with every start of its stream.
        limits: what can be set.
    """

    air: Air
    unit: int
    timing_uncertainty: int = 0
    serial: str = ""
    session: str = "0"
    limits: Limits = LIMITS
    lead_time: int = field(init=False)
    sample_rate: float = field(init=False)
    timing_repeatability: float = field(init=False)
    muted: bool = False
    _closed: bool = False
    _settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        about = self.air.unit(self.unit)
        self.sample_rate = self.air.sample_rate
        self.timing_repeatability = about.timing_jitter
        self.lead_time = self.timing_uncertainty + 8 * int(np.ceil(self.timing_repeatability))
        self.serial = self.serial or f"loopback-{self.unit}"
        self._settings = Settings(
            self.air.carrier,
            self.sample_rate,
            BANDWIDTH * self.sample_rate,
            about.transmit.attenuation_db,
            about.receive.gain_db,
        )

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet."""
        return int(np.ceil(self.air.unit(self.unit).index(self.air.frontier) - ROUNDING))

    @property
    def settings(self) -> Settings:
        """How the radio is set."""
        return self._settings

    def configure(self, change: Change) -> Settings:
        """Set gains and clocks, from the next sample on that nobody has heard; noise is amplified like the signal.

        A mixer that is tuned back has the phase that it would have had: here a retune begins no new session.

        Raises:
            SettingError: a value is beyond the limits.
            RadioError: this radio is closed.
        """
        self._check_open()
        before, after = self._settings, changed(self._settings, change, self.limits)
        about, more = self.air.unit(self.unit), after.rx_gain_db - before.rx_gain_db
        self.air.replace(
            self.unit,
            replace(
                about,
                offset_ppm=about.offset_ppm + after.clock_trim_ppm - before.clock_trim_ppm,
                transmit=replace(about.transmit, attenuation_db=after.tx_attenuation_db),
                receive=replace(about.receive, gain_db=after.rx_gain_db),
                transmit_hz=after.lo_offset_hz,
                receive_hz=after.lo_offset_hz,
                noise_var=about.noise_var * 10 ** (more / 10),
            ),
        )
        self._settings = after
        return after

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on.

        Raises:
            OverrunError: they are longer ago than the air remembers.
            RadioError: this radio is closed.
        """
        self._check_open()
        data, clipped = self.air.receive(self.unit, count, at)
        return Samples(data, at, clipped=clipped)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on; a muted radio drops them.

        Raises:
            LateError, FullScaleError: as their names say.
            RadioError: this radio is closed.
        """
        self._check_open()
        burst, first = check_burst(samples), self.now() + self.lead_time
        if at < first:
            raise LateError(
                f"samples for index {at} come {first - at} samples too late, radio {self.unit} can send from {first} "
                f"on; hand them over {self.lead_time} samples ahead of now(), or start them at {first}"
            )
        if not self.muted:
            self.air.transmit(self.unit, burst, at)

    def mute(self) -> None:
        """Send nothing until `unmute`; bursts that have not begun are withdrawn, one under way is cut off."""
        self.muted = True
        self.air.cut(self.unit)

    def unmute(self) -> None:
        """Allow sending again."""
        self.muted = False

    def close(self) -> None:
        """Mute, and give the radio back."""
        if not self._closed:
            self.mute()
            self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise RadioError(f"radio {self.unit} is closed; open a new one")
