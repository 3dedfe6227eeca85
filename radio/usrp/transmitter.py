"""The switch of a radio's transmitter: the gain that is wished from the first burst on, the least one by `mute`."""

from contextlib import suppress
from dataclasses import dataclass

from radio.base import RadioError
from radio.safety import Authorisation, Emission, check_signal
from radio.settings import Settings
from radio.usrp import clock, tuning
from radio.usrp.device import Channel
from radio.usrp.sources import CABLES
from radio.usrp.tuning import Tuning
from radio.usrp.upkeep import Upkeep


@dataclass(eq=False)
class Transmitter:
    """The transmitter of one radio.

    Args:
        upkeep: of the radio.
        tuned: with what it was opened.
        allowed: what may be sent; None: nothing.
        is_muted: whether bursts are dropped.
    """

    upkeep: Upkeep
    tuned: Tuning
    allowed: Authorisation | None
    is_muted: bool = False

    @property
    def _channel(self) -> Channel:
        return self.upkeep.pump.hearing.channel

    def check(self, settings: Settings) -> None:
        """Return if signals may be sent with these settings.

        Raises:
            NotAuthorisedError: nobody said that they may.
        """
        check_signal(self.allowed, self._channel.label, settings, self.tuned.occupied)

    def check_reference(self) -> None:
        """Return if the clock holds: it may be lost at any time, and a burst on another frequency spoils those of all.

        Raises:
            RadioError: its reference is not locked.
        """
        channel = self._channel
        source, _ = self.upkeep.manner.sources.of(channel.board)
        if source != "internal" and not clock.is_locked(channel.device, channel.board):
            raise RadioError(
                f"radio {channel.label}: ref_locked must be true to send with clock_source = {source}, got false; "
                f"check {CABLES[source]}; once it is locked the next burst is sent, but if the clock stood still "
                "its time is off: start again"
            )

    def switch_on(self) -> None:
        """Set the gain that is wished; once.

        Raises:
            RadioError: the radio does not take the gain; it was lowered again then.
        """
        if not self.upkeep.is_on:
            self.raise_level()

    def raise_level(self) -> None:
        """Set the gain that is wished.

        Raises:
            RadioError: the radio does not take it; it was lowered again.
        """
        upkeep, channel = self.upkeep, self._channel
        upkeep.emission = Emission.SENDING
        try:
            tuning.send(channel, tuning.send_gains(channel).high - upkeep.settings.tx_attenuation_db)
        except RadioError as error:
            raise upkeep.with_more(error, upkeep.hush) from error
        except BaseException:
            with suppress(RadioError):  # it stays unsure, and is silenced at the latest by `close`
                upkeep.hush()
            raise

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what waits, lower the gain, wait until the device has sent the rest.

        Raises:
            RadioError: the gain does not go down; without samples it stops all the same.
        """
        upkeep = self.upkeep
        with upkeep.guard:
            self.is_muted = True
            upkeep.pump.withdraw()
            upkeep.hush()
            if not (upkeep.is_closed or upkeep.has_failed) and upkeep.pump.is_busy:
                upkeep.wait(upkeep.pump.schedule.busy)
