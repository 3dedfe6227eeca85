"""A PlutoSDR as a `Radio`, over pyadi-iio.

Stock firmware cannot send at a given instant. So both streams run all the time, the offset between their counts is
learned once, and a burst is placed into the running stream where it leaves the antenna at the index asked for. An index
is a count of received samples. Whatever breaks a stream voids the counts: it is raised, and the next call starts the
streams again, in a new session. The transmitter's mixer has power from the first burst until `mute`.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from radio import exits
from radio.base import LateError, RadioError, Samples, check_burst
from radio.pluto import tuning
from radio.pluto.attributes import ContactError
from radio.pluto.link import Link
from radio.pluto.safety import MOST_ATTENUATION_DB, silence
from radio.pluto.watchdog import Watchdog
from radio.safety import Authorisation, check_band
from radio.settings import Change, Limits, SettingError, Settings, changed

Result = TypeVar("Result")


@dataclass(eq=False)
class PlutoRadio:
    """A transceiver on a Pluto.

    Args:
        link: to the hardware, not yet open.
        allowed: what may be sent; None: nothing.
        timing_uncertainty: samples by which a burst may leave early or late.
        epoch: with which names of sessions begin; "" for one that nobody else has.
        guarded: whether a process of its own mutes the radio should this one die.

    Raises:
        RadioError: it cannot be opened.
    """

    link: Link
    allowed: Authorisation | None = None
    timing_uncertainty: int = 2
    epoch: str = ""
    guarded: bool = True
    timing_repeatability: float = 0.0
    sample_rate: float = field(init=False)
    lead_time: int = field(init=False)
    session: str = field(init=False)
    serial: str = field(init=False)
    limits: Limits = field(init=False)
    _settings: Settings = field(init=False)
    _sessions: int = 0
    _is_on: bool = False
    _was_on: bool = False
    _muted: bool = False
    _closed: bool = False
    _failed: bool = False
    _watchdog: Watchdog | None = None

    def __post_init__(self) -> None:
        self.epoch = self.epoch or uuid.uuid4().hex
        self.sample_rate = self.link.tuning.sample_rate
        self.lead_time = self.link.pace.lead(self.link.block) + self.link.antenna_delay
        if self.guarded and self.allowed is not None:
            self._watchdog = Watchdog(self.link.uri)
        try:
            self._settings = self._open(self.link.tuning.settings)
        except BaseException:
            self._dismiss()
            raise
        exits.register(self)
        self.serial, self.limits = self.link.serial, tuning.limits_of(self.link.attributes)

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet.

        Raises:
            RadioError: the radio had failed, and cannot be opened again.
        """
        if self._failed and not self._closed:
            self._ready()
        return self.link.end

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on; waits for those to come.

        Raises:
            ValueError: none are asked for.
            OverrunError: they are no longer kept, or the receiver lost samples.
            LateError: the transmitter ran dry meanwhile.
            RadioError: the radio failed, or is closed.
        """
        if count < 1:
            raise ValueError(f"a span must have samples, got {count}")
        piece = max(round(self.sample_rate / 2), 1)  # a ring holds a second
        parts = [self._heard(min(piece, count - done), at + done) for done in range(0, count, piece)]
        if len(parts) == 1:
            return parts[0]
        return Samples(np.concatenate([part.data for part in parts]), at, clipped=sum(part.clipped for part in parts))

    def _heard(self, count: int, at: int) -> Samples:
        self._ready()
        try:
            self.link.wait(at + count - self.link.shift())
            self.link.pump.stream.check()
        except RadioError as error:
            raise self._given_up(error) from error
        with self.link.pump.changed:
            return self.link.pump.ring.read(count, at, self.link.uri)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave the antenna from index `at` on; a muted radio drops them.

        Raises:
            NotAuthorisedError: nobody said that this may be sent.
            LateError, FullScaleError: as their names say.
            RadioError: the radio failed, or is closed.
        """
        burst = check_burst(samples)
        self._ready()
        lo = self._settings.carrier + self._settings.lo_offset_hz
        check_band(self.allowed, self.link.uri, lo, self._settings.bandwidth)
        self._check_time(at)
        if self._muted:
            return
        if not self._is_on:
            self._switch_on()
        pump = self.link.pump
        with pump.changed:
            first = at - self.link.shift() - pump.offset - self.link.antenna_delay
            if first < pump.promised:
                raise self._late(at, pump.promised - first)
            pump.timeline.put(burst, first)

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what is queued, and take the mixer's power.

        Raises:
            RadioError: it may still be sending.
        """
        self._muted = True
        if self.link.is_running:
            with self.link.pump.changed:
                self.link.pump.timeline.clear()
        if not self._closed and self._is_on:
            self._is_on = False
            self._told(lambda: silence(self.link.attributes))

    def unmute(self) -> None:
        """Allow sending again, once what was withdrawn too late has left the converter unheard."""
        self._ready()
        if not self._muted:
            return
        self.link.wait(self.link.pump.promised + self.link.pump.offset + self.link.antenna_delay)
        self._muted = False

    @property
    def settings(self) -> Settings:
        """How the radio is set, as it says itself; the attenuation is the one while it sends."""
        return self._settings

    def configure(self, change: Change) -> Settings:
        """Set something, read it back, and return all settings; a retune begins a new session.

        Raises:
            SettingError: a value is beyond the limits, or the radio did not take it: all is as before.
            NotAuthorisedError: the transmitter would leave its band.
            RadioError: the radio failed, or is closed.
        """
        self._ready()
        before, after = self._settings, changed(self._settings, change, self.limits)
        if after == before:
            return before
        if self._is_on:
            check_band(self.allowed, self.link.uri, after.carrier + after.lo_offset_hz, after.bandwidth)
        try:
            self._settings = self._told(lambda: self._set(change, after))
        except SettingError:
            self._told(lambda: self._set(change, before))
            raise
        if tuning.is_retuned(change):
            self._begin_session()
        return self._settings

    def align(self, index: int) -> None:
        """Make `index` what the next sample is called; what was heard is forgotten."""
        self._ready()
        self.link.rebase(index)

    def close(self) -> None:
        """Silence the radio, read back that it is, and give it back.

        Raises:
            RadioError: it may still be sending.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._failed:
                self.link.silence()
        finally:
            self.link.drop()
            exits.forget(self)
            self._dismiss()

    def _dismiss(self) -> None:
        if self._watchdog is not None:
            self._watchdog.leave()

    def _open(self, settings: Settings) -> Settings:
        try:
            self.link.open(settings)
        except BaseException:
            self.link.drop()
            raise
        self._begin_session()
        return tuning.read_settings(self.link.attributes, settings, False)

    def _ready(self) -> None:
        """Return if the radio runs; open it again if the last call found that it had failed.

        Raises:
            RadioError: it is closed, or has failed since the last call.
        """
        if self._closed:
            raise RadioError(f"radio {self.link.uri} is closed; open a new one")
        if self._failed:
            self._settings, self._failed = self._open(self._settings), False
        elif (failure := self.link.pump.failure) is not None:
            raise self._given_up(failure) from failure

    def _given_up(self, error: RadioError) -> RadioError:
        """Silence a radio that has failed, drop its context, and return the error, with what else went wrong."""
        self._failed, self._is_on = True, False
        try:
            self.link.silence(not isinstance(error, ContactError))
        except RadioError as another:
            return type(error)(f"{error}; {another}")
        finally:
            self.link.drop()
        return error

    def _told(self, action: Callable[[], Result]) -> Result:
        """Return what an action returns that needs an answer; a radio that gives none has failed."""
        try:
            return action()
        except ContactError as error:
            raise self._given_up(error) from error

    def _switch_on(self) -> None:
        """Give the mixer power at the largest attenuation, then set the attenuation that is wished."""
        attributes = self.link.attributes
        if self._watchdog is not None:
            self._watchdog.check()

        def switch() -> None:
            attributes.put("tx_gain_db", -MOST_ATTENUATION_DB)
            attributes.put("tx_lo_powerdown", 0.0)
            attributes.put("tx_gain_db", -self._settings.tx_attenuation_db)

        self._is_on = True
        try:
            self._told(switch)
        except SettingError:
            self.mute()
            raise
        if self._was_on:
            self._begin_session()
        self._was_on = True

    def _begin_session(self) -> None:
        """Note that streams were started, or a mixer was tuned again or has power again: phases are void."""
        self._sessions += 1
        self.session = f"{self.epoch}.{self._sessions}"

    def _check_time(self, at: int) -> None:
        first = self.link.pump.ring.end + self.lead_time
        if at < first:
            raise self._late(at, first - at)

    def _late(self, at: int, missing: int) -> LateError:
        return LateError(
            f"radio {self.link.uri}: samples for index {at} come {missing} samples too late; hand them over "
            f"{self.lead_time} samples ahead of now(), or start them at {at + missing} or later"
        )

    def _set(self, change: Change, wished: Settings) -> Settings:
        attributes, names = self.link.attributes, tuning.names_of(change)
        if "tx_attenuation_db" in names:
            attributes.put("tx_gain_db", -wished.tx_attenuation_db)
            if not self._is_on:
                attributes.put("tx_gain_db", -MOST_ATTENUATION_DB)
        if "rx_gain_db" in names:
            attributes.put("rx_gain_db", wished.rx_gain_db)
        if "clock_trim_ppm" in names:
            tuning.trim(attributes, wished.clock_trim_ppm)
        if "quadrature_tracking" in names:
            attributes.put("quadrature_tracking", float(bool(wished.quadrature_tracking)))
        if "lo_offset_hz" in names:
            for setting in ("rx_lo", "tx_lo"):
                attributes.put(setting, round(wished.carrier + wished.lo_offset_hz), tuning.LO_TOLERANCE)
        return tuning.read_settings(attributes, wished, self._is_on)
