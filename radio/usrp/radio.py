"""A channel of a USRP as a `Radio`, over UHD.

An index is round(time · rate) − origin, by the device's own time: boards that share PPS and reference share indices.
Bursts have a time, and leave at it. An overflow loses samples, not the count; what else breaks a stream is raised, and
the next call starts the streams again, in a new session.

A USRP sends what is queued, and nothing else: a burst whose end does not come (kill -9, a crash, a lost link) breaks
off when at most `lead_time` has passed, and no watchdog is needed. What stays is the leakage of its mixer, at the gain
that was set (some daughterboards switch the transmitter off between bursts, as their makers say); at every end that
can be caught, the gain goes back to the least one.
"""

import uuid
from dataclasses import dataclass, field

import numpy as np

from radio import exits
from radio.base import LateError, RadioError, Samples, check_burst
from radio.safety import Authorisation, check_band
from radio.settings import Change, Limits, SettingError, Settings, changed, is_heard
from radio.usrp import clock, mixers, tuning
from radio.usrp.count import Count
from radio.usrp.device import Channel
from radio.usrp.hearing import Hearing
from radio.usrp.manner import Manner
from radio.usrp.pump import Pump
from radio.usrp.ring import Ring
from radio.usrp.sending import Sending
from radio.usrp.tuning import Tuning

START_AHEAD = 0.1  # seconds from now to the first sample of a stream


@dataclass(eq=False)
class UsrpRadio:
    """A transceiver on a channel of a device whose clock runs; it does not stream until `prepare` and `start`.

    Args:
        channel: of an open device, checked and synchronised, its mixers tuned.
        tuned: with what it was opened.
        manner: how it is run.
        allowed: what may be sent; None: nothing.
        breaks: how often its streams have broken so far.

    Raises:
        RadioError: it cannot be set up.
    """

    channel: Channel
    tuned: Tuning
    manner: Manner
    allowed: Authorisation | None = None
    timing_repeatability: float = 0.0
    breaks: int = 0
    sample_rate: float = field(init=False)
    timing_uncertainty: int = field(init=False)
    lead_time: int = field(init=False)
    session: str = field(init=False)
    serial: str = field(init=False)
    limits: Limits = field(init=False)
    _count: Count = field(init=False)
    _pump: Pump = field(init=False)
    _settings: Settings = field(init=False)
    _epoch: str = ""
    _sessions: int = 0
    _is_on: bool = False
    _muted: bool = False
    _closed: bool = False
    _failed: bool = False

    def __post_init__(self) -> None:
        manner, rate = self.manner, self.tuned.sample_rate
        self._epoch = manner.epoch or uuid.uuid4().hex
        self.sample_rate, self.timing_uncertainty = rate, manner.timing_uncertainty
        self.lead_time = round(manner.lead * rate) + 2 * manner.block
        self.serial, self.limits = self.channel.serial, tuning.limits_of(self.channel)
        attenuation = self.tuned.tx_attenuation_db
        attenuation = self.limits.tx_attenuation_db.high if attenuation is None else attenuation
        wished = Settings(self.tuned.carrier, rate, rate, self.limits.tx_attenuation_db.nearest(attenuation))
        self._settings = tuning.read_settings(self.channel, wished)
        self._count = Count(rate)
        hearing = Hearing(self.channel, self._count, manner.block)
        sending = Sending(self.channel, self._count, self.lead_time)
        self._pump = Pump(hearing, sending, Ring(round(rate), self.channel.label), self.lead_time)
        self._begin_session()
        exits.register(self)

    def prepare(self) -> None:
        """Make its streams, which takes its time; nothing streams yet.

        Raises:
            RadioError: UHD failed.
        """
        self._pump.open()

    def start(self, at: float, zero: float) -> None:
        """Begin to hear, with streams that are prepared.

        Args:
            at: device time in seconds, ahead of now.
            zero: device time of index 0.

        Raises:
            RadioError: UHD failed.
        """
        self._count.origin = round(zero * self.sample_rate)
        self._begin(at)

    def _begin(self, at: float) -> None:
        self._pump.start(round(at * self.sample_rate) - self._count.origin, at - self._time())
        self.manner.pace.start(self._pump)

    def soonest(self) -> float:
        """Return the next device time in seconds at which a stream can begin: a whole tenth of a second."""
        return (int(10 * (self._time() + START_AHEAD)) + 1) / 10

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet.

        Raises:
            RadioError: the radio had failed, and cannot be started again.
        """
        if self._failed and not self._closed:
            self._ready()
        return self._pump.ring.end

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on; waits for those to come.

        Raises:
            ValueError: none are asked for.
            OverrunError: they are no longer kept, or some were lost.
            LateError: a burst before this did not leave as it should have.
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
        self._wait(at + count)
        with self._pump.changed:
            return self._pump.ring.read(count, at)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on; a muted radio drops them.

        Raises:
            NotAuthorisedError: nobody said that this may be sent.
            LateError, FullScaleError: as their names say; also for a burst before this.
            RadioError: the radio failed, or is closed.
        """
        burst = check_burst(samples)
        self._ready()
        self._check_band(self._settings)
        self._check_time(at)
        if self._muted:
            return
        if not self._is_on:
            self._switch_on()
        with self._pump.changed:
            self._check_time(at)  # switching on took its time
            self._pump.schedule.put(burst, at)
            self._pump.changed.notify_all()

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what waits, lower the gain, wait until the device has sent the rest.

        Raises:
            RadioError: the gain does not go down; without samples it stops all the same.
        """
        self._muted = True
        with self._pump.changed:
            self._pump.schedule.clear()
        if self._closed or self._failed:
            return
        if self._is_on:
            self._switch_off()
        if self._pump.schedule.busy > self._pump.ring.end:
            self._wait(self._pump.schedule.busy)

    def unmute(self) -> None:
        """Allow sending again."""
        self._ready()
        self._muted = False

    @property
    def settings(self) -> Settings:
        """How the radio is set, as it says itself; the attenuation is the one while it sends."""
        return self._settings

    def configure(self, change: Change) -> Settings:
        """Set something, read it back, and return all settings; a retune begins a new session.

        All that is heard from now() on is heard with them.

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
            self._check_band(after)
        try:
            self._set(before, after)
        except SettingError:
            self._set(after, before)
            raise
        self._settings = tuning.read_settings(self.channel, after)
        if is_heard(change):  # what was heard before is on its way
            self._wait(round(self._time() * self.sample_rate) - self._count.origin)
        return self._settings

    def close(self) -> None:
        """Silence the radio, read back its gain, and give its streams back.

        Raises:
            RadioError: the gain does not go down; without samples it stops all the same.
        """
        if self._closed:
            return
        self._closed, self._muted = True, True
        exits.forget(self)
        self._drop()

    def _drop(self) -> None:
        """Lower the gain, let the device send the little that it has got, and stop the streams; each step is tried.

        Raises:
            RadioError: one of them failed.
        """
        pump, failures = self._pump, []
        with pump.changed:
            pump.schedule.clear()
        for step in (self._switch_off, self._drain, lambda: self.manner.pace.stop(pump), pump.close):
            try:
                step()
            except RadioError as error:
                failures.append(error)
        if failures:
            raise RadioError("; ".join(str(error) for error in failures)) from failures[0]

    def _drain(self) -> None:
        if self._pump.schedule.busy > self._pump.ring.end and self._pump.failure is None:
            self.manner.pace.wait(self._pump, self._pump.schedule.busy)

    def _ready(self) -> None:
        """Return if the radio runs; start it again if the last call found that it had failed.

        Raises:
            RadioError: it is closed, or has failed since the last call.
            LateError: a burst did not leave as it should have.
        """
        if self._closed:
            raise RadioError(f"radio {self.channel.label} is closed; open a new one")
        if self._failed:
            self.prepare()
            self._begin(self.soonest())
            self._failed = False
            self._begin_session()
        pump = self._pump
        if pump.failure is not None:
            raise self._given_up(pump.failure) from pump.failure
        with pump.changed:
            late, pump.late = pump.late, []
        if late:
            raise LateError("; ".join(str(error) for error in late)) from late[0]

    def _wait(self, index: int) -> None:
        """Wait until everything before an index was heard.

        Raises:
            RadioError: the radio has failed.
        """
        self.manner.pace.wait(self._pump, index)
        if self._pump.failure is not None:
            raise self._given_up(self._pump.failure) from self._pump.failure

    def _given_up(self, error: RadioError) -> RadioError:
        """Silence a radio that has failed, and return the error, with what else went wrong."""
        self._failed = True
        self.breaks += 1
        try:
            self._drop()
        except RadioError as another:
            return type(error)(f"{error}; {another}")
        return error

    def _time(self) -> float:
        device, board = self.channel.device, self.channel.board
        with device.asking("its time", self.channel.label):
            return float(device.usrp.get_time_now(board).get_real_secs())

    def _switch_on(self) -> None:
        """Check the reference, then set the gain that is wished."""
        board = self.channel.board
        source, _ = self.manner.sources.of(board)
        if source != "internal" and not clock.is_locked(self.channel.device, board):
            raise RadioError(
                f"radio {self.channel.label}: ref_locked must be true to send with clock_source = {source}, got false; "
                f"check {clock.CABLES[source]}, and open it again"
            )
        self._is_on = True
        tuning.send(self.channel, tuning.most_gain(self.channel) - self._settings.tx_attenuation_db)

    def _switch_off(self) -> None:
        self._is_on = False
        try:
            tuning.send(self.channel, tuning.least_gain(self.channel))
        except RadioError as error:
            raise RadioError(
                f"radio {self.channel.label}: its gain could not be lowered ({error}); nothing is queued any more, so "
                "that it is silent but for the leakage of its mixer; take its power away if that is too much"
            ) from error

    def _set(self, before: Settings, after: Settings) -> None:
        if self._is_on and after.tx_attenuation_db != before.tx_attenuation_db:
            tuning.send(self.channel, tuning.most_gain(self.channel) - after.tx_attenuation_db)
        if after.rx_gain_db != before.rx_gain_db:
            tuning.hear(self.channel, after.rx_gain_db)
        if after.lo_offset_hz != before.lo_offset_hz:
            self._begin_session()
            mixers.tune([self.channel], self._frequency(after), self.manner.sources.is_common, self.manner.pause)

    def _begin_session(self) -> None:
        """Note that streams were started, or a mixer was tuned again: phases are void."""
        self._sessions += 1
        self.session = f"{self._epoch}.{self._sessions}"

    def _check_band(self, settings: Settings) -> None:
        width = self.tuned.width(settings.bandwidth)
        check_band(self.allowed, self.channel.label, self._frequency(settings), width)

    def _check_time(self, at: int) -> None:
        first = max(self._pump.ring.end + self.lead_time, self._pump.schedule.taken)
        if at < first:
            raise LateError(
                f"radio {self.channel.label}: samples for index {at} come {first - at} samples too late; hand them "
                f"over {self.lead_time} samples ahead of now(), or start them at {first} or later"
            )

    @staticmethod
    def _frequency(settings: Settings) -> float:
        return settings.carrier + settings.lo_offset_hz
