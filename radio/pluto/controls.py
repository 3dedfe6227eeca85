"""The settings of a Pluto whose samples somebody else carries: set, read back and silenced over our own connection.

gr-iio can neither read back what it sets nor take the mixer's power, so a flowgraph with it only moves samples. What
keeps the rest of the world safe is the same as for `radio.pluto.radio`: the band, silence before and after, a watchdog.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from radio.base import ContactError
from radio.pluto import tuning
from radio.pluto.attributes import Attributes
from radio.pluto.contact import connect
from radio.pluto.safety import raise_level, silence
from radio.pluto.stream import Stream
from radio.pluto.tuning import Tuning
from radio.pluto.watchdog import Watchdog, mute
from radio.safety import Authorisation, check_signal
from radio.settings import Change, Limits, Settings, is_retuned


@dataclass
class PlutoControls:
    """The settings of one Pluto.

    Args:
        uri: of libiio.
        tuning: what it is opened with.
        timeout: seconds within which it must answer.
        antenna_delay: samples that a burst needs from the digital loopback to the antenna and back.
        allowed: what may be sent; None: nothing.
        guarded: whether a process of its own mutes the radio should this one die.
        serial: of the hardware.
        cuts_off: the mixer's power ends a burst at once.
    """

    uri: str
    tuning: Tuning
    timeout: float
    antenna_delay: int
    allowed: Authorisation | None
    guarded: bool = True
    serial: str = ""
    cuts_off: bool = True
    _wished: Settings | None = None
    _sdr: Any = None
    _attributes: Attributes | None = None
    _watchdog: Watchdog | None = None
    _is_silent: bool = True  # read back

    @property
    def attributes(self) -> Attributes:
        """Of the radio.

        Raises:
            ContactError: it is not connected.
        """
        if self._attributes is None:
            raise ContactError(f"radio {self.uri} is not connected; the next call opens it again")
        return self._attributes

    @property
    def limits(self) -> Limits:
        """What it can do at its carrier."""
        return tuning.limits_of(self.attributes)

    def open(self) -> None:
        """Connect, silence, set everything.

        Raises:
            RadioError: something of this failed.
        """
        self._sdr, self._attributes = connect(self.uri, self.timeout)
        self.serial = self._sdr.ctx.attrs.get("hw_serial", "") or self.uri
        if self.guarded and self.allowed is not None and self._watchdog is None:
            self._watchdog = Watchdog(self.uri)
        self._is_silent = False  # somebody may have left it on
        silence(self.attributes)
        self._is_silent = True
        self._wished = self._wished or self.tuning.settings
        tuning.apply_rate(self._sdr, self.attributes, self.tuning)
        tuning.apply_settings(self.attributes, self._wished, self.allowed is not None)

    def ready(self) -> None:
        """Clear the flags of lost samples."""
        Stream(self.attributes, 0).clear()

    def check(self) -> None:
        """Return if nothing was lost since.

        Raises:
            OverrunError, LateError: it was.
        """
        Stream(self.attributes, 0).check()

    @property
    def settings(self) -> Settings:
        """What reads back; the attenuation is the one while it sends."""
        return tuning.read_settings(self.attributes, self._settings, False)

    def apply(self, change: Change, after: Settings, is_sending: bool) -> Settings:
        """Set what changes, and read it back; a mixer has no power while it is tuned.

        Raises:
            NotAuthorisedError: the transmitter would leave its band.
            SettingError: the radio did not take it.
        """
        if self.allowed is not None:  # also of one that does not send yet: its mixer is tuned
            check_signal(self.allowed, self.uri, after, self.tuning.occupied)
        is_cut = is_sending and is_retuned(change)
        if is_cut:
            silence(self.attributes)
        may_send = self.allowed is not None
        found = tuning.apply_change(self.attributes, change, after, is_sending and not is_cut, may_send)
        self._wished = after
        if is_cut:
            self.switch_on()
        return found

    def scale(self, burst: np.ndarray) -> np.ndarray:
        """Return the burst as it is: the radio attenuates."""
        return burst

    def check_allowed(self) -> None:
        """Return if something may be sent.

        Raises:
            NotAuthorisedError: nobody said so.
        """
        check_signal(self.allowed, self.uri, self._settings, self.tuning.occupied)

    @property
    def _settings(self) -> Settings:
        """As they are wished."""
        return self._wished or self.tuning.settings

    def loop_back(self, wanted: bool) -> None:
        """Switch the digital loopback."""
        self.attributes.put("loopback", float(wanted))

    def switch_on(self) -> None:
        """Give the mixer power at the largest attenuation, then set the attenuation that is wished."""
        if self._watchdog is not None:
            self._watchdog.check()
        self._is_silent = False
        raise_level(self.attributes, self._settings.tx_attenuation_db)

    def silence(self) -> None:
        """Silence it, over a new connection if the old one is broken.

        Raises:
            RadioError: it may still be sending.
        """
        if self._attributes is None and self._is_silent:
            return
        self._is_silent = False
        try:
            silence(self.attributes)
        except ContactError:
            mute(self.uri, self.timeout)
        self._is_silent = True

    def close(self) -> None:
        """Silence it and give it back; the watchdog goes on trying if that fails.

        Raises:
            RadioError: it may still be sending.
        """
        watchdog, self._watchdog = self._watchdog, None
        try:
            self.silence()
        finally:
            self._sdr = self._attributes = None
            if watchdog is not None:
                watchdog.dismiss(self._is_silent)
