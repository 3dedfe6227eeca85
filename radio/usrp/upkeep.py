"""One radio from its opening to its closing: if it fails it is silenced, and the next call starts its streams again.

Its silence is a gain that reads back least. As long as it has not, `hush` and `close` lower it again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from radio.base import LateError, LostRadioError, RadioError
from radio.safety import Emission
from radio.settings import Settings
from radio.usrp import tuning
from radio.usrp.manner import Manner
from radio.usrp.pump import Pump

START_AHEAD = 0.1  # seconds from now to the first sample of a stream


@dataclass(eq=False)
class Upkeep:
    """What a radio is at the moment: streaming, sending, failed, or closed.

    Args:
        pump: keeps its streams.
        manner: how it is run.
        settings: that it was opened with; then those that it says itself.
        epoch: with which names of sessions begin.
        set_again: sets all of these once more, the gain to send with excepted.
        breaks: how often its streams have broken.
        is_closed: for good.
        is_set: whether the radio is known to have these settings.
        emission: what is known of its gain to send with; SILENT only after the least one was read back.
        guard: held by whoever starts, closes, sends, mutes or sets, so that none comes in between.
    """

    pump: Pump
    manner: Manner
    settings: Settings
    epoch: str
    set_again: Callable[[Settings], None]
    breaks: int = 0
    is_closed: bool = False
    is_set: bool = True
    emission: Emission = Emission.SILENT
    guard: threading.RLock = field(default_factory=threading.RLock)
    _failed: bool = False
    _streams: bool = False
    _is_stuck: bool = False
    _sessions: int = 0

    @property
    def session(self) -> str:
        """Name of the session; phases from another one are void."""
        return f"{self.epoch}.{self._sessions}"

    @property
    def has_failed(self) -> bool:
        """Whether the next call starts its streams again."""
        return self._failed

    @property
    def is_on(self) -> bool:
        """Whether it has the gain that is wished, as it was told."""
        return self.emission is Emission.SENDING

    def begin_session(self) -> None:
        """Note that streams were started, or a mixer was tuned again."""
        self._sessions += 1

    def prepare(self) -> None:
        """Make the streams, which takes its time; nothing streams yet.

        Raises:
            RadioError: UHD failed.
        """
        if self._is_stuck:
            self.pump, self._is_stuck = self.pump.anew(), False
        self._streams = True
        self.pump.open()

    def start(self, at: float) -> None:
        """Begin to hear at a device time in seconds, ahead of now, with streams that are prepared.

        Raises:
            RadioError: UHD failed.
        """
        count = self.pump.hearing.count
        self.pump.start(round(at * count.rate) - count.origin, at - self.time())
        self.manner.pace.start(self.pump)

    def soonest(self) -> float:
        """Return the next device time in seconds at which a stream can begin: a whole tenth of a second."""
        return (int(10 * (self.time() + START_AHEAD)) + 1) / 10

    def time(self) -> float:
        """Return the device's time in seconds."""
        channel = self.pump.hearing.channel
        with channel.device.asking("its time", channel.label):
            return float(channel.device.usrp.get_time_now(channel.board).get_real_secs())

    def ready(self) -> None:
        """Return if the radio runs; start it again if the last call found that it had failed.

        Raises:
            LostRadioError: it had failed, and cannot be started again.
            RadioError: it is closed, or has failed since the last call.
            LateError: a burst did not leave as it should have.
        """
        with self.guard:
            if self.is_closed:
                raise RadioError(f"radio {self.pump.label} is closed; open a new one")
            if self._failed:
                self._start_again()
            pump = self.pump
            if pump.failure is not None:
                raise self.given_up(pump.failure) from pump.failure
            with pump.changed:
                late, pump.late = pump.late, []
        if late:
            raise LateError("; ".join(str(error) for error in late)) from late[0]

    def _start_again(self) -> None:
        try:
            if not self.is_set:
                self.set_again(self.settings)
                self.is_set = True
            self.prepare()
            self.start(self.soonest())
        except RadioError as error:
            raise LostRadioError(str(self.with_more(error, self._drop))) from error
        self._failed = False
        self.begin_session()

    def wait(self, index: int) -> None:
        """Wait until everything before an index was heard.

        Raises:
            RadioError: the radio has failed.
        """
        pump = self.pump
        self.manner.pace.wait(pump, index)
        if pump.failure is not None:
            raise self.given_up(pump.failure) from pump.failure

    def given_up(self, error: RadioError) -> RadioError:
        """Silence a radio that has failed, and return the error, with what else went wrong."""
        with self.guard:
            self._failed = True
            self.breaks += 1
            return self.with_more(error, self._drop)

    def with_more(self, error: RadioError, action: Callable[[], object]) -> RadioError:
        """Return an error after an action that follows from it, with what went wrong there."""
        try:
            action()
        except RadioError as another:
            return type(error)(f"{error}; {another}")
        return error

    def hush(self) -> None:
        """Lower the gain of a radio that is not known to be silent.

        Raises:
            RadioError: it does not go down; without samples it stops all the same.
        """
        if self.emission is not Emission.SILENT:
            self._lower()

    def _lower(self) -> None:
        channel, self.emission = self.pump.hearing.channel, Emission.UNSURE
        try:
            tuning.send(channel, tuning.send_gains(channel).low)
        except RadioError as error:
            raise RadioError(
                f"radio {channel.label}: its gain could not be lowered ({error}); nothing is queued any more, so "
                "that it is silent but for the leakage of its mixer; take its power away if that is too much"
            ) from error
        self.emission = Emission.SILENT

    def close(self) -> None:
        """Silence it, read back its gain, and end its streams; the gain is lowered by every call until it is low.

        Raises:
            RadioError: the gain does not go down, or the streams do not end.
        """
        self.is_closed = True
        if self._streams:
            self._drop()
        else:
            self.hush()

    @property
    def is_done(self) -> bool:
        """Whether it was closed, and nothing of that is left to be tried again."""
        return self.is_closed and self.emission is Emission.SILENT and not self._streams

    def _drop(self) -> None:
        """Lower the gain, let the device send the little that it has got, and stop the streams; each step is tried.

        Raises:
            RadioError: one of them failed.
        """
        self.pump.withdraw()
        failures: list[RadioError] = []
        for step in (self._lower, self._drain, self._stop):
            try:
                step()
            except RadioError as error:
                failures.append(error)
        if failures:
            raise RadioError("; ".join(str(error) for error in failures)) from failures[0]

    def _drain(self) -> None:
        if self.pump.is_busy and self.pump.failure is None:
            self.manner.pace.wait(self.pump, self.pump.schedule.busy)

    def _stop(self) -> None:
        """End the threads, then the streams; those that a thread is stuck in are left alone for ever."""
        self._streams = False
        if self.manner.pace.stop(self.pump):
            self.pump.close()
        else:
            self._is_stuck = True
