"""The switch of a radio's transmitter: on by the first burst that may be sent, off by `mute`."""

from contextlib import suppress
from dataclasses import dataclass, field

from radio.base import RadioError
from radio.pluto.safety import raise_level
from radio.pluto.upkeep import Upkeep
from radio.pluto.watchdog import Watchdog
from radio.safety import Authorisation, Emission, check_signal
from radio.settings import Settings


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
    _mutes: int = 0
    _watchdog: Watchdog | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.guarded and self.allowed is not None:
            self._watchdog = Watchdog(self.upkeep.link.uri)

    def check(self, settings: Settings) -> None:
        """Return if signals may be sent with these settings.

        Raises:
            NotAuthorisedError: nobody said that they may.
        """
        link = self.upkeep.link
        check_signal(self.allowed, link.uri, settings, link.tuning.occupied)

    def switch_on(self) -> None:
        """Give the mixer power at the largest attenuation, then set the attenuation that is wished; once.

        Raises:
            RadioError: the watchdog is gone, or the radio does not take it; it is silenced then.
        """
        self._check_watchdog()
        if self.upkeep.is_on:
            return
        self.upkeep.hush()
        self.raise_level()
        if self._was_on:
            self.upkeep.begin_session()
        self._was_on = True

    def raise_level(self) -> None:
        """Give the mixer power as `switch_on` does, in the same session.

        Raises:
            RadioError: the radio does not take it, and was silenced again.
        """
        try:
            self.upkeep.told(self._rise)
        except RadioError as error:
            raise self.upkeep.with_more(error, self.upkeep.hush) from error
        except BaseException:
            with suppress(RadioError):  # it stays unsure, and is silenced at the latest by `close`
                self.upkeep.hush()
            raise

    def _check_watchdog(self) -> None:
        if self._watchdog is None:
            return
        try:
            self._watchdog.check()
        except RadioError as error:
            raise self.upkeep.with_more(error, self.upkeep.hush) from error

    def _rise(self) -> None:
        link = self.upkeep.link
        attributes, link.emission = link.attributes, Emission.SENDING
        raise_level(attributes, self.upkeep.settings.tx_attenuation_db)

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what is queued, and take the mixer's power.

        Raises:
            RadioError: it may still be sending.
        """
        with self.upkeep.guard:
            self.is_muted, link = True, self.upkeep.link
            self._mutes += 1
            if link.streams.is_running:
                with link.pump.changed:
                    link.pump.timeline.clear()
            self.upkeep.hush()

    def unmute(self) -> None:
        """Allow sending again, once what was withdrawn too late has left the converter unheard.

        Whoever mutes meanwhile has the last word.

        Raises:
            RadioError: the radio fails meanwhile.
        """
        if not self.is_muted:
            return
        link, mutes = self.upkeep.link, self._mutes
        link.streams.wait(link.pump.promised + link.pump.offset + link.antenna_delay)
        with self.upkeep.guard:
            self.is_muted = self._mutes != mutes

    def dismiss(self) -> None:
        """End the watchdog if the radio is silent; else, let it try what it is there for."""
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.dismiss(self.upkeep.is_silent)
