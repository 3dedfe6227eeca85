"""One radio from its opening to its closing: if it fails it is silenced and dropped, and the next call opens it.

Its silence is confirmed or it is not there: as long as it is not, `hush` and `close` connect again and silence it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from radio.base import ContactError, LostRadioError, RadioError
from radio.pluto import tuning
from radio.pluto.link import Link
from radio.safety import Emission
from radio.settings import Settings

Result = TypeVar("Result")


@dataclass(eq=False)
class Upkeep:
    """What a radio is at the moment: open, sending, failed, or closed.

    Args:
        link: to the hardware.
        settings: that it is opened with; then those that it says itself.
        epoch: with which names of sessions begin.
        may_send: whether the transmitter's mixer may be tuned.
        is_closed: for good.
        breaks: how often its streams have broken.
        guard: held by whoever opens, closes, sends, mutes or sets, so that none comes in between.
    """

    link: Link
    settings: Settings
    epoch: str
    may_send: bool
    is_closed: bool = False
    breaks: int = 0
    guard: threading.RLock = field(default_factory=threading.RLock)
    _failed: bool = False
    _sessions: int = 0

    @property
    def session(self) -> str:
        """Name of the session; phases and delays from another one are void."""
        return f"{self.epoch}.{self._sessions}"

    @property
    def has_failed(self) -> bool:
        """Whether the next call opens it again."""
        return self._failed

    @property
    def is_on(self) -> bool:
        """Whether its mixer has power, as it was told."""
        return self.link.emission is Emission.SENDING

    @property
    def is_silent(self) -> bool:
        """Whether it was read back that it sends nothing."""
        return self.link.emission is Emission.SILENT

    def begin_session(self) -> None:
        """Note that streams were started, or a mixer was tuned again or has power again."""
        self._sessions += 1

    def open(self) -> None:
        """Open the link with the settings as they are, and read them back.

        Raises:
            RadioError: it cannot be opened.
        """
        try:
            self.link.open(self.settings, self.may_send)
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
        with self.guard:
            if self.is_closed:
                raise RadioError(f"radio {self.link.uri} is closed; open a new one")
            runs = not self._reopened() and self.link.streams.are_open
            if runs and (failure := self.link.pump.failure) is not None:
                raise self.given_up(failure) from failure
            self._unless_it_fails(self.link.begin)

    def catch(self) -> None:
        """Open streams that wait for a pulse from outside at that pulse.

        Raises:
            RadioError: it does not come.
        """
        with self.guard:
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
        with self.guard:
            self._failed = True
            self.breaks += 1
            try:
                return self.with_more(error, lambda: self.link.silence(not isinstance(error, ContactError)))
            finally:
                self.link.drop()

    def with_more(self, error: RadioError, action: Callable[[], object]) -> RadioError:
        """Return an error after an action that follows from it, with what went wrong there."""
        try:
            action()
        except RadioError as another:
            return type(error)(f"{error}; {another}")
        return error

    def hush(self) -> None:
        """Silence a radio that is not known to be silent; one that has failed is connected to for that.

        Raises:
            RadioError: it may still be sending.
        """
        if self.is_silent:
            return
        if self._failed or self.is_closed:
            self._silence(False)
        else:
            self.told(self.link.hush)

    def close(self) -> None:
        """Silence it, read back that it is, and give it back; tried again by every call until that is done.

        Raises:
            RadioError: it may still be sending.
        """
        is_open, self.is_closed = not (self._failed or self.is_closed), True
        if is_open or not self.is_silent:
            self._silence(is_open)

    def _silence(self, answers: bool) -> None:
        try:
            self.link.silence(answers)
        finally:
            self.link.drop()
