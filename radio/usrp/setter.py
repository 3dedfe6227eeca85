"""How the settings of a running radio are changed: all of a change, or nothing, or the radio has failed.

A mixer that lands elsewhere than it should must not be heard there: the gain is the least one while it is tuned.
"""

from dataclasses import dataclass

from radio.base import RadioError
from radio.settings import Settings
from radio.usrp import mixers, tuning
from radio.usrp.device import Channel
from radio.usrp.manner import Manner
from radio.usrp.transmitter import Transmitter
from radio.usrp.upkeep import Upkeep


@dataclass(eq=False)
class Setter:
    """Changes the settings of one radio.

    Args:
        upkeep: of the radio, whose guard is held by whoever calls.
        transmitter: of the radio.
    """

    upkeep: Upkeep
    transmitter: Transmitter

    def put(self, wished: Settings) -> None:
        """Set what differs, and read it back; a retune begins a new session.

        Args:
            wished: settings inside the limits and the band.

        Raises:
            SettingError: the radio did not take it: all is as before.
            RadioError: nor is it as before: the radio has failed, and its gain was lowered if it answers.
        """
        upkeep, before = self.upkeep, self.upkeep.settings
        was_on, is_retuned = upkeep.is_on, wished.lo_offset_hz != before.lo_offset_hz
        if is_retuned:
            upkeep.hush()
            upkeep.begin_session()
        try:
            self._change(before, wished)
        finally:
            if was_on and is_retuned and not upkeep.has_failed:
                self.transmitter.raise_level()

    def _change(self, before: Settings, wished: Settings) -> None:
        upkeep = self.upkeep
        try:
            self._set(before, wished)
        except RadioError as error:
            self._restore(wished, before, error)
            raise
        except BaseException:  # nobody knows how it is set
            upkeep.is_set = False
            upkeep.given_up(RadioError("interrupted"))
            raise
        upkeep.settings = tuning.read_settings(upkeep.pump.hearing.channel, wished)

    def _restore(self, wished: Settings, before: Settings, error: RadioError) -> None:
        try:
            self._set(wished, before)
        except RadioError as another:
            self.upkeep.is_set = False
            raise self.upkeep.given_up(
                RadioError(f"{error}; nor is it as before ({another}); the next call sets and starts it again")
            ) from another

    def _set(self, before: Settings, wished: Settings) -> None:
        channel = self.upkeep.pump.hearing.channel
        if self.upkeep.is_on and wished.tx_attenuation_db != before.tx_attenuation_db:
            tuning.send(channel, tuning.send_gains(channel).high - wished.tx_attenuation_db)
        if wished.rx_gain_db != before.rx_gain_db:
            tuning.hear(channel, wished.rx_gain_db)
        if wished.lo_offset_hz != before.lo_offset_hz:
            tune(channel, wished, self.upkeep.manner)


def set_all(channel: Channel, settings: Settings, manner: Manner) -> None:
    """Set what may be otherwise after a change that failed: the gain to hear with, and both mixers.

    Raises:
        SettingError: something reads back differently.
        RadioError: UHD failed.
    """
    tuning.hear(channel, settings.rx_gain_db)
    tune(channel, settings, manner)


def tune(channel: Channel, settings: Settings, manner: Manner) -> None:
    """Tune both mixers of one channel.

    Raises:
        SettingError: a mixer reads back differently, or does not lock.
        RadioError: UHD failed.
    """
    mixers.tune([channel], settings.carrier + settings.lo_offset_hz, manner.sources.is_common, manner.pause)
