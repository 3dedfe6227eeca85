"""What can be set on a unit behind a flowgraph, and how it is silenced: by a device or by numbers.

A flowgraph only carries samples. Gains of one that has no radio, or whose radio is its own affair, are factors here.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from radio.base import RadioError
from radio.safety import Authorisation, check_band
from radio.settings import Change, Limits, Range, Settings

DIGITAL = Limits(Range(0.0, 89.75, 0.25), Range(0.0, 0.0))


class Controls(Protocol):
    """The settings of one unit.

    Attributes:
        serial: which radio it is.
        antenna_delay: samples that a burst needs beyond what `loop_back` tells.
        cuts_off: whether `silence` ends what has been handed over already; else, that has to leave first.
    """

    serial: str
    antenna_delay: int
    cuts_off: bool

    @property
    def limits(self) -> Limits:
        """What can be set."""
        ...

    def open(self) -> None:
        """Take the radio, silence it, and set everything; streams are not running yet.

        Raises:
            RadioError: it cannot be had, or refused something.
        """
        ...

    def ready(self) -> None:
        """Streams are running now: note that nothing has been lost yet."""
        ...

    @property
    def settings(self) -> Settings:
        """How the radio is set, as it says itself; the attenuation is the one while it sends."""
        ...

    def apply(self, change: Change, after: Settings, is_sending: bool) -> Settings:
        """Set what changes, and return all settings as read back.

        Raises:
            SettingError: the radio did not take it.
        """
        ...

    def scale(self, burst: np.ndarray) -> np.ndarray:
        """Return a burst as the flowgraph gets it."""
        ...

    def check_allowed(self) -> None:
        """Return if something may be sent as things are set.

        Raises:
            NotAuthorisedError: nobody said so.
        """
        ...

    def loop_back(self, wanted: bool) -> None:
        """Hand what is sent straight back to the receiver, with nothing on the air, or no more."""
        ...

    def switch_on(self) -> None:
        """Let the transmitter be heard."""
        ...

    def silence(self) -> None:
        """Let nothing be heard, whatever the flowgraph sends.

        Raises:
            RadioError: it may still be sending.
        """
        ...

    def check(self) -> None:
        """Return if the device has lost nothing since `ready`.

        Raises:
            OverrunError, LateError: it has.
        """
        ...

    def close(self) -> None:
        """Give the radio back."""
        ...


@dataclass
class Digital:
    """Settings of a flowgraph that has no radio: an attenuation, by which bursts are multiplied.

    Args:
        serial: which unit it is.
        carrier: in Hz.
        sample_rate: in Hz.
        bandwidth: of what is sent, in Hz; None: the sample rate.
        radiates: whether what the flowgraph gets may leave the machine.
        allowed: what may be sent then; None: nothing.
    """

    serial: str
    carrier: float
    sample_rate: float
    bandwidth: float | None = None
    radiates: bool = False
    allowed: Authorisation | None = None
    antenna_delay: int = 0
    cuts_off: bool = False
    _attenuation_db: float = 0.0

    @property
    def limits(self) -> Limits:
        """An attenuation, and nothing else."""
        return DIGITAL

    def open(self) -> None:
        """Nothing is to be taken."""

    def ready(self) -> None:
        """Nothing can be lost."""

    @property
    def settings(self) -> Settings:
        """What was set."""
        return Settings(self.carrier, self.sample_rate, self.bandwidth or self.sample_rate, self._attenuation_db)

    def apply(self, _change: Change, after: Settings, _is_sending: bool) -> Settings:
        """Note the attenuation."""
        self._attenuation_db = after.tx_attenuation_db
        return self.settings

    def scale(self, burst: np.ndarray) -> np.ndarray:
        """Return the burst, attenuated."""
        return burst * np.float32(10 ** (-self._attenuation_db / 20))

    def check_allowed(self) -> None:
        """Return if nothing leaves the machine, or what does stays within its band.

        Raises:
            NotAuthorisedError: it does not, or nobody said that it may be sent.
        """
        if self.radiates:
            check_band(self.allowed, self.serial, self.carrier, self.bandwidth or self.sample_rate)

    def loop_back(self, wanted: bool) -> None:
        """Refuse: there is no way back.

        Raises:
            RadioError: always.
        """
        raise RadioError(
            f"{self.serial}: this flowgraph does not say by how many samples what is heard is behind what is sent; "
            "set radio.gnuradio.delay"
        )

    def switch_on(self) -> None:
        """There is no transmitter."""

    def silence(self) -> None:
        """There is no transmitter: what was not handed over is withdrawn by the radio."""

    def check(self) -> None:
        """Nothing can be lost."""

    def close(self) -> None:
        """Nothing was taken."""
