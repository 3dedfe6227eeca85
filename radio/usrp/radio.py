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
from radio.base import LateError, Samples, check_burst
from radio.safety import Authorisation
from radio.settings import Change, Limits, Settings, changed, is_heard
from radio.streaming.pieces import in_pieces
from radio.streaming.ring import Ring
from radio.usrp import tuning
from radio.usrp.count import Count
from radio.usrp.device import Channel
from radio.usrp.hearing import REMEDY, Hearing, limited
from radio.usrp.manner import Manner
from radio.usrp.pump import Pump
from radio.usrp.sending import Sending
from radio.usrp.setter import Setter, set_all
from radio.usrp.transmitter import Transmitter
from radio.usrp.tuning import Tuning
from radio.usrp.upkeep import Upkeep


@dataclass(eq=False)
class UsrpRadio:
    """A transceiver on a channel of a device whose clock runs; it does not stream until `prepare` and `start`.

    Args:
        channel: of an open device, checked and synchronised, its mixers tuned, at the least gain to send with.
        tuned: with what it was opened.
        manner: how it is run.
        allowed: what may be sent; None: nothing.

    Raises:
        RadioError: it cannot be set up.
    """

    channel: Channel
    tuned: Tuning
    manner: Manner
    allowed: Authorisation | None = None
    timing_repeatability: float = 0.0
    sample_rate: float = field(init=False)
    timing_uncertainty: int = field(init=False)
    lead_time: int = field(init=False)
    serial: str = field(init=False)
    limits: Limits = field(init=False)
    _upkeep: Upkeep = field(init=False)
    _transmitter: Transmitter = field(init=False)
    _setter: Setter = field(init=False)

    def __post_init__(self) -> None:
        channel, manner, rate = self.channel, self.manner, self.tuned.sample_rate
        self.sample_rate, self.timing_uncertainty = rate, manner.timing_uncertainty
        self.lead_time = round(manner.lead * rate) + 2 * manner.block
        self.serial, self.limits = channel.serial, tuning.limits_of(channel)
        attenuation = self.tuned.tx_attenuation_db
        attenuation = self.limits.tx_attenuation_db.high if attenuation is None else attenuation
        wished = Settings(self.tuned.carrier, rate, rate, self.limits.tx_attenuation_db.nearest(attenuation))
        settings, epoch = tuning.read_settings(channel, wished), manner.epoch or uuid.uuid4().hex
        self._upkeep = Upkeep(
            self._pump(), manner, settings, epoch, lambda settings: set_all(channel, settings, manner)
        )
        self._transmitter = Transmitter(self._upkeep, self.tuned, self.allowed)
        self._setter = Setter(self._upkeep, self._transmitter)
        self._upkeep.begin_session()
        exits.register(self)

    def _pump(self) -> Pump:
        count = Count(self.sample_rate)
        hearing = Hearing(self.channel, count, self.manner.block)
        sending = Sending(self.channel, count, self.lead_time)
        ring = Ring(round(self.sample_rate), self.channel.label, limited, REMEDY)
        return Pump(hearing, sending, ring, self.lead_time)

    @property
    def session(self) -> str:
        """Changes when streams are started, or a mixer is tuned again."""
        return self._upkeep.session

    @property
    def breaks(self) -> int:
        """How often its streams have broken."""
        return self._upkeep.breaks

    def prepare(self) -> None:
        """Make its streams, which takes its time; nothing streams yet.

        Raises:
            RadioError: UHD failed.
        """
        self._upkeep.prepare()

    def start(self, at: float, zero: float) -> None:
        """Begin to hear, with streams that are prepared.

        Args:
            at: device time in seconds, ahead of now.
            zero: device time of index 0.

        Raises:
            RadioError: UHD failed.
        """
        self._upkeep.pump.hearing.count.origin = round(zero * self.sample_rate)
        self._upkeep.start(at)

    def soonest(self) -> float:
        """Return the next device time in seconds at which a stream can begin: a whole tenth of a second."""
        return self._upkeep.soonest()

    def now(self) -> int:
        """Return the index of the next sample that nobody has heard yet.

        Raises:
            RadioError: the radio had failed, and cannot be started again.
        """
        if self._upkeep.has_failed and not self._upkeep.is_closed:
            self._upkeep.ready()
        return self._upkeep.pump.ring.end

    def receive(self, count: int, at: int) -> Samples:
        """Return `count` samples from index `at` on; waits for those to come.

        Raises:
            ValueError: none are asked for.
            OverrunError: they are no longer kept, or some were lost.
            LateError: a burst before this did not leave as it should have.
            RadioError: the radio failed, or is closed.
        """
        return in_pieces(self._heard, count, at, self.sample_rate)

    def _heard(self, count: int, at: int) -> Samples:
        self._upkeep.ready()
        self._upkeep.wait(at + count)
        pump = self._upkeep.pump
        with pump.changed:
            return pump.ring.read(count, at)

    def transmit(self, samples: np.ndarray, at: int) -> None:
        """Queue samples to leave from index `at` on; a muted radio drops them.

        Raises:
            NotAuthorisedError: nobody said that this may be sent.
            LateError, FullScaleError: as their names say; also for a burst before this.
            RadioError: the radio failed, or is closed.
        """
        burst = check_burst(samples)
        with self._upkeep.guard:  # nobody mutes between the question whether it is muted and the burst in the queue
            self._upkeep.ready()
            self._transmitter.check(self._upkeep.settings)
            self._check_time(at)
            if self._transmitter.is_muted:
                return
            self._transmitter.check_reference()
            self._transmitter.switch_on()
            pump = self._upkeep.pump
            with pump.changed:
                self._check_time(at)  # all this took its time
                pump.schedule.put(burst, at)
                pump.changed.notify_all()

    def mute(self) -> None:
        """Send nothing until `unmute`: withdraw what waits, lower the gain, wait until the device has sent the rest.

        Raises:
            RadioError: the gain does not go down; without samples it stops all the same.
        """
        self._transmitter.mute()

    def unmute(self) -> None:
        """Allow sending again."""
        with self._upkeep.guard:
            self._upkeep.ready()
            self._transmitter.is_muted = False

    @property
    def settings(self) -> Settings:
        """How the radio is set, as it says itself; the attenuation is the one while it sends."""
        return self._upkeep.settings

    def configure(self, change: Change) -> Settings:
        """Set something, read it back, and return all settings; a retune begins a new session.

        All that is heard from now() on is heard with them.

        Raises:
            SettingError: a value is beyond the limits, or the radio did not take it: all is as before.
            NotAuthorisedError: the transmitter would leave its band.
            RadioError: the radio failed, or is closed.
        """
        with self._upkeep.guard:
            self._upkeep.ready()
            before = self._upkeep.settings
            after = changed(before, change, self.limits)
            if after == before:
                return before
            if self.allowed is not None:  # also of one that does not send: its mixer is tuned, and leaks
                self._transmitter.check(after)
            self._setter.put(after)
        if is_heard(change):  # what was heard before is on its way
            self._upkeep.wait(round(self._upkeep.time() * self.sample_rate) - self._upkeep.pump.hearing.count.origin)
        return self._upkeep.settings

    def close(self) -> None:
        """Silence the radio, read back its gain, and give its streams back; may be called again until that is done.

        Raises:
            RadioError: the gain does not go down; without samples it stops all the same.
        """
        with self._upkeep.guard:
            if not self._upkeep.is_done:
                self._upkeep.close()
        exits.forget(self)

    def _check_time(self, at: int) -> None:
        pump = self._upkeep.pump
        first = max(pump.ring.end + self.lead_time, pump.schedule.taken)
        if at < first:
            raise LateError(
                f"radio {self.channel.label}: samples for index {at} come {first - at} samples too late; hand them "
                f"over {self.lead_time} samples ahead of now(), or start them at {first} or later"
            )
