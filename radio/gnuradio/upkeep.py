"""One unit of a flowgraph from its opening to its closing: if the flowgraph fails, the next call starts it again."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from radio.base import ContactError, LostRadioError, RadioError
from radio.gnuradio.controls import Controls
from radio.gnuradio.flowgraph import Flowgraph
from radio.safety import Emission
from radio.settings import Change, SettingError, Settings
from radio.streaming.pump import Pump


@dataclass(eq=False)
class Upkeep:
    """What a unit is at the moment: running, sending, failed, or closed.

    Args:
        flowgraph: that of all units.
        unit: which of them.
        epoch: with which names of sessions begin.
        settings: as the radio says them.
        is_closed: for good.
        emission: what is known of its transmitter.
        was_on: whether it has been heard since the flowgraph was started.
        guard: held by whoever closes, sends, mutes or sets, so that none comes in between.
    """

    flowgraph: Flowgraph
    unit: int
    epoch: str
    settings: Settings = field(init=False)
    is_closed: bool = False
    emission: Emission = Emission.SILENT
    was_on: bool = False
    guard: threading.RLock = field(default_factory=threading.RLock)
    _sessions: int = 0
    _started: int = 0

    def __post_init__(self) -> None:
        self.settings = self.controls.settings
        self.begin_session()

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"{self.flowgraph.plan.label} unit {self.unit}"

    @property
    def controls(self) -> Controls:
        """What can be set on it."""
        return self.flowgraph.controls[self.unit]

    @property
    def pump(self) -> Pump:
        """Its running streams."""
        return self.flowgraph.pump(self.unit)

    @property
    def is_on(self) -> bool:
        """Whether its transmitter can be heard, as it was told."""
        return self.emission is Emission.SENDING

    @property
    def session(self) -> str:
        """Name of the session; phases and delays from another one are void."""
        return f"{self.epoch}.{self._sessions}"

    def begin_session(self) -> None:
        """Note that the flowgraph was started, or a mixer was tuned or has power again."""
        self._sessions, self._started = self._sessions + 1, self.flowgraph.sessions

    def ready(self) -> None:
        """Return if the flowgraph runs; start it again if a call found that it had failed.

        Raises:
            LostRadioError: the flowgraph had failed, and cannot be started again.
            RadioError: this radio is closed, or the flowgraph has failed since the last call.
        """
        with self.guard:
            if self.is_closed:
                raise RadioError(f"{self.label} is closed; open a new one")
            if not self.flowgraph.is_open:
                self._start_again()
            elif (failure := self.flowgraph.failure) is not None:
                raise self.given_up(failure) from failure
            if self._started != self.flowgraph.sessions:  # opening has silenced it
                self.emission, self.was_on = Emission.SILENT, False
                self.begin_session()
                self.settings = self.controls.settings

    def _start_again(self) -> None:
        try:
            self.flowgraph.open()
        except RadioError as error:
            raise LostRadioError(str(error)) from error

    def unless_it_fails(self, action: Callable[[], None]) -> None:
        """Do something; if it fails, the flowgraph has failed.

        Raises:
            RadioError: why.
        """
        try:
            action()
        except RadioError as error:
            raise self.given_up(error) from error

    def given_up(self, error: RadioError) -> RadioError:
        """Silence all units of a flowgraph that has failed, end it, and return the error, with what else went wrong."""
        with self.guard:
            reasons = []
            for controls in self.flowgraph.controls:
                try:
                    controls.silence()
                except RadioError as another:
                    reasons.append(str(another))
            self.flowgraph.close()
            self.emission = Emission.UNSURE if reasons else Emission.SILENT
        return type(error)("; ".join([str(error), *reasons])) if reasons else error

    def put(self, change: Change, wished: Settings) -> None:
        """Set something, and read it back.

        Args:
            change: says which settings.
            wished: their values.

        Raises:
            SettingError: the radio did not take it: all is as before.
            RadioError: nor is it as before: the flowgraph has failed.
        """
        before = self.settings
        try:
            self.settings = self.controls.apply(change, wished, self.is_on)
        except SettingError as error:
            self._restore(change, before, error)
            raise
        except ContactError as error:
            raise self.given_up(error) from error

    def _restore(self, change: Change, before: Settings, error: SettingError) -> None:
        try:
            self.controls.apply(change, before, self.is_on)
        except RadioError as another:
            raise self.given_up(
                RadioError(f"{error}; nor is it as before ({another}); the next call opens the radio again")
            ) from another
