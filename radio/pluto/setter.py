"""How the settings of a running radio are changed: all of a change, or nothing, or the radio has failed.

A mixer that lands elsewhere than it should must not be heard there: it has no power while it is tuned.
"""

from dataclasses import dataclass

from radio.base import ContactError, RadioError
from radio.pluto import tuning
from radio.pluto.transmitter import Transmitter
from radio.pluto.upkeep import Upkeep
from radio.settings import Change, Settings, is_retuned


@dataclass(eq=False)
class Setter:
    """Changes the settings of one radio.

    Args:
        upkeep: of the radio, whose guard is held by whoever calls.
        transmitter: of the radio.
    """

    upkeep: Upkeep
    transmitter: Transmitter

    def put(self, change: Change, wished: Settings) -> None:
        """Set something, and read it back; a retune begins a new session.

        Args:
            change: says which settings.
            wished: their values, inside the limits and the band.

        Raises:
            SettingError: the radio did not take it: all is as before.
            RadioError: nor is it as before: the radio has failed, and is silent if it answers.
        """
        was_on, retunes = self.upkeep.is_on, is_retuned(change)
        if retunes:
            self.upkeep.hush()
        try:
            self._change(change, wished)
        finally:
            if was_on and retunes and not self.upkeep.has_failed:
                self.transmitter.raise_level()
        if retunes:
            self.upkeep.begin_session()

    def _change(self, change: Change, wished: Settings) -> None:
        before = self.upkeep.settings
        try:
            self.upkeep.settings = self._applied(change, wished)
        except ContactError:
            raise
        except RadioError as error:
            self._restore(change, before, error)
            raise
        except BaseException:  # nobody knows how it is set
            self.upkeep.given_up(RadioError("interrupted"))
            raise

    def _restore(self, change: Change, before: Settings, error: RadioError) -> None:
        try:
            self._applied(change, before)
        except ContactError:
            raise
        except RadioError as another:
            raise self.upkeep.given_up(
                RadioError(f"{error}; nor is it as before ({another}); the next call opens the radio again")
            ) from another

    def _applied(self, change: Change, wished: Settings) -> Settings:
        upkeep = self.upkeep
        return upkeep.told(
            lambda: tuning.apply_change(upkeep.link.attributes, change, wished, upkeep.is_on, upkeep.may_send)
        )
