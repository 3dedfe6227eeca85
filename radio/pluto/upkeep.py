"""One radio from its opening to its closing: if it fails it is silenced and dropped, and the next call opens it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from radio.base import LostRadioError, RadioError
from radio.pluto import tuning
from radio.pluto.attributes import ContactError
from radio.pluto.link import Link
from radio.settings import Settings

Result = TypeVar("Result")


@dataclass(eq=False)
class Upkeep:
    """What a radio is at the moment: open, sending, failed, or closed.

    Args:
        link: to the hardware.
        settings: that it is opened with; then those that it says itself.
        epoch: with which names of sessions begin.
        is_on: whether its mixer was given power.
        is_closed: for good.
        breaks: how often its streams have broken.
    """

    link: Link
    settings: Settings
    epoch: str
    is_on: bool = False
    is_closed: bool = False
    breaks: int = 0
    _failed: bool = False
    _sessions: int = 0

    @property
    def session(self) -> str:
        """Name of the session; phases and delays from another one are void."""
        return f"{self.epoch}.{self._sessions}"

    def begin_session(self) -> None:
        """Note that streams were started, or a mixer was tuned again or has power again."""
        self._sessions += 1

    def open(self) -> None:
        """Open the link with the settings as they are, and read them back.

        Raises:
            RadioError: it cannot be opened.
        """
        try:
            self.link.open(self.settings)
        except BaseException:
            self.link.drop()
            raise
        self.begin_session()
        self.settings, self._failed = tuning.read_settings(self.link.attributes, self.settings, False), False

    def ready(self) -> None:
        """Return if the radio runs; open it again if the last call found that it had failed.

        Raises:
            LostRadioError: it had failed, and cannot be opened again.
            RadioError: it is closed, or has failed since the last call.
        """
        if self.is_closed:
            raise RadioError(f"radio {self.link.uri} is closed; open a new one")
        if not self._reopened() and self.link.streams.are_open and (failure := self.link.pump.failure) is not None:
            raise self.given_up(failure) from failure
        self._unless_it_fails(self.link.begin)

    def catch(self) -> None:
        """Open streams that wait for a pulse from outside at that pulse.

        Raises:
            RadioError: it does not come.
        """
        self._unless_it_fails(self.link.catch)

    def _unless_it_fails(self, action: Callable[[], None]) -> None:
        try:
            action()
        except RadioError as error:
            raise self.given_up(error) from error

    def _reopened(self) -> bool:
        """Open the radio if the last call found that it had failed, and return whether it had."""
        if not self._failed:
            return False
        try:
            self.open()
        except RadioError as error:
            raise LostRadioError(str(error)) from error
        return True

    def told(self, action: Callable[[], Result]) -> Result:
        """Return what an action returns that needs an answer; a radio that gives none has failed."""
        try:
            return action()
        except ContactError as error:
            raise self.given_up(error) from error

    def given_up(self, error: RadioError) -> RadioError:
        """Silence a radio that has failed, drop its context, and return the error, with what else went wrong."""
        self._failed, self.is_on = True, False
        self.breaks += 1
        try:
            self.link.silence(not isinstance(error, ContactError))
        except RadioError as another:
            return type(error)(f"{error}; {another}")
        finally:
            self.link.drop()
        return error

    def close(self) -> None:
        """Silence it, read back that it is, and give it back.

        Raises:
            RadioError: it may still be sending.
        """
        self.is_closed = True
        try:
            if not self._failed:
                self.link.silence()
        finally:
            self.link.drop()
