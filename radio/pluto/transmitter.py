"""The switch of a radio's transmitter: on by the first burst that may be sent, off by `mute`."""

from dataclasses import dataclass, field

from radio.pluto.safety import MOST_ATTENUATION_DB, Authorisation, check_band, silence
from radio.pluto.upkeep import Upkeep
from radio.pluto.watchdog import Watchdog
from radio.settings import SettingError, Settings


@dataclass(eq=False)
class Transmitter:
    """The transmitter of one radio.

    Args:
        upkeep: of the radio.
        allowed: what may be sent; None: nothing.
        guarded: whether a process of its own mutes the radio should this one die.
        is_muted: whether bursts are dropped.

    Raises:
        RadioError: that process does not start.
    """

    upkeep: Upkeep
    allowed: Authorisation | None
    guarded: bool
    is_muted: bool = False
    _was_on: bool = False
    _watchdog: Watchdog | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.guarded and self.allowed is not None:
            self._watchdog = Watchdog(self.upkeep.link.uri)

    def check(self, settings: Settings) -> None:
        """Return if signals may be sent with these settings.

        Raises:
            NotAuthorisedError: nobody said that they may.
        """
        lo = settings.carrier + settings.lo_offset_hz
        check_band(self.allowed, self.upkeep.link.uri, lo, settings.bandwidth)

    def switch_on(self) -> None:
        """Give the mixer power at the largest attenuation, then set the attenuation that is wished; once.

        Raises:
            RadioError: the watchdog is gone, or the radio does not take it.
        """
        if self.upkeep.is_on:
            return
        if self._watchdog is not None:
            self._watchdog.check()
        self.upkeep.is_on = True
        try:
            self.upkeep.told(self._rise)
        except SettingError:
            self.mute()
            raise
        if self._was_on:
            self.upkeep.begin_session()
        self._was_on = True

    def _rise(self) -> None:
        attributes = self.upkeep.link.attributes
        attributes.put("tx_gain_db", -MOST_ATTENUATION_DB)
        attributes.put("tx_lo_powerdown", 0.0)
        attributes.put("tx_gain_db", -self.upkeep.settings.tx_attenuation_db)

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what is queued, and take the mixer's power.

        Raises:
            RadioError: it may still be sending.
        """
        self.is_muted, link = True, self.upkeep.link
        if link.is_running:
            with link.pump.changed:
                link.pump.timeline.clear()
        if not self.upkeep.is_closed and self.upkeep.is_on:
            self.upkeep.is_on = False
            self.upkeep.told(lambda: silence(link.attributes))

    def unmute(self) -> None:
        """Allow sending again, once what was withdrawn too late has left the converter unheard.

        Raises:
            RadioError: the radio fails meanwhile.
        """
        if self.is_muted:
            link = self.upkeep.link
            link.wait(link.pump.promised + link.pump.offset + link.antenna_delay)
            self.is_muted = False

    def dismiss(self) -> None:
        """End the watchdog: the radio has been muted."""
        if self._watchdog is not None:
            self._watchdog.leave()
